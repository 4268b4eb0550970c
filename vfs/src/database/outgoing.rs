//! From pages to a transaction file that is ready to be sent.
//!
//! Commits, snapshots, compaction and imports all come through here. Small files
//! stay in memory, large ones go to a temporary file and are streamed.

use std::sync::Arc;

use bytes::Bytes;

use super::Database;
use super::load::WHOLE;
use crate::error::{Error, Result};
use crate::layout::FileName;
use crate::ltx::{self, Encoder, Header, PageSize};
use crate::spill::Spill;
use crate::store::Body;
use crate::sums;
use crate::transaction_file::{Mark, page_hash};

/// Files up to this size are sent from memory.
const MEMORY_BODY: usize = 16 << 20;
/// The encoder's output moves on when it has so many bytes.
const DRAIN: usize = 1 << 20;
/// So many bytes of pages are kept to fill the cache afterwards.
const KEPT_PAGES: usize = 4 << 20;

/// What a transaction file is to say of itself.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: FileName,
    pub(super) page_size: PageSize,
    pub(super) page_count: u32,
    pub(super) timestamp_ms: i64,
    /// The database's identity, drawn at its first transaction.
    pub(super) node_id: u64,
    /// None where a file of Litestream's is among the inputs.
    pub(super) mark: Option<Mark>,
}

/// A file on its way to the store.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) name: FileName,
    pub(super) header: Header,
    pub(super) body: Body,
    pub(super) summary: ltx::Summary,
    pub(super) hashes: Vec<u64>,
}

/// The first pages of a file, kept to fill the cache once it is in the store.
pub(super) type Pages = Vec<(u32, Vec<u8>)>;

impl Outgoing {
    pub(super) fn mark(&self) -> Option<Mark> {
        Mark::decode(&self.header.reserved)
    }
}

impl Database {
    /// Encodes `pages` (ascending; the lock page is left out) as `read` gives them.
    pub(super) fn encode(
        &self,
        draft: &Draft,
        pages: impl IntoIterator<Item = u32>,
        read: &mut dyn FnMut(u32, &mut [u8]) -> Result<()>,
    ) -> Result<(Outgoing, Pages)> {
        let FileName { min, max, .. } = draft.name;
        let mut header = Header::new(
            draft.page_size,
            draft.page_count,
            (min, max),
            draft.timestamp_ms,
        );
        header.node_id = draft.node_id;
        header.reserved = draft.mark.map_or([0; 20], Mark::encode);

        let failed = |error: ltx::EncodeError| self.history_error(error);
        let mut sink = Spill::new(&self.options.cache_dir, MEMORY_BODY);
        let mut buffer = Vec::new();
        let mut encoder = Encoder::new(&header, &mut buffer).map_err(failed)?;
        let mut page = vec![0; draft.page_size.get()];
        let mut hashes = Vec::new();
        let mut kept = Vec::new();
        for pgno in pages {
            if pgno == draft.page_size.lock_page() {
                continue;
            }
            read(pgno, &mut page)?;
            hashes.push(page_hash(&page));
            if hashes.len() * page.len() <= KEPT_PAGES {
                kept.push((pgno, page.clone()));
            }
            encoder.page(pgno, &page, &mut buffer).map_err(failed)?;
            if buffer.len() >= DRAIN {
                sink.write_at(&buffer, sink.size())?;
                buffer.clear();
            }
        }
        let summary = encoder.finish(&mut buffer).map_err(failed)?;
        let body = if sink.size() == 0 {
            Body::Memory(Bytes::from(buffer))
        } else {
            sink.write_at(&buffer, sink.size())?;
            Body::File {
                len: sink.size(),
                file: Arc::new(sink.into_file()?),
            }
        };
        let limit = self.store.max_object_size();
        if summary.size > limit {
            let store = self.store.url().to_owned();
            return Err(Error::TooLarge {
                size: summary.size,
                limit,
                store,
            });
        }
        Ok((
            Outgoing {
                name: draft.name,
                header,
                body,
                summary,
                hashes,
            },
            kept,
        ))
    }

    /// Writes the page sums of a file that readers will not read whole.
    pub(super) fn put_sums(&self, outgoing: &Outgoing) -> Result<()> {
        let ltx::Summary {
            size,
            file_checksum,
            ..
        } = outgoing.summary;
        if size > WHOLE {
            let outline = sums::outline(&outgoing.header, &outgoing.summary.index);
            let sums = Bytes::from(sums::encode(file_checksum, outline, &outgoing.hashes));
            self.store
                .put(&self.layout.sums_key(file_checksum), &Body::Memory(sums))?;
        }
        Ok(())
    }

    /// Fills the cache with pages of a file that is in the store now.
    pub(super) fn keep_pages(
        &self,
        file: &Arc<crate::transaction_file::TransactionFile>,
        pages: &Pages,
    ) {
        for (pgno, page) in pages {
            if let Some(position) = file.position(*pgno) {
                self.cache(file.header.page_size)
                    .insert(file, position, page);
            }
        }
    }
}
