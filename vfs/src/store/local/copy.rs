//! Copies a file's content inside the kernel where the file systems can, without
//! moving the source's cursor, which other users of the handle may rely on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const CHUNK: u64 = 1 << 20;

/// Copies the first `len` bytes of `from` to the beginning of `to`.
pub(super) fn contents(from: &File, to: &File, len: u64) -> io::Result<()> {
    let copied = in_kernel(from, to, len);
    by_hand(from, to, copied, len)
}

/// Gives the number of bytes copied before the kernel declined, or all of them.
fn in_kernel(from: &File, to: &File, len: u64) -> u64 {
    let (mut offset_in, mut offset_out) = (0, 0);
    while offset_in < len {
        let want = usize::try_from(len - offset_in)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        let moved = rustix::fs::copy_file_range(
            from,
            Some(&mut offset_in),
            to,
            Some(&mut offset_out),
            want,
        );
        if !matches!(moved, Ok(1..)) {
            break;
        }
    }
    offset_in.min(offset_out)
}

fn by_hand(from: &File, to: &File, mut at: u64, len: u64) -> io::Result<()> {
    let mut buffer = vec![
        0;
        if at < len {
            CHUNK.min(len - at) as usize
        } else {
            0
        }
    ];
    while at < len {
        let want = buffer
            .len()
            .min(usize::try_from(len - at).unwrap_or(usize::MAX));
        from.read_exact_at(&mut buffer[..want], at)?;
        to.write_all_at(&buffer[..want], at)?;
        at += want as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_copy_the_same_bytes_and_leave_the_cursor_alone() {
        let directory = std::env::temp_dir().join(format!("sqlbridge-copy-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let content: Vec<u8> = (0..3 * CHUNK + 17).map(|i| (i * 7 % 251) as u8).collect();
        let source = directory.join("source");
        std::fs::write(&source, &content).unwrap();
        let len = content.len() as u64 - 5;
        let target = |name: &str| {
            let path = directory.join(name);
            (File::create(&path).unwrap(), path)
        };
        let from = File::open(&source).unwrap();
        for (name, start) in [("kernel", None), ("hand", Some(0))] {
            let (to, path) = target(name);
            match start {
                None => contents(&from, &to, len).unwrap(),
                Some(at) => by_hand(&from, &to, at, len).unwrap(),
            }
            assert_eq!(
                std::fs::read(path).unwrap(),
                content[..len as usize],
                "{name}"
            );
        }
        assert_eq!(std::io::Seek::stream_position(&mut &from).unwrap(), 0);
        let (to, _) = target("short");
        let error = contents(&from, &to, content.len() as u64 + 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
