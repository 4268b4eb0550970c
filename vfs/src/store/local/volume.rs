//! Tells network file systems from local ones by the kind the kernel reports.
//!
//! They cache absent names and directory listings, answer a repeated link with a
//! false "exists", and may let two hosts create one file: no place for commits.

use std::path::Path;

/// `statfs` type numbers, from `linux/magic.h` and the file systems' own headers.
const NETWORK_KINDS: [(u32, &str); 13] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x786F_4256, "VirtualBox shared folder"),
];

/// The kind of the network file system that `path` is on, none where it is local.
pub(super) fn network_kind(path: &Path) -> Option<&'static str> {
    let status = rustix::fs::statfs(path).ok()?;
    kind_of(status.f_type as u32)
}

fn kind_of(magic: u32) -> Option<&'static str> {
    NETWORK_KINDS
        .iter()
        .find(|(number, _)| *number == magic)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(kind_of(0x6969), Some("NFS"));
        assert_eq!(kind_of(0x6573_5546), Some("FUSE"));
        for local in [
            0xEF53,
            0x5846_5342,
            0x9123_683E,
            0x0102_1994,
            0x794C_7630,
            0x2FC1_2FC1,
        ] {
            assert_eq!(kind_of(local), None, "{local:x}");
        }
        // /proc is there on every Linux and is no network.
        assert_eq!(network_kind(Path::new("/proc")), None);
    }
}
