//! The [LTX] codec: one file holds the pages that one or more transactions changed.
//!
//! Pure: bytes in, bytes out. No I/O of its own, no clock, no panic on any input,
//! no allocation that the input's length does not back up.
//!
//! | to | use |
//! | --- | --- |
//! | write a file | [`Encoder`], [`Header::new`] |
//! | verify a file in memory, see its pages | [`decode`], [`decode_each`] |
//! | verify a file of any size | [`Decoder`] |
//! | find single pages in a remote file | [`Tail`], [`decode_frame`] |
//! | name a file | [`name`] |
//!
//! What is written suits Litestream 0.5.16 and later: pages as LZ4 blocks, no
//! database checksums. What is read may also be from earlier 0.5 releases (pages as
//! LZ4 frames) or carry database checksums.
//!
//! ```text
//! header 100 | page frame ... | six zero bytes | index | its length 8 | trailer 16
//! ```
//!
//! ```
//! use sqlbridge_vfs::ltx::{Encoder, Header, PageSize, decode};
//!
//! let page_size = PageSize::new(4096).ok_or("no page size")?;
//! let header = Header::new(page_size, 9, (2, 2), 1_700_000_000_000);
//! let mut file = Vec::new();
//! let mut encoder = Encoder::new(&header, &mut file)?;
//! encoder.page(3, &[7; 4096], &mut file)?;
//! encoder.page(9, &[8; 4096], &mut file)?;
//! let written = encoder.finish(&mut file)?;
//!
//! let verified = decode(&file)?;
//! assert_eq!(verified.header(), &header);
//! assert_eq!(verified.summary(), &written);
//! let mut page = [0; 4096];
//! assert!(verified.read_page(9, &mut page)?);
//! assert_eq!(page, [8; 4096]);
//!
//! file[150] ^= 1;
//! assert!(decode(&file).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [LTX]: https://github.com/superfly/ltx

mod checksum;
mod decoder;
mod encoder;
mod error;
mod header;
mod index;
pub mod name;
mod page;
mod source;

pub use decoder::{Decoder, Verified, decode, decode_each};
pub use encoder::{Encoder, Summary};
pub use error::{DecodeError, EncodeError, HeaderError, PageError, PayloadError, StreamError};
pub use header::{HEADER_SIZE, Header, NO_CHECKSUM, PageSize};
pub use index::{IndexEntry, Tail, TailParse};
pub use page::decode_frame;

#[cfg(test)]
mod tests;
