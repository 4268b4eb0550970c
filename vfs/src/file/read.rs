//! Reads, and the probe by which SQLite learns whether its page cache is still good.

use std::sync::Arc;

use sqlite_abi::Lock;

use super::{BlobFile, PROBE};
use crate::error::{Error, Result};
use crate::ltx::PageSize;
use crate::snapshot::Snapshot;

impl BlobFile {
    pub(super) fn page_size(&self, snapshot: &Snapshot) -> Option<PageSize> {
        self.overlay.page_size().or_else(|| snapshot.page_size())
    }

    pub(super) fn read_bytes(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let snapshot = self.snapshot()?;
        let Some(page_size) = self.page_size(&snapshot) else {
            return Ok(0);
        };
        let size = page_size.get() as u64;
        let end = u64::from(self.overlay.page_count(snapshot.page_count)) * size;
        let available = end.saturating_sub(offset).min(buffer.len() as u64) as usize;
        if available == 0 {
            return Ok(0);
        }
        let pgno = (offset / size + 1) as u32;
        let within = (offset % size) as usize;
        if available == page_size.get() && within == 0 {
            self.read_page(pgno, &mut buffer[..available])?;
        } else {
            self.read_parts(&mut buffer[..available], offset, page_size)?;
        }
        if offset <= 18 && offset + available as u64 >= 20 {
            // Never WAL here, whatever Litestream's source was.
            buffer[18 - offset as usize..20 - offset as usize].copy_from_slice(&[1, 1]);
        }
        if offset == 0 && available >= 512 {
            self.saw_page_one(&snapshot, &buffer[..available]);
        }
        Ok(available)
    }

    /// Reads that are no whole page: the header at open, the probe, a backup's chunks.
    fn read_parts(&mut self, buffer: &mut [u8], offset: u64, page_size: PageSize) -> Result<()> {
        let size = page_size.get();
        if let (true, Some(kept)) = (self.overlay.is_empty(), self.snapshot()?.page_one())
            && let Some(bytes) = kept.get(offset as usize..offset as usize + buffer.len())
        {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        let mut page = vec![0; size];
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let within = (at % size as u64) as usize;
            let count = (size - within).min(buffer.len() - done);
            self.read_page((at / size as u64 + 1) as u32, &mut page)?;
            buffer[done..done + count].copy_from_slice(&page[within..within + count]);
            done += count;
        }
        Ok(())
    }

    pub(super) fn read_page(&mut self, pgno: u32, page: &mut [u8]) -> Result<()> {
        if self.overlay.has_pages() && self.overlay.read(pgno, page)? {
            return Ok(());
        }
        if !self.overlay.shows_base(pgno) {
            page.fill(0);
            return Ok(());
        }
        let mut snapshot = self.snapshot()?;
        if let (1, Some(kept)) = (pgno, snapshot.page_one()) {
            page.copy_from_slice(kept);
            return Ok(());
        }
        let database = self.database.as_ref().ok_or(Error::Forked)?;
        let before = Arc::clone(&snapshot);
        if !database.read_cached(&snapshot, pgno, page) {
            self.engine.check_process()?;
            database.read_stored(&mut snapshot, pgno, page, &mut self.ahead)?;
        }
        if pgno == 1 {
            snapshot.keep_page_one(page);
        }
        if !Arc::ptr_eq(&before, &snapshot) {
            // Its files were removed; the same state comes from others now.
            if self.pinned.is_some() {
                self.pinned = Some(Arc::clone(&snapshot));
            }
            if self.fixed.is_some() {
                self.fixed = Some(snapshot);
            }
        }
        Ok(())
    }

    /// SQLite compares these 16 bytes with the last page 1 it saw, to decide whether
    /// its page cache is still good. Change counters of two histories may be equal,
    /// so the bytes are made to differ wherever the cache is not this snapshot's
    /// (storage rule 2). What is stored is not touched.
    pub(super) fn probe(&mut self, snapshot: &Snapshot, bytes: &mut [u8]) {
        let current = Some((snapshot.txid, snapshot.identity()));
        if self.seen.snapshot != current {
            if let Some(last) = self.seen.probe {
                for (byte, last) in bytes.iter_mut().zip(last) {
                    *byte = !last;
                }
            }
            self.seen.snapshot = current;
        }
    }

    fn saw_page_one(&mut self, snapshot: &Snapshot, page: &[u8]) {
        if self.level == Lock::None {
            return;
        }
        if self.seen.probe.is_none() {
            self.seen.snapshot = Some((snapshot.txid, snapshot.identity()));
        }
        self.seen.probe = page[PROBE].try_into().ok();
    }
}
