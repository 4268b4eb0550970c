//! Bytes of an open transaction: in memory while few, else in an unlinked temporary file.
//!
//! Journals and overlays live here. Nothing of it outlives the process, because
//! the store only ever changes by a whole transaction.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A growable, randomly accessible buffer.
#[derive(Debug)]
pub struct Spill {
    directory: PathBuf,
    memory_limit: usize,
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
}

impl Spill {
    /// An empty buffer that moves to a file in `directory` when it outgrows `memory_limit` bytes.
    #[must_use]
    pub fn new(directory: &Path, memory_limit: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            memory_limit,
            memory: Vec::new(),
            file: None,
            len: 0,
        }
    }

    /// Bytes in the buffer.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Reads up to `buffer.len()` bytes; returns how many there were.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let available = self.len.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let target = &mut buffer[..available];
        match &self.file {
            Some(file) => file
                .read_exact_at(target, offset)
                .map_err(|e| Error::local(self.action("reading"), &e))?,
            None if available > 0 => {
                target.copy_from_slice(&self.memory[offset as usize..offset as usize + available]);
            }
            None => {}
        }
        Ok(available)
    }

    /// Writes all of `data` at `offset`, with zeros in any gap before it.
    ///
    /// # Errors
    /// The temporary file cannot be made or written, for instance because the disk is full.
    pub fn write_at(&mut self, data: &[u8], offset: u64) -> Result<()> {
        let end = offset + data.len() as u64;
        if self.file.is_none() && end > self.memory_limit as u64 {
            self.move_to_file()?;
        }
        match &self.file {
            Some(file) => file
                .write_all_at(data, offset)
                .map_err(|e| Error::local(self.action("writing"), &e))?,
            None => {
                if self.memory.len() < end as usize {
                    self.memory.resize(end as usize, 0);
                }
                self.memory[offset as usize..end as usize].copy_from_slice(data);
            }
        }
        self.len = self.len.max(end);
        Ok(())
    }

    /// Cuts the buffer, or grows it with zeros.
    ///
    /// # Errors
    /// As for writing.
    pub fn truncate(&mut self, len: u64) -> Result<()> {
        if self.file.is_none() && len > self.memory_limit as u64 {
            self.move_to_file()?;
        }
        match &self.file {
            Some(file) => {
                file.set_len(len)
                    .map_err(|e| Error::local(self.action("resizing"), &e))?;
            }
            None => self.memory.resize(len as usize, 0),
        }
        self.len = len;
        Ok(())
    }

    /// Forgets everything and gives the memory and the file back.
    pub fn clear(&mut self) {
        self.memory = Vec::new();
        self.file = None;
        self.len = 0;
    }

    /// The content as a file that nobody else writes, for streaming it to a store.
    ///
    /// # Errors
    /// As for writing.
    pub fn into_file(mut self) -> Result<File> {
        if self.file.is_none() {
            self.move_to_file()?;
        }
        self.file
            .take()
            .ok_or_else(|| Error::Refused("the temporary file is gone".to_owned()))
    }

    fn move_to_file(&mut self) -> Result<()> {
        let failed = |e: std::io::Error| Error::local(self.action("creating"), &e);
        let file = unlinked_file(&self.directory).map_err(failed)?;
        file.write_all_at(&self.memory, 0).map_err(failed)?;
        self.memory = Vec::new();
        self.file = Some(file);
        Ok(())
    }

    fn action(&self, doing: &str) -> String {
        format!(
            "{doing} the temporary file of a transaction in {}",
            self.directory.display()
        )
    }
}

/// A file with no name in `directory`, or where that is impossible in the system's temporary directory.
fn unlinked_file(directory: &Path) -> std::io::Result<File> {
    unlinked_file_in(directory)
        .or_else(|first| unlinked_file_in(&std::env::temp_dir()).map_err(|_| first))
}

fn unlinked_file_in(directory: &Path) -> std::io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    std::fs::create_dir_all(directory)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("sqlbridge-spill-{}-{number}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_the_same_in_memory_and_in_a_file() {
        let directory = std::env::temp_dir();
        for limit in [4, 1 << 20] {
            let mut spill = Spill::new(&directory, limit);
            spill.write_at(b"abc", 2).unwrap();
            spill.write_at(b"XY", 9).unwrap();
            let mut bytes = [1; 16];
            assert_eq!(spill.read_at(&mut bytes, 0).unwrap(), 11);
            assert_eq!(&bytes[..11], b"\0\0abc\0\0\0\0XY");
            assert_eq!(spill.read_at(&mut bytes, 11).unwrap(), 0);
            assert_eq!(spill.read_at(&mut bytes, 99).unwrap(), 0);
            spill.truncate(4).unwrap();
            spill.truncate(6).unwrap();
            assert_eq!(spill.read_at(&mut bytes, 0).unwrap(), 6);
            assert_eq!(&bytes[..6], b"\0\0ab\0\0");
            spill.clear();
            assert_eq!(spill.size(), 0);
        }
    }
}
