//! Plain database files in and out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commit::Shape;
use super::{Database, ReadAhead};
use crate::error::{Error, Result};
use crate::ltx::PageSize;
use crate::snapshot::Snapshot;
use crate::spill::Spill;
use crate::store::{Body, Part, Store};

/// How much of an object is read at once.
const PART: u64 = 8 << 20;

/// A plain SQLite database file: <https://www.sqlite.org/fileformat2.html>.
#[derive(Debug)]
pub struct PlainFile {
    file: File,
    /// Where it lies, with what it looked like when it was opened; none for a copy.
    source: Option<(PathBuf, Look)>,
    shown: String,
    page_size: PageSize,
    page_count: u32,
}

impl PlainFile {
    /// Opens a file on disk, which must be at rest: no journal, nothing in its WAL.
    ///
    /// # Errors
    /// A sentence where it is no database or has unfinished work beside it.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let failed = |e: std::io::Error| Error::local(format!("opening {shown}"), &e);
        check_at_rest(&shown, "be imported as it stands")?;
        if !path.is_file() {
            return Err(Error::Refused(format!(
                "{shown} cannot be imported: there is no such file"
            )));
        }
        let file = File::open(path).map_err(failed)?;
        let look = Look::at(&file).map_err(failed)?;
        Self::new(file, Some((path.to_owned(), look)), shown)
    }

    fn new(file: File, source: Option<(PathBuf, Look)>, shown: String) -> Result<Self> {
        let no_database = |why: &str| Error::Refused(format!("{shown} cannot be imported: {why}"));
        let size = file
            .metadata()
            .map_err(|e| Error::local(format!("reading {shown}"), &e))?
            .len();
        let mut header = [0; 100];
        if file.read_exact_at(&mut header, 0).is_err() || !is_database(&header) {
            return Err(no_database("it is not a SQLite database"));
        }
        let page_size = page_size_of(&header)
            .ok_or_else(|| no_database("its page size is not one of SQLite's"))?;
        let page_count = size / page_size.get() as u64;
        if page_count == 0 || size % page_size.get() as u64 != 0 {
            return Err(no_database("its size is not a multiple of its page size"));
        }
        let page_count = u32::try_from(page_count).map_err(|_| no_database("it is too large"))?;
        Ok(Self {
            file,
            source,
            shown,
            page_size,
            page_count,
        })
    }

    fn read(&self, pgno: u32, page: &mut [u8]) -> Result<()> {
        let offset = u64::from(pgno - 1) * page.len() as u64;
        self.file
            .read_exact_at(page, offset)
            .map_err(|e| Error::local(format!("reading {}", self.shown), &e))?;
        if pgno == 1 {
            page[18..20].copy_from_slice(&[1, 1]);
            page[28..32].copy_from_slice(&self.page_count.to_be_bytes());
            let counter: [u8; 4] = [page[24], page[25], page[26], page[27]];
            page[92..96].copy_from_slice(&counter);
        }
        if pgno == self.page_count {
            self.check_unchanged()?;
        }
        Ok(())
    }

    /// Nobody may have written while the pages were read: a writer leaves a journal
    /// beside the file, or another change counter in it.
    fn check_unchanged(&self) -> Result<()> {
        let Some((_, before)) = &self.source else {
            return Ok(());
        };
        check_at_rest(&self.shown, "be imported while it is written to")?;
        let failed = |e: std::io::Error| Error::local(format!("reading {}", self.shown), &e);
        if Look::at(&self.file).map_err(failed)? != *before {
            return Err(Error::Refused(format!(
                "{} changed while it was imported; nothing was committed: try again when nobody writes to it",
                self.shown
            )));
        }
        Ok(())
    }
}

/// What changes when somebody writes to a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    change_counter: [u8; 16],
    len: u64,
    modified: std::time::SystemTime,
}

impl Look {
    fn at(file: &File) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        let mut change_counter = [0; 16];
        let _ = file.read_at(&mut change_counter, 24)?;
        Ok(Self {
            change_counter,
            len: metadata.len(),
            modified: metadata.modified()?,
        })
    }
}

/// Refuses a database file with unfinished work beside it.
fn check_at_rest(path: &str, purpose: &str) -> Result<()> {
    for (suffix, advice) in [
        (
            "-journal",
            "it has a rollback journal: open and close it with SQLite first",
        ),
        (
            "-wal",
            "it has a WAL: run PRAGMA wal_checkpoint(TRUNCATE) on it first",
        ),
    ] {
        let beside = PathBuf::from(format!("{path}{suffix}"));
        if std::fs::metadata(&beside).is_ok_and(|metadata| metadata.len() > 0) {
            return Err(Error::Refused(format!("{path} cannot {purpose}: {advice}")));
        }
    }
    Ok(())
}

