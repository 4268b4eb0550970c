//! The checksum of what is ours: cached pages, page sums, small records.

/// CRC-64/NVME: carry-less multiplication makes it faster than a page is copied, and
/// it shares no polynomial with the LTX file checksum that stands behind it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
}

#[cfg(test)]
mod tests {
    /// <https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-nvme>
    #[test]
    fn is_the_catalogued_one() {
        assert_eq!(super::checksum(b"123456789"), 0xAE8B_1486_0A79_9888);
    }
}
