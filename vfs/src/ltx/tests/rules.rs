//! Each rule that both sides keep, and what each says when it is broken.

use super::forge::{legacy_payload, literal_block, ornate_payload, unchecked_payload};
use super::*;
use crate::ltx::checksum::DatabaseChecksum;
use crate::ltx::page::Sequence;

const SIZE: PageSize = PageSize::MIN;

fn delta(commit: u32) -> Header {
    Header::new(SIZE, commit, (2, 2), 0)
}

fn snapshot(commit: u32) -> Header {
    Header::new(SIZE, commit, (1, 1), 0)
}

fn page_error(file: &[u8]) -> (u64, PageError) {
    match decode(file) {
        Err(DecodeError::Page { offset, reason }) => (offset, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn page_rules() {
    let page = [1; 512];
    let file = Forge::new(&delta(5)).literal(6, &page).finish();
    assert_eq!(
        page_error(&file),
        (100, PageError::BeyondCommit { pgno: 6, commit: 5 })
    );

    let file = Forge::new(&delta(5))
        .literal(3, &page)
        .literal(3, &page)
        .finish();
    assert_eq!(
        page_error(&file),
        (625, PageError::Order { pgno: 3, last: 3 })
    );

    let file = Forge::new(&delta(5)).literal(0, &page).finish();
    assert_eq!(page_error(&file), (100, PageError::Zero));

    let lock = SIZE.lock_page();
    let file = Forge::new(&delta(lock + 1)).literal(lock, &page).finish();
    assert_eq!(page_error(&file), (100, PageError::Lock(lock)));
}

#[test]
fn snapshots_hold_every_page() {
    let page = [1; 512];
    let file = Forge::new(&snapshot(3))
        .literal(1, &page)
        .literal(3, &page)
        .finish();
    assert_eq!(
        page_error(&file),
        (625, PageError::Incomplete { missing: 2 })
    );

    let file = Forge::new(&snapshot(3))
        .literal(1, &page)
        .literal(2, &page)
        .finish();
    assert_eq!(
        page_error(&file),
        (1150, PageError::Incomplete { missing: 3 })
    );

    let file = Forge::new(&snapshot(1)).finish();
    assert_eq!(
        page_error(&file),
        (100, PageError::Incomplete { missing: 1 })
    );
}

#[test]
fn snapshots_skip_the_lock_page() {
    let size = PageSize::MAX;
    let lock = size.lock_page();
    for commit in [lock - 1, lock, lock + 1, lock + 2] {
        let mut sequence = Sequence::new(&Header::new(size, commit, (1, 1), 0));
        for pgno in (1..=commit).filter(|&pgno| pgno != lock) {
            assert!(sequence.check_end().is_err(), "{pgno} of {commit}");
            sequence.check(pgno).unwrap();
            sequence.advance(pgno);
        }
        assert_eq!(sequence.check_end(), Ok(()));
    }
    let mut last = Sequence::new(&Header::new(size, u32::MAX, (1, 1), 0));
    last.advance(u32::MAX);
    assert_eq!(last.check_end(), Ok(()));
}

#[test]
fn encoder_refuses_and_goes_on() {
    let mut out = b"before".to_vec();
    let bad = Header {
        flags: 0,
        ..delta(5)
    };
    assert_eq!(
        Encoder::new(&bad, &mut out).unwrap_err(),
        EncodeError::DatabaseChecksums
    );
    let bad = delta(0);
    assert_eq!(
        Encoder::new(&bad, &mut out).unwrap_err(),
        HeaderError::EmptyDatabase.into()
    );
    assert_eq!(out, b"before");

    out.clear();
    let (header, page) = (delta(5), [1; 512]);
    let mut encoder = Encoder::new(&header, &mut out).unwrap();
    encoder.page(3, &page, &mut out).unwrap();
    let before = out.clone();
    for (pgno, error) in [
        (0, PageError::Zero),
        (2, PageError::Order { pgno: 2, last: 3 }),
        (3, PageError::Order { pgno: 3, last: 3 }),
        (6, PageError::BeyondCommit { pgno: 6, commit: 5 }),
    ] {
        assert_eq!(encoder.page(pgno, &page, &mut out), Err(error.into()));
    }
    let short = EncodeError::PageLength {
        pgno: 4,
        expected: 512,
        actual: 511,
    };
    assert_eq!(encoder.page(4, &page[1..], &mut out), Err(short));
    assert_eq!(out, before);
    encoder.page(5, &page, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert_eq!(
        out,
        encode(&header, &[(3, page.to_vec()), (5, page.to_vec())]).0
    );
}

#[test]
fn encoder_wants_whole_snapshots() {
    let (mut out, page) = (Vec::new(), [1; 512]);
    let mut encoder = Encoder::new(&snapshot(2), &mut out).unwrap();
    let gap = PageError::Incomplete { missing: 1 };
    assert_eq!(encoder.page(2, &page, &mut out), Err(gap.into()));
    encoder.page(1, &page, &mut out).unwrap();
    let before = out.clone();
    let gap = PageError::Incomplete { missing: 2 };
    assert_eq!(encoder.finish(&mut out), Err(gap.into()));
    assert_eq!(out, before);

    let lock = SIZE.lock_page();
    let mut encoder = Encoder::new(&delta(lock), &mut out).unwrap();
    assert_eq!(
        encoder.page(lock, &page, &mut out),
        Err(PageError::Lock(lock).into())
    );
}

#[test]
fn page_flags() {
    for flags in [2, 3, 0x8000] {
        let file = Forge::new(&delta(5)).frame(3, flags, b"", b"").finish();
        assert_eq!(
            decode(&file).unwrap_err(),
            DecodeError::PageFlags { offset: 100, flags }
        );
    }
}

fn payload_error(flags: u16, payload: &[u8], page: &[u8]) -> PayloadError {
    let file = Forge::new(&delta(5))
        .frame(3, flags, payload, page)
        .finish();
    let DecodeError::Payload {
        offset: 100,
        pgno: 3,
        reason,
    } = decode(&file).unwrap_err()
    else {
        panic!("{:?}", decode(&file));
    };
    let mut out = [0; 512];
    let frame = &file[100..file.len() - 6 - 6 - 8 - 16];
    let alone = decode_frame(frame, SIZE, &mut out).unwrap_err();
    assert!(
        matches!(
            alone,
            DecodeError::Payload { .. } | DecodeError::Truncated { .. }
        ),
        "{alone:?}"
    );
    reason
}

#[test]
fn payloads_expand_to_one_page() {
    for actual in [511, 16] {
        let page = vec![7; actual];
        let error = PayloadError::Length {
            expected: 512,
            actual,
        };
        assert_eq!(payload_error(1, &literal_block(&page), &page), error);
        assert_eq!(payload_error(0, &legacy_payload(&page), &page), error);
    }
    let page = [7; 513];
    let error = PayloadError::Length {
        expected: 512,
        actual: 513,
    };
    assert_eq!(payload_error(0, &legacy_payload(&page), &page), error);
    let error = payload_error(1, &literal_block(&page), &page);
    assert!(matches!(error, PayloadError::Lz4(_)), "{error:?}");
    let error = payload_error(1, b"\x00\x00\x00\x00", b"");
    assert!(matches!(error, PayloadError::Lz4(_)), "{error:?}");
}

#[test]
fn payload_lengths_are_bounded_before_they_are_believed() {
    let mut file = delta(5).encode().to_vec();
    file.extend([0, 0, 0, 3, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    let too_long = |size, max| DecodeError::Payload {
        offset: 100,
        pgno: 3,
        reason: PayloadError::TooLong { size, max },
    };
    assert_eq!(decode(&file).unwrap_err(), too_long(0xffff_ffff, 530));

    file.truncate(100);
    file.extend([0, 0, 0, 3, 0, 0]);
    file.extend(&legacy_payload(&[0; 512])[..7]);
    file.extend([0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(decode(&file).unwrap_err(), too_long(0x7fff_ffff + 11, 600));

    // An LZ4 frame may go on for ever in blocks that expand to nothing.
    file.truncate(117 - 4);
    file.extend([1, 0, 0, 0, 0].repeat(1000));
    let DecodeError::Payload { reason, .. } = decode(&file).unwrap_err() else {
        panic!()
    };
    assert!(
        matches!(reason, PayloadError::TooLong { max: 600, .. }),
        "{reason:?}"
    );
}

#[test]
fn legacy_frames_carry_a_content_checksum() {
    let page = text_page(SIZE, 9);
    assert_eq!(
        payload_error(0, &unchecked_payload(&page), &page),
        PayloadError::NotAFrame
    );
    assert_eq!(
        payload_error(0, b"not an LZ4 frame", &page),
        PayloadError::NotAFrame
    );
    let file = Forge::new(&delta(5))
        .frame(3, 0, &ornate_payload(&page), &page)
        .finish();
    assert_eq!(pages_of(&file), [(3, page.clone())]);

    let mut payload = legacy_payload(&page);
    *payload.last_mut().unwrap() ^= 1;
    assert!(matches!(
        payload_error(0, &payload, &page),
        PayloadError::Lz4(_)
    ));
}

#[test]
fn the_index_describes_the_pages() {
    let page = [1; 512];
    let forge = || Forge::new(&delta(9)).literal(2, &page).literal(4, &page);
    decode(&forge().finish()).unwrap();
    type Change = fn(&mut Vec<IndexEntry>);
    let changes: [(u64, Change); 6] = [
        (1156, |index| index[0].pgno = 3),
        (1157, |index| index[0].offset += 1),
        (1158, |index| index[0].size += 1),
        (1164, |index| index[1].size ^= 0x80),
        (1160, |index| index.truncate(1)),
        (1165, |index| {
            index.push(IndexEntry {
                pgno: 5,
                offset: 1150,
                size: 5,
            })
        }),
    ];
    for (at, change) in changes {
        match decode(&forge().reindex(change).finish()).unwrap_err() {
            DecodeError::Index { offset, .. } => assert_eq!(offset, at),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_follows_the_trailer() {
    let (_, _, mut file) = golden();
    file.push(0);
    assert_eq!(
        decode(&file).unwrap_err(),
        DecodeError::TrailingBytes { offset: 660 }
    );
}

#[test]
fn checksums() {
    let page = [1; 512];
    let forge = || Forge::new(&delta(9)).literal(2, &page);
    let sum = 1 << 63 | 5;
    let error = decode(&forge().finish_with(sum)).unwrap_err();
    assert_eq!(
        error,
        DecodeError::Trailer {
            which: "post-apply",
            value: sum
        }
    );

    let mut file = forge().finish();
    let at = file.len() - 8;
    file[at] ^= 0x80;
    let error = decode(&file).unwrap_err();
    assert!(
        matches!(error, DecodeError::Trailer { which: "file", .. }),
        "{error:?}"
    );
    file[at] ^= 0x81;
    let error = decode(&file).unwrap_err();
    assert!(
        matches!(error, DecodeError::Checksum { which: "file", .. }),
        "{error:?}"
    );
}

/// LiteFS and LiteVFS state checksums of the database; we read them.
#[test]
fn database_checksums() {
    let page = [1; 512];
    let header = Header {
        flags: 0,
        pre_apply_checksum: 1 << 63 | 7,
        ..delta(9)
    };
    let forge = || Forge::new(&header).literal(2, &page);
    let post = 1 << 63 | 9;
    assert_eq!(
        decode(&forge().finish_with(post))
            .unwrap()
            .summary()
            .post_apply_checksum,
        post
    );
    for post in [0, 9] {
        let error = decode(&forge().finish_with(post)).unwrap_err();
        assert_eq!(
            error,
            DecodeError::Trailer {
                which: "post-apply",
                value: post
            }
        );
    }

    let header = Header {
        flags: 0,
        ..snapshot(2)
    };
    let forge = || Forge::new(&header).literal(1, &page).literal(2, &[2; 512]);
    let mut database = DatabaseChecksum::new();
    database.add(1, &page);
    database.add(2, &[2; 512]);
    decode(&forge().finish_with(database.get())).unwrap();
    let error = decode(&forge().finish_with(database.get() ^ 1)).unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::Checksum {
                which: "post-apply",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn buffers_are_one_page_long() {
    let (_, _, file) = golden();
    let wrong = DecodeError::PageBuffer {
        expected: 512,
        actual: 513,
    };
    let mut decoder = Decoder::new(file.as_slice()).unwrap();
    match decoder.next_page(&mut [0; 513]) {
        Err(StreamError::Format(error)) => assert_eq!(error, wrong),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        decode_frame(&file[100..625], SIZE, &mut [0; 513]),
        Err(wrong)
    );
    decoder.next_page(&mut [0; 512]).unwrap();
    decoder.finish().unwrap();
}

#[test]
fn a_frame_stands_alone() {
    let (_, page, file) = golden();
    let mut out = [0; 512];
    assert_eq!(decode_frame(&file[100..625], SIZE, &mut out), Ok(1));
    assert_eq!(&out[..], page);
    let error = decode_frame(&file[100..626], SIZE, &mut out);
    assert_eq!(error, Err(DecodeError::TrailingBytes { offset: 525 }));
    let error = decode_frame(&file[100..624], SIZE, &mut out);
    assert_eq!(
        error,
        Err(DecodeError::Truncated {
            offset: 524,
            part: "a page"
        })
    );
    for zero in [&[0; 6][..], &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0]] {
        let error = decode_frame(zero, SIZE, &mut out);
        assert_eq!(
            error,
            Err(DecodeError::Page {
                offset: 0,
                reason: PageError::Zero
            })
        );
    }
}

#[test]
fn messages_are_sentences() {
    let file = Forge::new(&snapshot(3))
        .literal(1, &[1; 512])
        .literal(3, &[1; 512])
        .finish();
    assert_eq!(
        decode(&file).unwrap_err().to_string(),
        "wrong page in the LTX file at byte 625: a file that begins at transaction 1 holds \
         every page, but page 2 is missing"
    );
    assert_eq!(
        decode(b"SQLite format 3\0").unwrap_err().to_string(),
        "the LTX file ends at byte 16, inside the header"
    );
    assert_eq!(
        decode(&[b'x'; 200]).unwrap_err().to_string(),
        "this is not a usable LTX file: it does not begin with the magic LTX1"
    );
}
