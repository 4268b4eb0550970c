//! What must hold for any input at all: shared by the fuzz targets and by
//! `ltx_mutations.rs`, their short form.

use std::io::Read;

use sqlbridge_vfs::ltx::{
    DecodeError, Decoder, Encoder, Header, IndexEntry, PageSize, StreamError, Summary, Tail,
    TailParse, decode, decode_each, decode_frame,
};

type Pages = Vec<(u32, Vec<u8>)>;

/// Both decoders say the same of a whole file. One that they accept reads the same
/// by random access, and again after it has been written anew. Says whether they did.
pub fn whole_file(bytes: &[u8]) -> bool {
    let mut pages = Pages::new();
    let at_once = decode_each(bytes, |pgno, page| pages.push((pgno, page.to_vec())));
    let at_once = at_once.map(|verified| verified.into_parts());
    match (at_once, stream(Dribble(bytes))) {
        (Ok((header, summary)), Ok(streamed)) => {
            assert_eq!((header.clone(), summary.clone(), pages.clone()), streamed);
            assert_eq!(summary.size, bytes.len() as u64);
            random_access(bytes, &header, &summary, &pages);
            rewrite(header, &pages);
            true
        }
        (Err(at_once), Err(StreamError::Format(streamed))) => {
            assert_eq!(at_once, streamed);
            assert!(!at_once.to_string().is_empty());
            false
        }
        (at_once, streamed) => panic!("{at_once:?} but {streamed:?}"),
    }
}

/// `bytes` are the end of an object, whose size the first eight of them may give.
pub fn tail(bytes: &[u8]) {
    parse_tail(bytes, bytes.len() as u64);
    if let Some((size, rest)) = bytes.split_first_chunk() {
        parse_tail(rest, u64::from_be_bytes(*size));
    }
}

/// The first byte chooses the page size, the rest is the frame.
pub fn frame(bytes: &[u8]) {
    let Some((&choice, frame)) = bytes.split_first() else {
        return;
    };
    let Some(page_size) = PageSize::new(512 << (choice % 8)) else {
        unreachable!()
    };
    let mut page = vec![0; page_size.get()];
    match decode_frame(frame, page_size, &mut page) {
        Ok(pgno) => assert_eq!(frame[..4], pgno.to_be_bytes()),
        Err(error) => assert!(!matches!(error, DecodeError::PageBuffer { .. })),
    }
}

/// Gives a few bytes at a time.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = buf.len().min(1 + self.0.len() % 97);
        self.0.read(&mut buf[..n])
    }
}

fn stream(reader: impl Read) -> Result<(Header, Summary, Pages), StreamError> {
    let mut decoder = Decoder::new(reader)?;
    let header = decoder.header().clone();
    let mut page = vec![0; header.page_size.get()];
    let mut pages = Pages::new();
    while let Some(entry) = decoder.next_page(&mut page)? {
        pages.push((entry.pgno, page.clone()));
    }
    Ok((header, decoder.finish()?, pages))
}

fn random_access(bytes: &[u8], header: &Header, summary: &Summary, pages: &Pages) {
    let tail = parse_tail(bytes, summary.size).expect("a tail like the file it ends");
    assert_eq!(tail.index, summary.index);
    assert_eq!(tail.post_apply_checksum, summary.post_apply_checksum);
    assert_eq!(tail.file_checksum, summary.file_checksum);
    tail.check_header(header)
        .expect("a tail that fits its header");
    let mut page = vec![0; header.page_size.get()];
    for (entry, (pgno, content)) in tail.index.iter().zip(pages) {
        let frame = &bytes[entry.offset as usize..][..entry.size as usize];
        assert_eq!(decode_frame(frame, header.page_size, &mut page), Ok(*pgno));
        assert_eq!((entry.pgno, &page), (*pgno, content));
    }
}

/// Parses, and checks what any index that is accepted promises.
fn parse_tail(tail: &[u8], object_size: u64) -> Option<Tail> {
    match Tail::parse(tail, object_size) {
        Ok(TailParse::Complete(tail)) => {
            let mut end = 100;
            let mut last = 0;
            for &IndexEntry { pgno, offset, size } in &tail.index {
                assert!(pgno > last && offset == end && size > 6);
                (last, end) = (pgno, offset + u64::from(size));
            }
            assert!(end < object_size);
            Some(tail)
        }
        Ok(TailParse::NeedMore(n)) => {
            assert!(n > tail.len() as u64 && n <= object_size);
            None
        }
        Err(_) => None,
    }
}

fn rewrite(header: Header, pages: &Pages) {
    if header.has_checksums() {
        return;
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&header, &mut file).expect("a header that was read");
    for (pgno, page) in pages {
        encoder
            .page(*pgno, page, &mut file)
            .expect("a page that was read");
    }
    let written = encoder.finish(&mut file).expect("a file that was read");
    let verified = decode(&file).expect("a file just written");
    assert_eq!((verified.header(), verified.summary()), (&header, &written));
    let (_, _, again) = stream(file.as_slice()).expect("a file just written");
    assert_eq!(&again, pages);
}
