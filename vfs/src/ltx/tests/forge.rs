//! Files made byte by byte, with right checksums and whatever else is asked for.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use crate::ltx::checksum::FileChecksum;
use crate::ltx::index::encode_index;
use crate::ltx::{Header, IndexEntry};

pub(super) struct Forge {
    bytes: Vec<u8>,
    checksum: FileChecksum,
    index: Vec<IndexEntry>,
}

impl Forge {
    pub(super) fn new(header: &Header) -> Self {
        let bytes = header.encode().to_vec();
        let mut checksum = FileChecksum::new();
        checksum.update(&bytes);
        Self {
            bytes,
            checksum,
            index: Vec::new(),
        }
    }

    /// A page as an LZ4 block that holds it literally.
    pub(super) fn literal(self, pgno: u32, page: &[u8]) -> Self {
        let block = literal_block(page);
        self.frame(pgno, 1, &block, page)
    }

    /// A page frame whose `payload` is held to expand to `page`.
    pub(super) fn frame(mut self, pgno: u32, flags: u16, payload: &[u8], page: &[u8]) -> Self {
        let start = self.bytes.len();
        self.bytes.extend(pgno.to_be_bytes());
        self.bytes.extend(flags.to_be_bytes());
        if flags & 1 != 0 {
            self.bytes.extend((payload.len() as u32).to_be_bytes());
        }
        self.checksum.update(&self.bytes[start..]);
        self.checksum.update(page);
        self.bytes.extend(payload);
        let size = (self.bytes.len() - start) as u32;
        self.index.push(IndexEntry {
            pgno,
            offset: start as u64,
            size,
        });
        self
    }

    /// Changes the index before it is written.
    pub(super) fn reindex(mut self, change: impl FnOnce(&mut Vec<IndexEntry>)) -> Self {
        change(&mut self.index);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.finish_with(0)
    }

    /// Ends the file with this post-apply checksum.
    pub(super) fn finish_with(mut self, post_apply: u64) -> Vec<u8> {
        let start = self.bytes.len();
        self.bytes.extend([0; 6]);
        encode_index(&self.index, &mut self.bytes);
        self.bytes.extend(post_apply.to_be_bytes());
        self.checksum.update(&self.bytes[start..]);
        self.bytes.extend(self.checksum.finish().to_be_bytes());
        self.bytes
    }
}

/// An LZ4 block of literals only.
pub(super) fn literal_block(page: &[u8]) -> Vec<u8> {
    let mut block = vec![0xF0];
    let rest = page.len() - 15;
    block.extend(vec![255; rest / 255]);
    block.push((rest % 255) as u8);
    block.extend(page);
    block
}

/// A page as Litestream stored it before 0.5.16.
pub(super) fn legacy_payload(page: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .content_checksum(true);
    lz4_frame(info, page)
}

/// An LZ4 frame with every optional field we can read.
pub(super) fn ornate_payload(page: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max256KB)
        .block_mode(BlockMode::Linked)
        .block_checksums(true)
        .content_size(Some(page.len() as u64))
        .content_checksum(true);
    lz4_frame(info, page)
}

/// An LZ4 frame that nothing would notice the damage of.
pub(super) fn unchecked_payload(page: &[u8]) -> Vec<u8> {
    lz4_frame(FrameInfo::new().block_size(BlockSize::Max64KB), page)
}

fn lz4_frame(info: FrameInfo, page: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}
