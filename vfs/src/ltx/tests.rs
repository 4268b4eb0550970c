//! What holds across the codec's parts: the golden file, the rules for pages and
//! trailer, both page encodings, random access, damage. Files that the encoder
//! refuses to write are forged byte by byte, with checksums that are right.

mod damage;
mod forge;
mod rules;
mod tail;

use std::io::{self, Read};

use super::*;
use forge::{Forge, legacy_payload};
use proptest::prelude::*;

fn page_size(bytes: u32) -> PageSize {
    PageSize::new(bytes).unwrap()
}

/// A page that is neither constant nor incompressible.
fn text_page(size: PageSize, seed: u32) -> Vec<u8> {
    (0..size.get() as u32)
        .map(|i| {
            if i % 7 < 4 {
                b'a' + ((i / 64 + seed) % 26) as u8
            } else {
                (i * seed) as u8
            }
        })
        .collect()
}

/// A page that LZ4 cannot shrink.
fn noise_page(size: PageSize, seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed) * 2 + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..size.get()).map(|_| next()).collect()
}

fn encode(header: &Header, pages: &[(u32, Vec<u8>)]) -> (Vec<u8>, Summary) {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(header, &mut file).unwrap();
    for (pgno, page) in pages {
        encoder.page(*pgno, page, &mut file).unwrap();
    }
    let summary = encoder.finish(&mut file).unwrap();
    (file, summary)
}

fn pages_of(file: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut pages = Vec::new();
    decode_each(file, |pgno, page| pages.push((pgno, page.to_vec()))).unwrap();
    pages
}

/// A snapshot of three pages: text, zeros, noise.
fn sample() -> (Header, Vec<(u32, Vec<u8>)>) {
    let size = page_size(512);
    let header = Header {
        node_id: 77,
        reserved: [9; 20],
        ..Header::new(size, 3, (1, 4), 1)
    };
    (
        header,
        vec![
            (1, text_page(size, 3)),
            (2, vec![0; 512]),
            (3, noise_page(size, 4)),
        ],
    )
}

/// The golden file of the format's description: one page of 512 bytes, stored literally.
fn golden() -> (Header, Vec<u8>, Vec<u8>) {
    let header = Header::new(page_size(512), 1, (1, 1), 1_700_000_000_000);
    let page: Vec<u8> = (0..512).map(|i| i as u8).collect();
    let mut file = vec![
        0x4c, 0x54, 0x58, 0x31, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0,
        1, // magic, flags, size, commit
        0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, // transactions
        0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, // timestamp
    ];
    file.resize(100, 0);
    file.extend([0, 0, 0, 1, 0, 1, 0, 0, 2, 3, 0xf0, 0xff, 0xf2]);
    file.extend(&page);
    file.extend([0; 6]);
    file.extend([0x01, 0x64, 0x8d, 0x04, 0x00]);
    file.extend([0, 0, 0, 0, 0, 0, 0, 5]);
    file.extend([0; 8]);
    file.extend([0xe1, 0x31, 0xcb, 0xc5, 0x12, 0x40, 0xc5, 0x9b]);
    (header, page, file)
}

#[test]
fn golden_file() {
    let (header, page, file) = golden();
    assert_eq!(file.len(), 660);
    assert_eq!(Forge::new(&header).literal(1, &page).finish(), file);

    let verified = decode(&file).unwrap();
    assert_eq!(verified.header(), &header);
    assert_eq!(verified.summary().file_checksum, 0xe131_cbc5_1240_c59b);
    assert_eq!(
        verified.index(),
        [IndexEntry {
            pgno: 1,
            offset: 100,
            size: 525
        }]
    );
    assert_eq!(pages_of(&file), [(1, page.clone())]);

    // Ours is shorter, and says the same.
    let (ours, summary) = encode(&header, &[(1, page.clone())]);
    assert!(ours.len() < file.len());
    assert_eq!(decode(&ours).unwrap().summary(), &summary);
    assert_eq!(pages_of(&ours), [(1, page)]);
}

#[test]
fn noise_is_stored_within_the_bound() {
    for bytes in [512, 4096, 65536] {
        let size = page_size(bytes);
        let page = noise_page(size, 5);
        let (file, summary) = encode(&Header::new(size, 2, (3, 3), 0), &[(2, page.clone())]);
        let overhead = summary.index[0].size as usize - 10 - size.get();
        assert_eq!(
            overhead,
            (size.get() - 15) / 255 + 2,
            "an all-literal block"
        );
        assert_eq!(pages_of(&file), [(2, page)]);
    }
}

#[test]
fn a_file_without_pages() {
    let (file, summary) = encode(&Header::new(page_size(4096), 5, (2, 2), 0), &[]);
    assert_eq!(file.len(), 131);
    assert_eq!(decode(&file).unwrap().summary(), &summary);
    assert_eq!(pages_of(&file), []);
}

#[test]
fn draining_changes_nothing() {
    let (header, pages) = sample();
    let (whole, expected) = encode(&header, &pages);
    let (mut file, mut buffer) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::new(&header, &mut buffer).unwrap();
    for (pgno, page) in &pages {
        file.append(&mut buffer);
        let entry = encoder.page(*pgno, page, &mut buffer).unwrap();
        assert_eq!(
            (entry.offset, entry.size as usize),
            (file.len() as u64, buffer.len())
        );
    }
    file.append(&mut buffer);
    assert_eq!(encoder.finish(&mut buffer).unwrap(), expected);
    file.append(&mut buffer);
    assert_eq!(file, whole);
}

