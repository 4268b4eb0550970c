//! Local copies of pages, in one file per database and process.
//!
//! Divisions: opening · reads · inserts · the index on disk.
//!
//! What must hold: a page is served only if its bytes hash to what its
//! transaction file says ([`TransactionFile::hash`]); so a torn, overwritten or
//! foreign slot is a miss, never a wrong answer, and neither reads nor slot
//! reuse need a lock against each other. The cache is never needed for
//! correctness: where its file cannot be written it stops taking pages.
//!
//! On disk: `<n>.pages` holds pages by slot, `<n>.index` a 32-byte record per
//! slot. `n` is the lowest number that no living process has locked, so a
//! restart finds the pages of the process before it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::ltx::PageSize;
use crate::transaction_file::{TransactionFile, page_hash};

const RECORD: usize = 32;
/// More processes than this per database share no cache with their successors.
const MOST_FILES: u32 = 64;
/// Where no directory can be used, so many bytes stand in.
const MEMORY_BYTES: u64 = 16 << 20;

/// A bounded page cache. See the module's documentation.
#[derive(Debug)]
pub struct Cache {
    page_size: usize,
    backing: Backing,
    /// Set on a read, cleared by the clock hand. In parts, made when first needed.
    referenced: Box<[OnceLock<Flags>]>,
    slots: Mutex<Slots>,
    /// False once a write failed; pages already there are still served.
    accepting: AtomicBool,
    /// Reads answered.
    pub hits: AtomicU64,
    /// Reads that had to go to the store.
    pub misses: AtomicU64,
}

const FLAGS: usize = 1 << 16;
type Flags = Box<[AtomicU8]>;

#[derive(Debug)]
enum Backing {
    Disk { pages: File, index: File },
    Memory(Mutex<Vec<u8>>),
}

#[derive(Debug)]
struct Slots {
    owners: Vec<Owner>,
    capacity: u32,
    hand: u32,
    /// What an earlier process left, until somebody asks for it.
    dormant: HashMap<(u64, u32), (u32, u64)>,
}

#[derive(Debug)]
enum Owner {
    Nobody,
    Dormant {
        checksum: u64,
        pgno: u32,
    },
    Page {
        file: Weak<TransactionFile>,
        position: u32,
    },
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// Opening.

impl Cache {
    /// Opens a cache of at most `bytes` in `directory`, which is made if need be.
    /// Without a usable directory a small one in memory takes its place; the
    /// second value then says why.
    #[must_use]
    pub fn open(directory: &Path, page_size: PageSize, bytes: u64) -> (Self, Option<String>) {
        match Self::open_files(directory) {
            Ok((pages, index)) => (Self::on_disk(pages, index, page_size, bytes), None),
            Err(error) => {
                let problem = format!(
                    "the cache directory {} cannot be used ({error}); caching {MEMORY_BYTES} bytes in memory instead",
                    directory.display()
                );
                let memory = Backing::Memory(Mutex::new(Vec::new()));
                (
                    Self::new(memory, page_size, bytes.min(MEMORY_BYTES), HashMap::new()),
                    Some(problem),
                )
            }
        }
    }

    fn open_files(directory: &Path) -> std::io::Result<(File, File)> {
        std::fs::create_dir_all(directory)?;
        let open = |path: PathBuf| {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
        };
        for number in 0..MOST_FILES {
            let pages = open(directory.join(format!("{number}.pages")))?;
            let exclusive = rustix::fs::FlockOperation::NonBlockingLockExclusive;
            if rustix::fs::flock(&pages, exclusive).is_ok() {
                return Ok((pages, open(directory.join(format!("{number}.index")))?));
            }
        }
        Err(std::io::Error::other(format!(
            "{MOST_FILES} processes have it open"
        )))
    }

    fn on_disk(pages: File, index: File, page_size: PageSize, bytes: u64) -> Self {
        let dormant = read_index(&index, page_size).unwrap_or_default();
        if dormant.is_empty() {
            // Another page size, a damaged index or nothing: begin anew. A failure
            // to cut the file costs disk space only.
            let _ = pages.set_len(0);
        }
        Self::new(Backing::Disk { pages, index }, page_size, bytes, dormant)
    }

