//! A bucket judged from its bytes alone.
//!
//! Nothing of the engine's planning or loading is used, only the codec: the files
//! are chosen as Litestream's `CalcRestorePlan` chooses and applied as its restore
//! applies, from the description of both.

use std::collections::BTreeMap;

use bytes::Bytes;
use sqlbridge_vfs::ltx;
use sqlbridge_vfs::transaction_file::Mark;

/// A transaction file of the bucket.
#[derive(Debug, Clone)]
pub struct File {
    pub level: u8,
    pub min: u64,
    pub max: u64,
    pub timestamp_ms: i64,
    pub page_size: usize,
    pub commit: u32,
    pub mark: Option<Mark>,
    pub pages: BTreeMap<u32, Vec<u8>>,
}

/// All transaction files of a database, each decoded and checked, by level and name.
pub fn files(objects: &BTreeMap<String, Bytes>, database: &str) -> Vec<File> {
    let mut files = Vec::new();
    for (key, bytes) in objects {
        let Some(rest) = key.strip_prefix(&format!("{database}/")) else {
            continue;
        };
        let rest = rest.strip_prefix("ltx/").unwrap_or(rest);
        let Some((level, name)) = rest.split_once('/') else {
            continue;
        };
        let Ok(level) = u8::from_str_radix(level, 16) else {
            continue;
        };
        let (min, max) = name
            .strip_suffix(".ltx")
            .and_then(|name| name.split_once('-'))
            .expect(key);
        let (min, max) = (
            u64::from_str_radix(min, 16).unwrap(),
            u64::from_str_radix(max, 16).unwrap(),
        );
        let mut pages = BTreeMap::new();
        let decoded = ltx::decode_each(bytes, |pgno, page| {
            pages.insert(pgno, page.to_vec());
        });
        let decoded = decoded.unwrap_or_else(|error| panic!("{key}: {error}"));
        let header = decoded.header();
        assert_eq!((header.min_txid, header.max_txid), (min, max), "{key}");
        assert!(
            level != 0 || min == max,
            "{key}: a level-0 file holds one transaction"
        );
        assert!(level != 9 || min == 1, "{key}: a snapshot begins at 1");
        let page_size = header.page_size.get();
        let lock_page = header.page_size.lock_page();
        assert!(!pages.contains_key(&lock_page), "{key}: the lock page");
        assert!(
            pages.keys().all(|&pgno| pgno <= header.commit),
            "{key}: beyond the end"
        );
        assert!(header.commit > 0, "{key}");
        files.push(File {
            level,
            min,
            max,
            timestamp_ms: header.timestamp_ms,
            page_size,
            commit: header.commit,
            mark: Mark::decode(&header.reserved),
            pages,
        });
    }
    files.sort_by_key(|file| (file.level, file.min, file.max));
    files
}

/// What `litestream restore` would apply, to the end or to a transaction.
fn plan(files: &[File], txid: Option<u64>) -> Vec<&File> {
    let allowed = |file: &&File| txid.is_none_or(|txid| file.max <= txid);
    let mut plan: Vec<&File> = Vec::new();
    if let Some(snapshot) = files.iter().filter(|f| f.level == 9).rfind(allowed) {
        plan.push(snapshot);
    }
    let mut end = plan.last().map_or(0, |file| file.max);
    while txid.is_none_or(|txid| end < txid) {
        let next = files
            .iter()
            .filter(|f| f.level < 9 && f.min <= end + 1 && f.max > end)
            .filter(allowed)
            .max_by_key(|f| (f.max, std::cmp::Reverse(f.min), f.level));
        let Some(next) = next else { break };
        plan.push(next);
        end = next.max;
    }
    if txid.is_none() {
        let stray = files.iter().find(|f| f.level < 9 && f.min > end + 1);
        assert!(
            stray.is_none(),
            "complete up to {end}, but a file begins at {}",
            stray.unwrap().min
        );
    }
    plan
}

/// The restored database: its last transaction and its bytes.
pub fn restore(files: &[File], txid: Option<u64>) -> (u64, Vec<u8>) {
    let plan = plan(files, txid);
    let Some((first, last)) = plan.first().zip(plan.last()) else {
        return (0, Vec::new());
    };
    assert_eq!(first.min, 1, "the first file is no beginning");
    let size = first.page_size;
    let mut pages: BTreeMap<u32, &[u8]> = BTreeMap::new();
    let mut before: Option<&File> = None;
    for file in &plan {
        assert_eq!(file.page_size, size, "the page size changed");
        if let Some(before) = before {
            assert!(
                file.timestamp_ms >= before.timestamp_ms,
                "time went backwards at {}",
                file.max
            );
            if let (Some(mark), Some(last)) = (file.mark, before.mark) {
                let follows = file.min == before.max + 1;
                assert!(
                    !follows || mark.parent == last.own,
                    "{} is no child of {}",
                    file.max,
                    before.max
                );
            }
        }
        // A cut is final: what grows again must be written again.
        pages.split_off(&(file.commit + 1));
        pages.extend(
            file.pages
                .iter()
                .map(|(pgno, page)| (*pgno, page.as_slice())),
        );
        before = Some(file);
    }
    let lock_page = 0x4000_0000 / size as u32 + 1;
    let mut image = Vec::new();
    for pgno in 1..=last.commit {
        match pages.get(&pgno) {
            Some(page) => image.extend_from_slice(page),
            None if pgno == lock_page => image.resize(image.len() + size, 0),
            None => panic!("page {pgno} is missing at transaction {}", last.max),
        }
    }
    (last.max, image)
}

/// Checks everything and returns the newest transaction and its image.
pub fn check(objects: &BTreeMap<String, Bytes>, database: &str) -> (u64, Vec<u8>) {
    let files = files(objects, database);
    // Each compacted level is a partition: Litestream refuses overlaps.
    for level in 1..9 {
        let level: Vec<&File> = files.iter().filter(|file| file.level == level).collect();
        for pair in level.windows(2) {
            assert!(
                pair[0].max < pair[1].min,
                "overlap: {:?}",
                pair.iter()
                    .map(|f| (f.level, f.min, f.max))
                    .collect::<Vec<_>>()
            );
        }
    }
    let (head, image) = restore(&files, None);
    // Whatever way a transaction is reached, it is the same.
    for file in &files {
        if file.level > 0 && file.max <= head {
            let alone: Vec<File> = files
                .iter()
                .filter(|f| f.level <= file.level)
                .cloned()
                .collect();
            if reaches(&alone, file.max) && reaches(&files, file.max) {
                let one = restore(&alone, Some(file.max));
                let other = restore(&files, Some(file.max));
                assert!(
                    one == other,
                    "transaction {} has two contents: {:?} and {:?}",
                    file.max,
                    names(&plan(&alone, Some(file.max))),
                    names(&plan(&files, Some(file.max)))
                );
            }
        }
    }
    (head, image)
}

fn names(files: &[&File]) -> Vec<(u8, u64, u64)> {
    files
        .iter()
        .map(|file| (file.level, file.min, file.max))
        .collect()
}

/// Whether files end at exactly this transaction.
pub fn reaches(files: &[File], txid: u64) -> bool {
    plan(files, Some(txid))
        .last()
        .is_some_and(|file| file.max == txid)
}
