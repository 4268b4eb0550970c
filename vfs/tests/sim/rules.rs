//! One test or more for each storage rule.

use sqlite_abi::{Access, Code, Control, Delegated, File, Filename, Handled, Lock, OpenFlags, Opened, Vfs};

/// A local file system whose databases fail at their sync, to break a transaction
/// after the blob database beside it was committed.
#[derive(Debug)]
pub struct FailingVfs;

/// Content in memory.
#[derive(Debug, Default)]
pub struct FailingFile {
    content: Vec<u8>,
    database: bool,
}

impl Vfs for FailingVfs {
    type File = FailingFile;

    fn open(&self, name: Option<&Filename<'_>>, flags: OpenFlags) -> Result<Opened<FailingFile>, Code> {
        if name.is_none() {
            return Ok(Opened::Host);
        }
        let database = flags.contains(OpenFlags::MAIN_DB);
        Ok(Opened::File { file: FailingFile { content: Vec::new(), database }, read_only: false })
    }

    fn delete(&self, _: &str, _: bool) -> Result<Delegated<()>, Code> {
        Ok(Delegated::Done(()))
    }

    fn access(&self, _: &str, _: Access) -> Result<Delegated<bool>, Code> {
        Ok(Delegated::Done(false))
    }

    fn full_pathname(&self, path: &str) -> Result<Delegated<String>, Code> {
        Ok(Delegated::Done(path.to_owned()))
    }
}

impl File for FailingFile {
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Code> {
        let offset = (offset as usize).min(self.content.len());
        let count = buffer.len().min(self.content.len() - offset);
        buffer[..count].copy_from_slice(&self.content[offset..offset + count]);
        Ok(count)
    }
    fn write(&mut self, data: &[u8], offset: u64) -> Result<(), Code> {
        let end = offset as usize + data.len();
        self.content.resize(self.content.len().max(end), 0);
        self.content[offset as usize..end].copy_from_slice(data);
        Ok(())
    }
    fn truncate(&mut self, size: u64) -> Result<(), Code> {
        self.content.resize(size as usize, 0);
        Ok(())
    }
    fn sync(&mut self) -> Result<(), Code> {
        Ok(())
    }
    fn size(&mut self) -> Result<u64, Code> {
        Ok(self.content.len() as u64)
    }
    fn lock(&mut self, _: Lock) -> Result<(), Code> {
        Ok(())
    }
    fn unlock(&mut self, _: Lock) -> Result<(), Code> {
        Ok(())
    }
    fn check_reserved_lock(&mut self) -> Result<bool, Code> {
        Ok(false)
    }
    fn control(&mut self, control: Control<'_>) -> Result<Handled, Code> {
        match control {
            Control::Sync { .. } if self.database => Err(Code::IOERR_FSYNC),
            _ => Ok(Handled::No),
        }
    }
    fn device_characteristics(&self) -> i32 {
        0
    }
}
