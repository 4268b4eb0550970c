//! Writes: into the overlay, whatever their offset and length.

use super::{BlobFile, PROBE, Phase};
use crate::database::page_size_of;
use crate::error::{Error, Result};
use crate::ltx::PageSize;

impl BlobFile {
    pub(super) fn write_bytes(&mut self, data: &[u8], offset: u64) -> Result<()> {
        match self.phase {
            Phase::Open | Phase::Refused => {}
            Phase::Acknowledged => {
                self.seen.snapshot = None;
                return Ok(());
            }
            Phase::Finished | Phase::Broken => {
                self.phase = Phase::Broken;
                return Err(Error::Refused(
                    "SQLite keeps its lock between transactions (locking_mode=EXCLUSIVE), so a commit could not be told from the next; set PRAGMA locking_mode=NORMAL".to_owned(),
                ));
            }
        }
        let snapshot = self.snapshot()?;
        let page_size = match self.page_size(&snapshot) {
            Some(page_size) => page_size,
            None => first_page_size(data, offset)?,
        };
        self.overlay.set_page_size(page_size);
        let size = page_size.get();
        let mut page = vec![0; size];
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let within = (at % size as u64) as usize;
            let count = (size - within).min(data.len() - done);
            let pgno = u32::try_from(at / size as u64 + 1)
                .map_err(|_| Error::Refused("the database would have too many pages".to_owned()))?;
            let part = &data[done..done + count];
            if count < size {
                self.read_page(pgno, &mut page)?;
            }
            page[within..within + count].copy_from_slice(part);
            if pgno == 1 {
                self.wrote_page_one(&mut page);
            }
            self.overlay.write(pgno, &page, snapshot.page_count)?;
            done += count;
        }
        Ok(())
    }

    fn wrote_page_one(&mut self, page: &mut [u8]) {
        if page[18..20] != [1, 1] {
            // A backup from a WAL database: stored as what it is here, but SQLite's
            // own copy of the page is another then.
            page[18..20].copy_from_slice(&[1, 1]);
            self.seen.snapshot = None;
        }
        self.seen.probe = page[PROBE].try_into().ok();
    }

    pub(super) fn cut(&mut self, size: u64) -> Result<()> {
        if matches!(self.phase, Phase::Acknowledged | Phase::Finished) {
            return Ok(()); // The size was committed from page 1 already.
        }
        let snapshot = self.snapshot()?;
        let Some(page_size) = self.page_size(&snapshot) else {
            return Ok(());
        };
        let pages = size.div_ceil(page_size.get() as u64) as u32;
        self.overlay.set_page_size(page_size);
        self.overlay.truncate(pages, snapshot.page_count);
        Ok(())
    }
}

/// The page size of a database that does not exist yet, from its first write.
fn first_page_size(data: &[u8], offset: u64) -> Result<PageSize> {
    let from_header = if offset == 0 {
        page_size_of(data)
    } else {
        None
    };
    from_header
        .or_else(|| PageSize::new(data.len() as u32))
        .ok_or_else(|| {
            Error::Refused(format!(
                "the first write of a database is no page: {} bytes",
                data.len()
            ))
        })
}
