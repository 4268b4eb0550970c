//! The rollback journal. It dies with the connection, because the store only ever
//! changes by a whole transaction: there is never a hot journal.

use std::path::Path;

use sqlite_abi::{Code, Control, File, Handled, Lock};

use crate::error::{Error, Result};
use crate::spill::Spill;

const MEMORY_LIMIT: usize = 8 << 20;

/// See the module's documentation.
#[derive(Debug)]
pub struct Journal {
    content: Spill,
}

impl Journal {
    /// An empty journal that spills to `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            content: Spill::new(directory, MEMORY_LIMIT),
        }
    }
}

fn code<T>(result: Result<T>) -> std::result::Result<T, Code> {
    result.map_err(|error: Error| {
        crate::log::error(error.code(), &error.to_string());
        error.code()
    })
}

impl File for Journal {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> std::result::Result<usize, Code> {
        code(self.content.read_at(buffer, offset))
    }

    fn write(&mut self, data: &[u8], offset: u64) -> std::result::Result<(), Code> {
        code(self.content.write_at(data, offset))
    }

    fn truncate(&mut self, size: u64) -> std::result::Result<(), Code> {
        code(self.content.truncate(size))
    }

    fn sync(&mut self) -> std::result::Result<(), Code> {
        Ok(())
    }

    fn size(&mut self) -> std::result::Result<u64, Code> {
        Ok(self.content.size())
    }

    fn lock(&mut self, _: Lock) -> std::result::Result<(), Code> {
        Ok(())
    }

    fn unlock(&mut self, _: Lock) -> std::result::Result<(), Code> {
        Ok(())
    }

    fn check_reserved_lock(&mut self) -> std::result::Result<bool, Code> {
        Ok(false)
    }

    fn control(&mut self, _: Control<'_>) -> std::result::Result<Handled, Code> {
        Ok(Handled::No)
    }

    fn device_characteristics(&self) -> i32 {
        crate::file::CHARACTERISTICS
    }
}
