//! Object names: `<min>-<max>.ltx`, 16 lower-case hex digits each, so that names
//! sort as transactions do. Other names may lie beside them and are not ours.

/// The name of the file that holds transactions `min..=max`.
#[must_use]
pub fn file_name(min: u64, max: u64) -> String {
    format!("{min:016x}-{max:016x}.ltx")
}

/// The transactions a file of this name holds; none if it is not the name of a
/// transaction file, which includes upper-case digits, `min` 0 and `min` above `max`.
#[must_use]
pub fn parse(name: &str) -> Option<(u64, u64)> {
    let (min, max) = name.strip_suffix(".ltx")?.split_once('-')?;
    let (min, max) = (parse_txid(min)?, parse_txid(max)?);
    (1 <= min && min <= max).then_some((min, max))
}

fn parse_txid(digits: &str) -> Option<u64> {
    let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 16 || !digits.bytes().all(lower_hex) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_sort() {
        let ids = [
            (1, 1),
            (1, 0x1f),
            (2, 2),
            (0x10, 0x10),
            (u64::MAX, u64::MAX),
        ];
        let names: Vec<_> = ids.iter().map(|&(min, max)| file_name(min, max)).collect();
        assert_eq!(names[1], "0000000000000001-000000000000001f.ltx");
        assert!(names.is_sorted());
        for (name, id) in names.iter().zip(ids) {
            assert_eq!(parse(name), Some(id));
        }
    }

    #[test]
    fn other_names_are_ignored() {
        for name in [
            "",
            ".ltx",
            "-.ltx",
            "0000000000000001-0000000000000001",
            "0000000000000001-0000000000000001.ltx.tmp",
            "0000000000000001-0000000000000001.LTX",
            "000000000000000A-000000000000000A.ltx",
            "+000000000000001-0000000000000001.ltx",
            "000000000000001-0000000000000001.ltx",
            "00000000000000001-0000000000000001.ltx",
            "0000000000000001_0000000000000001.ltx",
            "0000000000000001-0000000000000001-.ltx",
            "0000000000000000-0000000000000001.ltx",
            "0000000000000002-0000000000000001.ltx",
            "000000000000000\u{e9}-0000000000000001.ltx",
        ] {
            assert_eq!(parse(name), None, "{name:?}");
        }
    }
}
