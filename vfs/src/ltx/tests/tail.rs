//! Random access by way of the file's end.

use super::*;

fn parse(file: &[u8], len: usize) -> Result<TailParse, DecodeError> {
    Tail::parse(&file[file.len() - len..], file.len() as u64)
}

#[test]
fn any_length_completes_or_asks() {
    let header = Header::new(page_size(512), 9000, (5, 5), 0);
    let pages: Vec<_> = (1..=300).map(|i| (i * 30, vec![i as u8; 512])).collect();
    let (file, summary) = encode(&header, &pages);
    let index_len = u64::from_be_bytes(file[file.len() - 24..][..8].try_into().unwrap()) as usize;
    for len in 0..=file.len() {
        match parse(&file, len).unwrap() {
            TailParse::NeedMore(n) if len < 24 => assert_eq!(n, 24),
            TailParse::NeedMore(n) => {
                assert_eq!(n as usize, index_len + 30);
                assert!(len < index_len + 30);
            }
            TailParse::Complete(tail) => {
                assert!(len >= index_len + 30);
                assert_eq!(tail.index, summary.index);
                assert_eq!(tail.file_checksum, summary.file_checksum);
                tail.check_header(&header).unwrap();
            }
        }
    }
}

#[test]
fn lengths_are_checked_against_the_object() {
    let mut tail = [0; 40];
    tail[16..24].copy_from_slice(&(4u64 << 30).to_be_bytes());
    tail[32] = 0x80;
    let small = Tail::parse(&tail, 40);
    assert_eq!(small, Err(DecodeError::ObjectSize { size: 40, tail: 40 }));
    let medium = Tail::parse(&tail, 1 << 30);
    assert!(
        matches!(medium, Err(DecodeError::Index { .. })),
        "{medium:?}"
    );
    let large = Tail::parse(&tail, 8 << 30);
    assert_eq!(large, Ok(TailParse::NeedMore((4 << 30) + 30)));

    tail[16..24].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(Tail::parse(&tail, u64::MAX).is_err());
    tail[16..24].copy_from_slice(&0u64.to_be_bytes());
    assert!(Tail::parse(&tail, u64::MAX).is_err());
    assert!(Tail::parse(&tail, 39).is_err());
}

/// A file whose index is `index`, as bytes, over frames that fill `frames` bytes.
fn with_index(frames: usize, index: &[u8]) -> Result<TailParse, DecodeError> {
    let mut file = vec![1; 100 + frames];
    file.extend([0; 6]);
    file.extend(index);
    file.extend((index.len() as u64).to_be_bytes());
    file.extend([0; 8]);
    file.extend((1u64 << 63).to_be_bytes());
    Tail::parse(&file, file.len() as u64)
}

#[test]
fn frames_fill_the_file() {
    assert!(with_index(30, &[1, 100, 10, 2, 110, 20, 0]).is_ok());
    for (frames, index) in [
        (30, &[1, 100, 10, 2, 111, 19, 0][..]),            // a gap
        (30, &[1, 100, 10, 2, 109, 21, 0]),                // an overlap
        (30, &[1, 101, 9, 2, 110, 20, 0]),                 // not from the header on
        (31, &[1, 100, 10, 2, 110, 20, 0]),                // not up to the index
        (29, &[1, 100, 10, 2, 110, 20, 0]),                // into the index
        (30, &[2, 100, 10, 1, 110, 20, 0]),                // descending
        (30, &[1, 100, 10, 1, 110, 20, 0]),                // twice
        (16, &[1, 100, 10, 2, 110, 6, 0]),                 // nothing but a header
        (30, &[1, 100, 10, 2, 110, 20]),                   // no end
        (30, &[1, 100, 10, 2, 110, 20, 0, 0]),             // two ends
        (30, &[1, 100, 10, 2, 110, 20, 0x80, 0]),          // a long zero
        (30, &[0x81, 0, 100, 10, 2, 110, 20, 0]),          // a long one
        (30, &[0x80, 0x80, 0x80, 0x80, 0x10, 100, 30, 0]), // page 2^32
        (30, &[1, 100, 0x80, 0x80, 0x80, 0x80, 0x10, 0]),  // 4 GiB
        (
            30,
            &[
                1, 100, 30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,
            ],
        ), // 65 bits
        (
            30,
            &[
                1, 100, 30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0,
            ],
        ),
    ] {
        let result = with_index(frames, index);
        assert!(
            matches!(result, Err(DecodeError::Index { .. })),
            "{index:?}: {result:?}"
        );
    }
}

#[test]
fn end_mark_and_checksums() {
    let (_, _, file) = golden();
    for (at, end_mark) in [(625, true), (630, true), (644, false), (652, false)] {
        let mut bad = file.clone();
        bad[at] ^= 0x80;
        match Tail::parse(&bad[400..], 660) {
            Err(DecodeError::Index { .. }) => assert!(end_mark),
            Err(DecodeError::Trailer { .. }) => assert!(!end_mark),
            // A post-apply checksum is legal until the header is known.
            Ok(TailParse::Complete(tail)) => {
                assert_eq!(at, 644);
                let error = tail.check_header(&golden().0).unwrap_err();
                assert!(matches!(
                    error,
                    DecodeError::Trailer {
                        which: "post-apply",
                        ..
                    }
                ));
            }
            other => panic!("{at}: {other:?}"),
        }
    }
}

#[test]
fn headers_and_tails_belong_together() {
    let (header, pages) = sample();
    let (file, _) = encode(&header, &pages);
    let TailParse::Complete(tail) = parse(&file, file.len()).unwrap() else {
        panic!()
    };
    tail.check_header(&header).unwrap();
    let wrong = |header: Header| match tail.check_header(&header) {
        Err(DecodeError::Page { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let reason = wrong(Header {
        commit: 2,
        ..header.clone()
    });
    assert_eq!(reason, PageError::BeyondCommit { pgno: 3, commit: 2 });
    let reason = wrong(Header {
        commit: 4,
        ..header
    });
    assert_eq!(reason, PageError::Incomplete { missing: 4 });

    let mut tail = tail;
    tail.index[2].size = 601;
    assert!(matches!(
        tail.check_header(&sample().0),
        Err(DecodeError::Index { .. })
    ));
}
