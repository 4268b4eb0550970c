//! Against the real Litestream: files that it wrote, and its restore of ours.
//!
//! `testdata/litestream-0.5.15` (pages as LZ4 frames) and `-0.5.17` (LZ4 blocks) are
//! the level 0 of replicas of a small WAL database, as these releases left them. With
//! `LITESTREAM` in the environment, the path of its binary (0.5.16 or later), that
//! binary must restore what we write; without, our own restore must.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sqlbridge_vfs::checksum::checksum;
use sqlbridge_vfs::ltx::{Encoder, Header, PageSize, decode_each, name};

/// The files of a directory in the order of their transactions.
fn chain(dir: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let mut next = 1;
    let mut files = Vec::new();
    for name in names {
        let (min, max) = name::parse(name.to_str().unwrap()).unwrap();
        assert_eq!(min, next);
        next = max + 1;
        files.push(fs::read(dir.join(name)).unwrap());
    }
    files
}

/// The database that a chain of files amounts to.
fn restore(files: &[Vec<u8>]) -> Vec<u8> {
    let mut database = Vec::new();
    for file in files {
        let mut pages = Vec::new();
        let verified = decode_each(file, |pgno, page| pages.push((pgno, page.to_vec()))).unwrap();
        let (size, commit) = (verified.header().page_size.get(), verified.header().commit);
        database.resize(commit as usize * size, 0);
        for (pgno, page) in pages {
            let at = (pgno as usize - 1) * size;
            database[at..at + size].copy_from_slice(&page);
        }
    }
    database
}

#[test]
fn files_that_litestream_wrote() {
    // The hashes are of what `litestream restore` made of the same files.
    for (era, flags, hash) in [
        ("litestream-0.5.15", 0, 0x0501_3345_5f40_d89c),
        ("litestream-0.5.17", 1, 0xaaa7_6027_2576_f88b),
    ] {
        let files = chain(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("testdata")
                .join(era),
        );
        assert_eq!(files.len(), 4);
        for file in &files {
            assert_eq!(
                file[104..106],
                u16::to_be_bytes(flags),
                "{era}: encoding of pages"
            );
        }
        let database = restore(&files);
        assert!(database.starts_with(b"SQLite format 3\0"));
        assert_eq!(database.len(), 7168);
        assert_eq!(checksum(&database), hash, "{era}");
    }
}

/// A database that changes, and a replica that follows.
struct Replica {
    dir: PathBuf,
    size: PageSize,
    txid: u64,
    pages: Vec<Vec<u8>>,
}

impl Replica {
    fn new(dir: PathBuf, size: PageSize) -> Self {
        fs::create_dir_all(dir.join("ltx/0")).unwrap();
        Self {
            dir,
            size,
            txid: 0,
            pages: Vec::new(),
        }
    }

    /// A transaction that leaves `commit` pages and changes those in `changed` and the new ones.
    fn commit(&mut self, commit: u32, changed: &[u32]) {
        self.txid += 1;
        let old = self.pages.len() as u32;
        self.pages.resize(commit as usize, Vec::new());
        let mut header = Header::new(self.size, commit, (self.txid, self.txid), 1_700_000_000_000);
        header.node_id = 0x0123_4567_89ab_cdef;
        header.reserved = *b"twenty reserved byte";
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&header, &mut file).unwrap();
        for pgno in 1..=commit {
            if pgno > old || changed.contains(&pgno) {
                let page = self.content(pgno);
                encoder.page(pgno, &page, &mut file).unwrap();
                self.pages[pgno as usize - 1] = page;
            }
        }
        encoder.finish(&mut file).unwrap();
        let name = name::file_name(self.txid, self.txid);
        fs::write(self.dir.join("ltx/0").join(name), file).unwrap();
    }

    /// Text, noise or zeros, different in each transaction.
    fn content(&self, pgno: u32) -> Vec<u8> {
        let mut state = self.txid << 32 | u64::from(pgno);
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        let len = self.size.get();
        match pgno % 3 {
            0 => vec![0; len],
            1 => (0..len)
                .map(|i| b"some text "[i % 10] ^ (self.txid as u8 & 3))
                .collect(),
            _ => (0..len).map(|_| noise()).collect(),
        }
    }
}

fn litestream(binary: &str, args: &[&str]) -> String {
    let output = Command::new(binary).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "litestream {args:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[test]
fn litestream_restores_what_we_write() {
    for bytes in [512, 1024, 4096, 65536] {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ltx-replica-{bytes}"));
        let _ = fs::remove_dir_all(&dir);
        let mut replica = Replica::new(dir.clone(), PageSize::new(bytes).unwrap());
        replica.commit(5, &[]);
        replica.commit(5, &[2, 4]);
        replica.commit(300, &[1]);
        replica.commit(4, &[]);
        replica.commit(9, &[1, 3]);

        let expected = replica.pages.concat();
        assert!(
            restore(&chain(&dir.join("ltx/0"))) == expected,
            "page size {bytes}"
        );
        if let Ok(binary) = env::var("LITESTREAM") {
            let (out, url) = (dir.join("out.db"), format!("file://{}", dir.display()));
            litestream(&binary, &["restore", "-o", out.to_str().unwrap(), &url]);
            assert!(
                fs::read(out).unwrap() == expected,
                "restored, page size {bytes}"
            );
            let listed = litestream(&binary, &["ltx", "-level", "all", &url]);
            assert_eq!(listed.lines().count(), 6, "{listed}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
