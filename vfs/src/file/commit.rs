//! The commit, as SQLite's file controls announce it.

use std::sync::Arc;

use super::{BlobFile, Phase};
use crate::database::{ReadAhead, Shape, Transaction, page_size_of};
use crate::error::{Error, Result};
use crate::snapshot::Snapshot;

impl BlobFile {
    /// `SQLITE_FCNTL_SYNC`: once per commit, after the last page was written; also
    /// where nothing is committed (rollback after a cache spill, VACUUM, backup).
    pub(super) fn sync_control(&mut self, super_journal: Option<&str>) -> Result<()> {
        if super_journal.is_some() {
            self.phase = Phase::Refused;
            return Err(Error::Refused(
                "a transaction cannot write to a blob database and to a local one that has a rollback journal; write to them in separate transactions".to_owned(),
            ));
        }
        match self.phase {
            Phase::Open => {}
            Phase::Broken => return Err(never_sent()),
            Phase::Acknowledged | Phase::Finished | Phase::Refused => return Ok(()),
        }
        let base = self.snapshot()?;
        let Some(shape) = self.changed_shape(&base)? else {
            return Ok(());
        };
        let database = Arc::clone(self.database()?);
        let transaction = Transaction {
            base: &base,
            overlay: &self.overlay,
            shape,
        };
        match database.commit(&transaction) {
            Ok(next) => {
                if self.seen.snapshot.is_some() {
                    self.seen.snapshot = Some((next.txid, next.identity()));
                }
                self.phase = Phase::Acknowledged;
                self.committed = Some(next);
                Ok(())
            }
            Err(error) => {
                self.seen.snapshot = None;
                if !matches!(error, Error::NotSent { .. } | Error::Busy { .. }) {
                    self.phase = Phase::Refused;
                }
                if matches!(error, Error::Unknown { .. }) {
                    self.engine.keep_unsettled(&database);
                }
                Err(error)
            }
        }
    }

    /// What the database is to be like, if this is a commit: page 1 was written and
    /// its change counter is not the base's.
    fn changed_shape(&mut self, base: &Arc<Snapshot>) -> Result<Option<Shape>> {
        let Some(page_size) = self.overlay.page_size() else {
            return Ok(None);
        };
        let mut page = vec![0; page_size.get()];
        if !self.overlay.read(1, &mut page)? {
            return Ok(None);
        }
        if base.txid > 0 {
            let mut before = vec![0; page_size.get()];
            let mut snapshot = Arc::clone(base);
            match base.page_one() {
                Some(kept) => before.copy_from_slice(kept),
                None => self.database()?.read_page(
                    &mut snapshot,
                    1,
                    &mut before,
                    &mut ReadAhead::default(),
                )?,
            }
            if page[24..28] == before[24..28] {
                return Ok(None);
            }
        }
        if page_size_of(&page) != Some(page_size) {
            return Err(Error::Refused(format!(
                "the page size of a blob database cannot be changed (it is {}); export it, change the copy and import that",
                page_size.get()
            )));
        }
        let page_count = u32::from_be_bytes([page[28], page[29], page[30], page[31]]);
        if page_count == 0 || page[24..28] != page[92..96] {
            return Err(Error::Refused(
                "page 1 does not say how large the database is; it was written by a SQLite older than 3.7.0".to_owned(),
            ));
        }
        Ok(Some(Shape {
            page_size,
            page_count,
            drops: false,
        }))
    }

    pub(super) fn phase_two(&mut self) -> Result<()> {
        match self.phase {
            Phase::Acknowledged => {
                self.phase = Phase::Finished;
                self.overlay.clear();
                self.pinned = self.committed.take();
                Ok(())
            }
            Phase::Broken => Err(never_sent()),
            _ if self.overlay.has_pages() => Err(never_sent()),
            _ => Ok(()),
        }
    }
}

fn never_sent() -> Error {
    Error::Refused(
        "a transaction ended whose pages were never sent to the store; nothing of it was committed"
            .to_owned(),
    )
}