    fn new(
        backing: Backing,
        page_size: PageSize,
        bytes: u64,
        dormant: HashMap<(u64, u32), (u32, u64)>,
    ) -> Self {
        let capacity = (bytes / page_size.get() as u64).clamp(16, u64::from(u32::MAX / 2)) as u32;
        let used = dormant
            .values()
            .map(|(slot, _)| slot + 1)
            .max()
            .unwrap_or(0);
        let mut owners: Vec<Owner> = Vec::new();
        owners.resize_with(used.min(capacity) as usize, || Owner::Nobody);
        let mut kept = HashMap::new();
        for ((checksum, pgno), (slot, hash)) in dormant {
            if let Some(owner) = owners.get_mut(slot as usize) {
                *owner = Owner::Dormant { checksum, pgno };
                kept.insert((checksum, pgno), (slot, hash));
            }
        }
        Self {
            page_size: page_size.get(),
            backing,
            referenced: (0..(capacity as usize).div_ceil(FLAGS))
                .map(|_| OnceLock::new())
                .collect(),
            slots: Mutex::new(Slots {
                owners,
                capacity,
                hand: 0,
                dormant: kept,
            }),
            accepting: AtomicBool::new(true),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }
}

// Reads.

impl Cache {
    /// Fills `page` if the page at `position` of `file` is here and intact.
    pub fn read(&self, file: &TransactionFile, position: u32, page: &mut [u8]) -> bool {
        let found = match (file.slot(position), file.hash(position)) {
            (Some(slot), Some(hash)) => {
                let intact = self.read_slot(slot, page) && page_hash(page) == hash;
                if intact {
                    let flag = self.flag(slot);
                    if flag.load(Ordering::Relaxed) == 0 {
                        flag.store(1, Ordering::Relaxed);
                    }
                } else {
                    file.set_slot(position, None);
                }
                intact
            }
            _ => false,
        };
        let counter = if found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn flag(&self, slot: u32) -> &AtomicU8 {
        let part = &self.referenced[slot as usize / FLAGS];
        let flags = part.get_or_init(|| (0..FLAGS).map(|_| AtomicU8::new(0)).collect());
        &flags[slot as usize % FLAGS]
    }

    fn read_slot(&self, slot: u32, page: &mut [u8]) -> bool {
        let offset = u64::from(slot) * self.page_size as u64;
        match &self.backing {
            Backing::Disk { pages, .. } => pages.read_exact_at(page, offset).is_ok(),
            Backing::Memory(memory) => {
                let memory = lock(memory);
                let Some(bytes) = memory.get(offset as usize..offset as usize + page.len()) else {
                    return false;
                };
                page.copy_from_slice(bytes);
                true
            }
        }
    }

    /// Connects `file` with the pages of it that an earlier process left here.
    pub fn adopt(&self, file: &Arc<TransactionFile>) {
        let mut slots = lock(&self.slots);
        if slots.dormant.is_empty() {
            return;
        }
        for (position, entry) in (0u32..).zip(file.index()) {
            if let Some((slot, hash)) = slots.dormant.remove(&(file.checksum, entry.pgno)) {
                if file.hash(position).is_none_or(|known| known == hash) {
                    file.set_hash(position, hash);
                    file.set_slot(position, Some(slot));
                    slots.owners[slot as usize] = Owner::Page {
                        file: Arc::downgrade(file),
                        position,
                    };
                } else {
                    slots.owners[slot as usize] = Owner::Nobody;
                }
            }
        }
    }
}

// Inserts.

impl Cache {
    /// Keeps a page whose hash the file knows. Failure to keep it is not an error.
    pub fn insert(&self, file: &Arc<TransactionFile>, position: u32, page: &[u8]) {
        if !self.accepting.load(Ordering::Relaxed) || file.slot(position).is_some() {
            return;
        }
        let Some(hash) = file.hash(position) else {
            return;
        };
        let mut slots = lock(&self.slots);
        if file.slot(position).is_some() {
            return;
        }
        let slot = self.take_slot(&mut slots);
        let pgno = file.index()[position as usize].pgno;
        match self.write_slot(slot, page, &record(slot, file.checksum, pgno, hash)) {
            Ok(()) => {
                slots.owners[slot as usize] = Owner::Page {
                    file: Arc::downgrade(file),
                    position,
                };
                file.set_slot(position, Some(slot));
            }
            Err(_) => {
                slots.owners[slot as usize] = Owner::Nobody;
                self.accepting.store(false, Ordering::Relaxed);
            }
        }
    }

