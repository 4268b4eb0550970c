//! Pages written by the open transaction, seen only by its own connection.
//!
//! SQLite may write any bytes at any offset (a backup from smaller pages does),
//! so writes are merged into whole pages on top of the base snapshot's.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Result;
use crate::ltx::PageSize;
use crate::spill::Spill;

const MEMORY_LIMIT: usize = 16 << 20;

/// See the module's documentation.
#[derive(Debug)]
pub struct Overlay {
    slots: BTreeMap<u32, u32>,
    /// Slots of pages that were cut off.
    free: Vec<u32>,
    content: Spill,
    page_size: Option<PageSize>,
    /// Pages of the file as the transaction sees it; none before the first change.
    page_count: Option<u32>,
    /// Pages of the base that still show through: those not cut off since.
    base_visible: u32,
}

impl Overlay {
    /// An empty overlay that spills to `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            slots: BTreeMap::new(),
            free: Vec::new(),
            content: Spill::new(directory, MEMORY_LIMIT),
            page_size: None,
            page_count: None,
            base_visible: u32::MAX,
        }
    }

    /// True where nothing was written or cut.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.page_count.is_none()
    }

    /// True where pages were written.
    #[must_use]
    pub fn has_pages(&self) -> bool {
        !self.slots.is_empty()
    }

    /// The size of its pages, once known.
    #[must_use]
    pub fn page_size(&self) -> Option<PageSize> {
        self.page_size
    }

    /// Fixes the page size.
    pub fn set_page_size(&mut self, page_size: PageSize) {
        self.page_size = Some(page_size);
    }

    /// Pages of the file, given those of the base.
    #[must_use]
    pub fn page_count(&self, base: u32) -> u32 {
        self.page_count.unwrap_or(base)
    }

    /// Whether page `pgno` of the base shows through.
    #[must_use]
    pub fn shows_base(&self, pgno: u32) -> bool {
        pgno <= self.base_visible
    }

    /// How many of the base's pages still show through, given how many it has.
    #[must_use]
    pub fn shown_of(&self, base: u32) -> u32 {
        self.base_visible.min(base)
    }

    /// Fills `page` if the transaction wrote it.
    ///
    /// # Errors
    /// The spill file cannot be read.
    pub fn read(&self, pgno: u32, page: &mut [u8]) -> Result<bool> {
        let Some(&slot) = self.slots.get(&pgno) else {
            return Ok(false);
        };
        self.content
            .read_at(page, u64::from(slot) * page.len() as u64)?;
        Ok(true)
    }

    /// Replaces page `pgno`; `base` is the base's page count.
    ///
    /// # Errors
    /// The spill file cannot be written.
    pub fn write(&mut self, pgno: u32, page: &[u8], base: u32) -> Result<()> {
        let slot = match self.slots.get(&pgno) {
            Some(&slot) => slot,
            None => self
                .free
                .pop()
                .unwrap_or((self.content.size() / page.len() as u64) as u32),
        };
        self.content
            .write_at(page, u64::from(slot) * page.len() as u64)?;
        self.slots.insert(pgno, slot);
        self.page_count = Some(self.page_count(base).max(pgno));
        Ok(())
    }

    /// Cuts the file to `pages`, or grows it with zero pages.
    pub fn truncate(&mut self, pages: u32, base: u32) {
        if pages < self.page_count(base) {
            self.base_visible = self.base_visible.min(pages);
            let gone = self.slots.split_off(&pages.saturating_add(1));
            self.free.extend(gone.into_values());
        }
        self.page_count = Some(pages);
    }

    /// The pages written, ascending.
    pub fn pages(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.keys().copied()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.content.clear();
        self.page_count = None;
        self.base_visible = u32::MAX;
        self.page_size = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay() -> Overlay {
        let mut overlay = Overlay::new(&std::env::temp_dir());
        overlay.set_page_size(PageSize::new(512).unwrap());
        overlay
    }

    fn page(overlay: &Overlay, pgno: u32) -> Option<u8> {
        let mut page = [0; 512];
        overlay.read(pgno, &mut page).unwrap().then_some(page[0])
    }

    #[test]
    fn pages_cut_off_are_gone_and_their_slots_reused() {
        let mut overlay = overlay();
        for pgno in 1..=4 {
            overlay.write(pgno, &[pgno as u8; 512], 10).unwrap();
        }
        assert_eq!(overlay.page_count(10), 10);
        overlay.truncate(2, 10);
        assert_eq!((overlay.page_count(10), page(&overlay, 3)), (2, None));
        assert!(overlay.shows_base(2) && !overlay.shows_base(3));
        overlay.write(7, &[7; 512], 10).unwrap();
        overlay.write(8, &[8; 512], 10).unwrap();
        overlay.write(9, &[9; 512], 10).unwrap();
        assert_eq!(overlay.page_count(10), 9);
        for pgno in [1, 2, 7, 8, 9] {
            assert_eq!(page(&overlay, pgno), Some(pgno as u8));
        }
        assert!(!overlay.shows_base(9));
        overlay.clear();
        assert!(overlay.is_empty() && overlay.shows_base(9));
    }
}