#[test]
fn legacy_pages() {
    for bytes in [512, 4096, 65536] {
        let size = page_size(bytes);
        let header = Header::new(size, 9, (2, 7), 5);
        let pages = [
            (2, text_page(size, 1)),
            (3, noise_page(size, 2)),
            (8, vec![0; size.get()]),
        ];
        let mut forge = Forge::new(&header);
        for (pgno, page) in &pages {
            forge = forge.frame(*pgno, 0, &legacy_payload(page), page);
        }
        let file = forge.literal(9, &pages[0].1).finish();
        let mut expected = pages.to_vec();
        expected.push((9, pages[0].1.clone()));
        assert_eq!(pages_of(&file), expected);

        let verified = decode(&file).unwrap();
        let mut page = vec![0; size.get()];
        for (pgno, content) in &expected {
            assert!(verified.read_page(*pgno, &mut page).unwrap());
            assert_eq!(&page, content);
        }
        assert!(!verified.read_page(4, &mut page).unwrap());
    }
}

#[test]
fn stream_may_be_finished_early() {
    let (header, pages) = sample();
    let (file, summary) = encode(&header, &pages);
    for read in 0..=4 {
        let mut decoder = Decoder::new(file.as_slice()).unwrap();
        let mut page = [0; 512];
        for _ in 0..read {
            decoder.next_page(&mut page).unwrap();
        }
        assert_eq!(decoder.finish().unwrap(), summary);
    }
}

/// Gives `chunk` bytes at a time and reports an interruption before each.
struct Hesitant<'a> {
    rest: &'a [u8],
    chunk: usize,
    interrupt: bool,
}

impl Read for Hesitant<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let n = buf.len().min(self.chunk);
        self.rest.read(&mut buf[..n])
    }
}

#[test]
fn failing_readers() {
    let (header, pages) = sample();
    let (file, summary) = encode(&header, &pages);
    let reader = Hesitant {
        rest: &file,
        chunk: 3,
        interrupt: false,
    };
    assert_eq!(Decoder::new(reader).unwrap().finish().unwrap(), summary);

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let error = Decoder::new(file[..130].chain(Broken))
        .unwrap()
        .finish()
        .unwrap_err();
    assert!(
        matches!(error, StreamError::Read { offset: 130, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("unplugged"), "{error}");
}

/// A header and pages it allows, of any page size.
fn any_file() -> impl Strategy<Value = (Header, Vec<(u32, Vec<u8>)>)> {
    let sizes = (9u32..=16).prop_map(|n| page_size(1 << n));
    (
        sizes,
        any::<bool>(),
        1u32..10,
        any::<(u64, u64, i64, u64, [u8; 20], u32)>(),
    )
        .prop_flat_map(
            |(size, snapshot, n, (min, span, timestamp_ms, node_id, reserved, spread))| {
                let min = if snapshot { 1 } else { min.max(2) };
                let step = if snapshot { 1 } else { 1 + spread % 1000 };
                let header = Header {
                    node_id,
                    reserved,
                    ..Header::new(
                        size,
                        n * step,
                        (min, min.saturating_add(span)),
                        timestamp_ms,
                    )
                };
                let pages = proptest::collection::vec((0..4u8, 1..1000u32), n as usize);
                pages.prop_map(move |kinds| {
                    let page = |(at, (kind, seed)): (usize, &(u8, u32))| {
                        let page = match kind {
                            0 => vec![*seed as u8; size.get()],
                            1 => noise_page(size, *seed),
                            _ => text_page(size, *seed),
                        };
                        ((at as u32 + 1) * step, page)
                    };
                    (header.clone(), kinds.iter().enumerate().map(page).collect())
                })
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn round_trip((header, pages) in any_file(), chunk in 1usize..5000) {
        let (file, summary) = encode(&header, &pages);
        prop_assert_eq!(summary.size, file.len() as u64);

        let verified = decode(&file).unwrap();
        prop_assert_eq!(verified.header(), &header);
        prop_assert_eq!(verified.summary(), &summary);
        prop_assert_eq!(&pages_of(&file), &pages);

        let mut decoder = Decoder::new(Hesitant { rest: &file, chunk, interrupt: false }).unwrap();
        let mut page = vec![0; header.page_size.get()];
        for ((pgno, content), at) in pages.iter().zip(&summary.index) {
            let entry = decoder.next_page(&mut page).unwrap();
            prop_assert_eq!(entry.as_ref(), Some(at));
            prop_assert_eq!((at.pgno, &page), (*pgno, content));
        }
        prop_assert_eq!(decoder.next_page(&mut page).unwrap(), None);
        prop_assert_eq!(decoder.finish().unwrap(), summary.clone());

        let TailParse::Complete(tail) = Tail::parse(&file[100..], summary.size).unwrap() else {
            panic!("the whole tail was given");
        };
        prop_assert_eq!(&tail.index, &summary.index);
        prop_assert_eq!(tail.file_checksum, summary.file_checksum);
        tail.check_header(&header).unwrap();
        for ((pgno, content), at) in pages.iter().zip(&tail.index) {
            let frame = &file[at.offset as usize..][..at.size as usize];
            prop_assert_eq!(decode_frame(frame, header.page_size, &mut page).unwrap(), *pgno);
            prop_assert_eq!(&page, content);
        }
    }
}
