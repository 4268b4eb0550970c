//! No damage goes unnoticed, and none does harm.

use super::*;

/// Files in both encodings.
fn samples() -> Vec<Vec<u8>> {
    let (header, pages) = sample();
    let mut legacy = Forge::new(&header);
    for (pgno, page) in &pages {
        legacy = legacy.frame(*pgno, 0, &legacy_payload(page), page);
    }
    vec![golden().2, encode(&header, &pages).0, legacy.finish()]
}

/// The checksum covers what a page expands to, not how it is compressed; LZ4 has
/// several ways to say the same. So a flipped bit is found, or it lies in a
/// payload and changes nothing.
#[test]
fn every_flipped_bit_is_found_or_says_the_same() {
    for mut file in samples() {
        let intact = file.clone();
        let before = decode(&intact).unwrap();
        let pages = pages_of(&intact);
        let payload = |at: u64| {
            before
                .index()
                .iter()
                .any(|frame| (frame.offset + 6..frame.offset + u64::from(frame.size)).contains(&at))
        };
        let mut found = 0;
        for at in 0..file.len() {
            for bit in 0..8 {
                file[at] ^= 1 << bit;
                match decode(&file) {
                    Err(_) => found += 1,
                    Ok(after) => {
                        assert!(payload(at as u64), "byte {at} is not covered");
                        assert_eq!(after.header(), before.header());
                        assert_eq!(after.summary(), before.summary());
                        assert_eq!(pages_of(&file), pages);
                    }
                }
                file[at] ^= 1 << bit;
            }
        }
        assert!(found > file.len() * 7, "{found} of {}", file.len() * 8);
    }
}

#[test]
fn every_truncation_is_found() {
    for file in samples() {
        for len in 0..file.len() {
            let error = decode(&file[..len]).unwrap_err();
            let offset = len as u64;
            assert!(
                matches!(error, DecodeError::Truncated { offset: at, .. } if at == offset),
                "{error:?}"
            );
        }
    }
}

#[test]
fn every_missing_byte_is_found() {
    for file in samples() {
        for at in 0..file.len() {
            let mut shorter = file.clone();
            shorter.remove(at);
            assert!(decode(&shorter).is_err(), "without byte {at}");
        }
    }
}
