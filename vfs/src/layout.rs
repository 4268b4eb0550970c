//! Names: of databases, and of the objects that make up one.
//!
//! Transaction files lie where Litestream looks for them; what is ours alone
//! (page checksums, settings) lies under `<name>/sqlbridge/`, which Litestream
//! does not read.

use crate::ltx;
use crate::store::KeyStyle;

/// The level of full images.
pub const SNAPSHOT_LEVEL: u8 = 9;

/// The keys of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    style: KeyStyle,
    name: String,
}

/// A transaction file's place: its level and the transactions it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// 0 for a single transaction, 1 to 8 for compacted ones, 9 for snapshots.
    pub level: u8,
    /// First transaction.
    pub min: u64,
    /// Last transaction.
    pub max: u64,
}

impl Layout {
    /// The layout of a database; `name` must have passed [`check_name`].
    #[must_use]
    pub fn new(style: KeyStyle, name: &str) -> Self {
        Self {
            style,
            name: name.to_owned(),
        }
    }

    /// Database name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Prefix of everything that belongs to the database.
    #[must_use]
    pub fn root(&self) -> String {
        format!("{}/", self.name)
    }

    /// Key of a transaction file.
    #[must_use]
    pub fn key(&self, file: FileName) -> String {
        let name = ltx::name::file_name(file.min, file.max);
        match self.style {
            KeyStyle::Hex => format!("{}/{:04x}/{name}", self.name, file.level),
            KeyStyle::Decimal => format!("{}/ltx/{}/{name}", self.name, file.level),
        }
    }

    /// Key of the file that the commit of `txid` creates.
    #[must_use]
    pub fn commit_key(&self, txid: u64) -> String {
        self.key(FileName {
            level: 0,
            min: txid,
            max: txid,
        })
    }

    /// Which transaction file a key names, if it names one of this database.
    #[must_use]
    pub fn parse(&self, key: &str) -> Option<FileName> {
        let rest = key.strip_prefix(&self.name)?.strip_prefix('/')?;
        let (level, name) = match self.style {
            KeyStyle::Hex => {
                let (level, name) = rest.split_once('/')?;
                if level.len() != 4 {
                    return None;
                }
                (u8::from_str_radix(level, 16).ok()?, name)
            }
            KeyStyle::Decimal => {
                let (level, name) = rest.strip_prefix("ltx/")?.split_once('/')?;
                (level.parse().ok()?, name)
            }
        };
        let (min, max) = ltx::name::parse(name)?;
        (level <= SNAPSHOT_LEVEL).then_some(FileName { level, min, max })
    }

    /// Key of the page checksums of the transaction file with this checksum.
    #[must_use]
    pub fn sums_key(&self, file_checksum: u64) -> String {
        format!("{}/sqlbridge/sums/{file_checksum:016x}", self.name)
    }

    /// Key that says that transaction `txid` dropped the database, for listings.
    #[must_use]
    pub fn dropped_key(&self, txid: u64) -> String {
        format!("{}/sqlbridge/dropped/{txid:016x}", self.name)
    }

    /// Whether a key is this database's own, but no transaction file.
    #[must_use]
    pub fn is_own(&self, key: &str) -> bool {
        key.strip_prefix(&self.name)
            .is_some_and(|rest| rest.starts_with("/sqlbridge/"))
    }

    /// Key of the recorded retention.
    #[must_use]
    pub fn retention_key(&self) -> String {
        format!("{}/sqlbridge/retention", self.name)
    }

    /// Keys under which a plain database file to import may lie.
    #[must_use]
    pub fn import_keys(&self) -> Vec<String> {
        let mut keys = vec![format!("{}.sqlite", self.name)];
        if let Some(stem) = self.name.strip_suffix(".db") {
            keys.push(format!("{stem}.sqlite"));
        }
        keys
    }
}

/// The database that a key of a transaction file belongs to, and which file it is.
#[must_use]
pub fn database_of(style: KeyStyle, key: &str) -> Option<(&str, FileName)> {
    let mut name = key.rsplit_once('/')?.0.rsplit_once('/')?.0;
    if style == KeyStyle::Decimal {
        name = name.strip_suffix("/ltx")?;
    }
    Layout::new(style, name).parse(key).map(|file| (name, file))
}

/// The database that a key of [`Layout::dropped_key`] belongs to, and the transaction.
#[must_use]
pub fn dropped_of(key: &str) -> Option<(&str, u64)> {
    let (name, txid) = key.split_once("/sqlbridge/dropped/")?;
    Some((name, u64::from_str_radix(txid, 16).ok()?))
}

/// Whether `name` can be a database's name, else what is wrong with it.
///
/// # Errors
/// A sentence.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the database name is empty".to_owned());
    }
    for segment in name.split('/') {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let hex4 = segment.len() == 4 && segment.chars().all(|c| c.is_ascii_hexdigit());
        let problem = if segment.is_empty() {
            "has an empty segment"
        } else if !segment.chars().all(allowed) {
            "may only have letters, digits, '.', '_' and '-' between slashes"
        } else if matches!(segment, "." | "..") {
            "may not contain '.' or '..' as a segment"
        } else if matches!(segment, "ltx" | "sqlbridge" | "generations") || hex4 {
            "may not have 'ltx', 'sqlbridge', 'generations' or four hexadecimal digits as a segment, which name files of a database"
        } else {
            continue;
        };
        return Err(format!("the database name '{name}' {problem}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_litestreams() {
        let file = FileName {
            level: 1,
            min: 1,
            max: 0x40,
        };
        let hex = Layout::new(KeyStyle::Hex, "a/app.db");
        assert_eq!(
            hex.key(file),
            "a/app.db/0001/0000000000000001-0000000000000040.ltx"
        );
        let decimal = Layout::new(KeyStyle::Decimal, "app.db");
        assert_eq!(
            decimal.commit_key(2),
            "app.db/ltx/0/0000000000000002-0000000000000002.ltx"
        );
        for layout in [hex, decimal] {
            assert_eq!(layout.parse(&layout.key(file)), Some(file));
            assert_eq!(layout.parse(&layout.retention_key()), None);
            assert_eq!(layout.parse("other/ltx/0/x"), None);
        }
    }

    #[test]
    fn names_that_would_pollute_another_database_are_refused() {
        for good in ["app", "app.db", "tenants/a-1/app_2.db"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in [
            "", "a//b", "../x", "a/./b", "ltx", "x/0000", "x/ltx/0", "a b", "x/00fF",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
