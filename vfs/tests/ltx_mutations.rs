//! The fuzz targets' short form: thousands of damaged files, the same ones in every run.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(
    unreachable_pub,
    reason = "the fuzz targets share this file and need it public"
)]
mod ltx_invariants;

use std::fs;
use std::path::Path;

use sqlbridge_vfs::ltx::{Encoder, Header, PageSize};

/// A small generator; what matters is only that it does not change.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Files of both eras and some of ours.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    for era in ["litestream-0.5.15", "litestream-0.5.17"] {
        for file in fs::read_dir(testdata.join(era)).unwrap() {
            seeds.push(fs::read(file.unwrap().path()).unwrap());
        }
    }
    assert_eq!(seeds.len(), 8);
    // read_dir gives them in any order, but every run must be the same.
    seeds.sort();
    for (bytes, txid) in [(512, 1), (1024, 2), (65536, 3)] {
        let header = Header::new(PageSize::new(bytes).unwrap(), 3, (txid, txid), 9);
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&header, &mut file).unwrap();
        for pgno in 1..=3 {
            let page: Vec<u8> = (0..bytes).map(|i| (i / pgno) as u8).collect();
            encoder.page(pgno, &page, &mut file).unwrap();
        }
        encoder.finish(&mut file).unwrap();
        seeds.push(file);
    }
    seeds
}

fn mutate(file: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(file.len());
        let end = (at + random.below(16)).min(file.len());
        match random.below(8) {
            0 | 1 if at < file.len() => file[at] ^= 1 << random.below(8),
            2 if at < file.len() => file[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            3 => file[at..end].fill(0xff),
            4 => file.truncate(at),
            5 => drop(file.drain(at..end)),
            6 => drop(file.splice(at..at, random.next().to_be_bytes())),
            _ => {
                let from = random.below(other.len());
                let to = (from + random.below(64)).min(other.len());
                file.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
}

#[test]
fn seeds_are_valid() {
    for seed in seeds() {
        assert!(ltx_invariants::whole_file(&seed));
    }
}

#[test]
fn damaged_files() {
    let (seeds, mut random) = (seeds(), Random(1));
    for _ in 0..20_000 {
        let mut file = seeds[random.below(seeds.len())].clone();
        mutate(&mut file, &seeds[random.below(seeds.len())], &mut random);
        ltx_invariants::whole_file(&file);
        ltx_invariants::tail(&file);
        ltx_invariants::tail(&file[random.below(file.len())..]);
    }
}

#[test]
fn damaged_frames() {
    let (seeds, mut random) = (seeds(), Random(2));
    for _ in 0..20_000 {
        let seed = &seeds[random.below(seeds.len())];
        // The page size 512 << n is in bytes 10 and 11 of the header, or in byte 9.
        let size = u32::from_be_bytes(*seed[8..].first_chunk().unwrap());
        let mut frame = vec![(size / 512).ilog2() as u8];
        frame.extend(&seed[100..]);
        if random.below(2) == 0 {
            frame.truncate(random.below(frame.len()));
        }
        mutate(&mut frame, seed, &mut random);
        ltx_invariants::frame(&frame);
    }
}

#[test]
fn noise() {
    let mut random = Random(3);
    for len in 0..2000 {
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        ltx_invariants::whole_file(&bytes);
        ltx_invariants::tail(&bytes);
        ltx_invariants::frame(&bytes);
        // Behind a valid header, noise gets further.
        let header = Header::new(PageSize::MIN, u32::MAX, (2, 2), 0).encode();
        bytes.splice(0..0, header);
        ltx_invariants::whole_file(&bytes);
    }
}