/// Whether these are the first bytes of a SQLite database.
#[must_use]
pub fn is_database(header: &[u8]) -> bool {
    header.starts_with(b"SQLite format 3\0")
}

/// The page size in a database header; 1 stands for 65536.
#[must_use]
pub fn page_size_of(header: &[u8]) -> Option<PageSize> {
    let bytes = u32::from(u16::from_be_bytes([*header.get(16)?, *header.get(17)?]));
    PageSize::new(if bytes == 1 { 65536 } else { bytes })
}

impl Database {
    /// Commits a plain file as the first transaction.
    ///
    /// # Errors
    /// There is a history already; the file cannot be read; see [`Database::commit`].
    pub fn import(&self, plain: &PlainFile) -> Result<u32> {
        let base = self.head();
        let emptied = super::compact::is_dropped(&base);
        if base.txid > 0 && !emptied {
            return Err(Error::Refused(format!(
                "{} exists already (transaction {}); import under another name or drop it first",
                self.name(),
                base.txid
            )));
        }
        if base.page_size().is_some_and(|size| size != plain.page_size) {
            return Err(Error::Refused(format!(
                "{} was dropped with another page size than that of {}; import under another name",
                self.name(),
                plain.shown
            )));
        }
        let pages = 1..=plain.page_count;
        let shape = Shape {
            page_size: plain.page_size,
            page_count: plain.page_count,
            drops: false,
        };
        self.commit_pages(&base, shape, pages, &mut |pgno, page| {
            plain.read(pgno, page)
        })?;
        Ok(plain.page_count)
    }

    /// The plain database object that lies where this database's history would be.
    ///
    /// # Errors
    /// The store is out of reach.
    pub fn importable(&self) -> Result<Option<String>> {
        for key in self.layout.import_keys() {
            match self.store.get(&key, Part::Range(0..16)) {
                Ok(fetched) if is_database(&fetched.bytes) => return Ok(Some(key)),
                Ok(_) => {}
                Err(error) if error.kind == crate::store::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Copies an object to a temporary file, to import it.
    ///
    /// # Errors
    /// The store is out of reach, the disk is full, it is no database.
    pub fn plain_object(&self, store: &dyn Store, key: &str) -> Result<PlainFile> {
        let mut copy = Spill::new(&self.options.cache_dir, 0);
        loop {
            let part = store.get(key, Part::Range(copy.size()..copy.size() + PART))?;
            copy.write_at(&part.bytes, part.offset)?;
            if copy.size() >= part.object_size {
                break;
            }
        }
        PlainFile::new(copy.into_file()?, None, format!("{key} in {}", store.url()))
    }

    /// Writes the snapshot as a plain database file.
    ///
    /// # Errors
    /// The store is out of reach; the file cannot be written.
    pub fn export_to(&self, snapshot: &Arc<Snapshot>, path: &Path) -> Result<u32> {
        let shown = path.display().to_string();
        check_at_rest(&shown, "be replaced")?;
        let temporary = PathBuf::from(format!("{shown}.sqlbridge-export"));
        let failed = |e: std::io::Error| Error::local(format!("writing {shown}"), &e);
        let file = File::create(&temporary).map_err(failed)?;
        let pages = self.each_page(snapshot, &mut |offset, page| {
            file.write_all_at(page, offset).map_err(failed)
        })?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&temporary, path).map_err(failed)?;
        Ok(pages)
    }

    /// The snapshot as a plain database file on its way to a store.
    ///
    /// # Errors
    /// The store is out of reach; the disk is full.
    pub fn export_body(&self, snapshot: &Arc<Snapshot>) -> Result<(Body, u32)> {
        let mut image = Spill::new(&self.options.cache_dir, 0);
        let pages = self.each_page(snapshot, &mut |offset, page| image.write_at(page, offset))?;
        let len = image.size();
        Ok((
            Body::File {
                file: Arc::new(image.into_file()?),
                len,
            },
            pages,
        ))
    }

    fn each_page(
        &self,
        snapshot: &Arc<Snapshot>,
        write: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<u32> {
        let Some(page_size) = snapshot.page_size() else {
            return Err(Error::Refused(format!(
                "{} is empty: there is nothing to export",
                self.name()
            )));
        };
        let mut snapshot = Arc::clone(snapshot);
        let mut page = vec![0; page_size.get()];
        let mut ahead = ReadAhead::default();
        for pgno in 1..=snapshot.page_count {
            self.read_page(&mut snapshot, pgno, &mut page, &mut ahead)?;
            write(u64::from(pgno - 1) * page.len() as u64, &page)?;
        }
        Ok(snapshot.page_count)
    }
}