    /// False once the disk refused a page; said in `blob_stats`.
    #[must_use]
    pub fn accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// The next slot to fill: a new one, else the first that was not read since the hand last came by.
    fn take_slot(&self, slots: &mut Slots) -> u32 {
        if (slots.owners.len() as u32) < slots.capacity {
            slots.owners.push(Owner::Nobody);
            return slots.owners.len() as u32 - 1;
        }
        loop {
            let slot = slots.hand;
            slots.hand = (slots.hand + 1) % slots.capacity;
            match &slots.owners[slot as usize] {
                Owner::Nobody => return slot,
                Owner::Dormant { checksum, pgno } => {
                    let key = (*checksum, *pgno);
                    slots.dormant.remove(&key);
                    return slot;
                }
                Owner::Page { file, position } => {
                    let Some(file) = file.upgrade() else {
                        return slot;
                    };
                    if self.flag(slot).swap(0, Ordering::Relaxed) == 0 {
                        file.set_slot(*position, None);
                        return slot;
                    }
                }
            }
        }
    }

    fn write_slot(&self, slot: u32, page: &[u8], record: &[u8; RECORD]) -> std::io::Result<()> {
        let offset = u64::from(slot) * self.page_size as u64;
        match &self.backing {
            Backing::Disk { pages, index } => {
                pages.write_all_at(page, offset)?;
                index.write_all_at(record, INDEX_HEAD as u64 + u64::from(slot) * RECORD as u64)
            }
            Backing::Memory(memory) => {
                let mut memory = lock(memory);
                let end = offset as usize + page.len();
                if memory.len() < end {
                    memory.resize(end, 0);
                }
                memory[offset as usize..end].copy_from_slice(page);
                Ok(())
            }
        }
    }
}

// The index on disk: a head of 16 bytes (magic, page size), then a record per slot.

const INDEX_HEAD: usize = 16;
const INDEX_MAGIC: [u8; 8] = *b"sqbcach1";

fn record(slot: u32, checksum: u64, pgno: u32, hash: u64) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..8].copy_from_slice(&checksum.to_le_bytes());
    bytes[8..12].copy_from_slice(&pgno.to_le_bytes());
    bytes[12..16].copy_from_slice(&slot.to_le_bytes());
    bytes[16..24].copy_from_slice(&hash.to_le_bytes());
    let check = crate::checksum::checksum(&bytes[..24]);
    bytes[24..].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn index_head(page_size: PageSize) -> [u8; INDEX_HEAD] {
    let mut head = [0; INDEX_HEAD];
    head[..8].copy_from_slice(&INDEX_MAGIC);
    head[8..].copy_from_slice(&(page_size.get() as u64).to_le_bytes());
    head
}

/// The intact records, by file checksum and page: slot and hash.
fn read_index(
    index: &File,
    page_size: PageSize,
) -> std::io::Result<HashMap<(u64, u32), (u32, u64)>> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &*index, &mut bytes)?;
    let mut found = HashMap::new();
    let head = index_head(page_size);
    if bytes.get(..INDEX_HEAD) == Some(&head[..]) {
        for (slot, bytes) in (0u32..).zip(bytes[INDEX_HEAD..].chunks_exact(RECORD)) {
            let word =
                |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or([0; 8]));
            let (checksum, pgno, hash) = (word(0), word(8) as u32, word(16));
            if bytes == record(slot, checksum, pgno, hash) {
                found.insert((checksum, pgno), (slot, hash));
            }
        }
    }
    if found.is_empty() {
        index.set_len(0)?;
        index.write_all_at(&head, 0)?;
    }
    Ok(found)
}
