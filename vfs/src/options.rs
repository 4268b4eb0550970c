//! Settings of one database, from URI parameters, else from the environment, else their defaults.

use std::path::PathBuf;
use std::time::Duration;

/// One setting, as the reference lists it.
#[derive(Debug, Clone, Copy)]
pub struct OptionDoc {
    /// URI parameter.
    pub name: &'static str,
    /// Environment variable, empty if there is none.
    pub env: &'static str,
    /// Where it applies.
    pub applies_to: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// The settings of a database; those of stores are in [`crate::store`].
pub const OPTIONS: &[OptionDoc] = &[
    doc(
        "store",
        "SQLBRIDGE_STORE",
        "the directory of the path",
        "URL of the store: `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`, `file:///directory`",
    ),
    doc(
        "max_staleness",
        "SQLBRIDGE_MAX_STALENESS",
        "1000; 0 for a local directory",
        "milliseconds for which a read transaction may trust what is known without asking the store; 0 asks each time",
    ),
    doc(
        "txid",
        "",
        "the newest",
        "open the database as it was after this transaction, read-only",
    ),
    doc(
        "as_of",
        "",
        "the newest",
        "open the database as it was at this time (RFC 3339), read-only",
    ),
    doc(
        "cache_dir",
        "SQLBRIDGE_CACHE_DIR",
        "`$XDG_CACHE_HOME/sqlbridge`, `~/.cache/sqlbridge` or the temporary directory",
        "directory for cached pages and for what a large transaction spills",
    ),
    doc(
        "cache_size",
        "SQLBRIDGE_CACHE_SIZE",
        "1GB",
        "most bytes of pages cached per database and process (`64MB`, `2GB`)",
    ),
    doc(
        "timeout",
        "SQLBRIDGE_TIMEOUT",
        "30s",
        "how long a request, or a COMMIT with its retries, may take before it fails",
    ),
    doc(
        "adopt",
        "",
        "0",
        "1: write to a database whose newest transaction was written by Litestream. Stop Litestream first",
    ),
    doc(
        "single_writer",
        "SQLBRIDGE_SINGLE_WRITER",
        "0",
        "1: use a store that cannot create conditionally; you promise that nobody else writes",
    ),
    doc(
        "offline_reads",
        "SQLBRIDGE_OFFLINE_READS",
        "0",
        "1: while the store is out of reach, read transactions go on with what is known",
    ),
    doc(
        "retention",
        "",
        "24h",
        "how long files stay after they were compacted; recorded when the database is created (at least 5s)",
    ),
];

/// The names of [`OPTIONS`], to suggest where one is misspelt.
pub const NAMES: [&str; OPTIONS.len()] = {
    let mut names = [""; OPTIONS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = OPTIONS[at].name;
        at += 1;
    }
    names
};

const fn doc(
    name: &'static str,
    env: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> OptionDoc {
    OptionDoc {
        name,
        env,
        applies_to: "database",
        default,
        meaning,
    }
}

/// A lookup of settings by name.
pub trait Lookup {
    /// The value of a URI parameter, else of the environment variable that stands for it.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Lookup for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Which point of the history to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The newest transaction, for reading and writing.
    Head,
    /// After this transaction.
    Txid(u64),
    /// The newest transaction not later than this, ms since the Unix epoch.
    Time(i64),
}

/// The parsed settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// See [`OPTIONS`].
    pub max_staleness: Duration,
    /// See [`OPTIONS`].
    pub point: Point,
    /// See [`OPTIONS`].
    pub cache_dir: PathBuf,
    /// See [`OPTIONS`].
    pub cache_size: u64,
    /// See [`OPTIONS`].
    pub timeout: Duration,
    /// See [`OPTIONS`].
    pub adopt: bool,
    /// See [`OPTIONS`].
    pub single_writer: bool,
    /// See [`OPTIONS`].
    pub offline_reads: bool,
    /// See [`OPTIONS`].
    pub retention: Option<Duration>,
}

/// The least retention: shorter, and a slow writer could reuse a removed transaction number.
pub const LEAST_RETENTION: Duration = Duration::from_secs(5);

impl Options {
    /// Parses the settings of a database in a store that is local or not.
    ///
    /// # Errors
    /// A sentence that names the setting and what it may be.
    pub fn parse(lookup: &dyn Lookup, local_store: bool) -> Result<Self, String> {
        let flag = |name: &str| match lookup.get(name).as_deref() {
            None | Some("0" | "false" | "no" | "off") => Ok(false),
            Some("1" | "true" | "yes" | "on") => Ok(true),
            Some(other) => Err(format!("{name}={other} is not 0 or 1")),
        };
        let staleness = match lookup.get("max_staleness") {
            Some(text) => text
                .parse()
                .map_err(|_| format!("max_staleness={text} is not a number of milliseconds"))?,
            None => u64::from(!local_store) * 1000,
        };
        let retention = lookup
            .get("retention")
            .map(|text| duration("retention", &text))
            .transpose()?;
        if retention.is_some_and(|retention| retention < LEAST_RETENTION) {
            return Err("retention may not be shorter than 5s".to_owned());
        }
        Ok(Self {
            max_staleness: Duration::from_millis(staleness),
            point: point(lookup)?,
            cache_dir: lookup
                .get("cache_dir")
                .map_or_else(default_cache_dir, PathBuf::from),
            cache_size: bytes(
                "cache_size",
                lookup.get("cache_size").as_deref().unwrap_or("1GB"),
            )?,
            timeout: duration("timeout", lookup.get("timeout").as_deref().unwrap_or("30s"))?,
            adopt: flag("adopt")?,
            single_writer: flag("single_writer")?,
            offline_reads: flag("offline_reads")?,
            retention,
        })
    }
}

fn point(lookup: &dyn Lookup) -> Result<Point, String> {
    match (lookup.get("txid"), lookup.get("as_of")) {
        (Some(_), Some(_)) => Err("give txid= or as_of=, not both".to_owned()),
        (Some(text), None) => match text.parse() {
            Ok(txid) if txid > 0 => Ok(Point::Txid(txid)),
            _ => Err(format!("txid={text} is not a transaction number")),
        },
        (None, Some(text)) => crate::time::parse_rfc3339(&text).map(Point::Time).ok_or_else(|| {
            format!("as_of={text} is not a time like 2026-11-20T10:00:00Z (a '+' must be written %2B in a URI)")
        }),
        (None, None) => Ok(Point::Head),
    }
}

/// The cache directory where none is given.
#[must_use]
pub fn default_cache_dir() -> PathBuf {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(directory) = from("SQLBRIDGE_CACHE_DIR") {
        return directory;
    }
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("sqlbridge")
}

/// `500ms`, `30s`, `5m`, `24h`, `30d`; a bare number is seconds.
fn duration(name: &str, text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let millis = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    millis
        .filter(|&millis| millis > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{name}={text} is not a time like 500ms, 30s, 5m, 24h or 30d"))
}

/// `65536`, `64KB`, `64MB`, `2GB` (powers of 1024).
fn bytes(name: &str, text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        _ => 64,
    };
    let number = digits.parse::<u64>().ok().filter(|_| shift < 64);
    number
        .and_then(|number| number.checked_mul(1 << shift.min(63)))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| format!("{name}={text} is not a size like 64MB or 2GB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)], local: bool) -> Result<Options, String> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let lookup = move |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        Options::parse(&lookup, local)
    }

    #[test]
    fn defaults_depend_on_the_kind_of_store() {
        assert_eq!(parse(&[], true).unwrap().max_staleness, Duration::ZERO);
        assert_eq!(
            parse(&[], false).unwrap().max_staleness,
            Duration::from_secs(1)
        );
    }

    #[test]
    fn units_are_understood_and_nonsense_is_named() {
        let options = parse(
            &[
                ("cache_size", "64MB"),
                ("timeout", "500ms"),
                ("retention", "10s"),
            ],
            true,
        )
        .unwrap();
        assert_eq!(options.cache_size, 64 << 20);
        assert_eq!(options.timeout, Duration::from_millis(500));
        assert_eq!(options.retention, Some(Duration::from_secs(10)));
        for (name, value) in [
            ("cache_size", "lots"),
            ("cache_size", "-1"),
            ("timeout", "0s"),
            ("timeout", "5y"),
            ("retention", "1s"),
            ("adopt", "maybe"),
            ("txid", "0"),
            ("as_of", "yesterday"),
            ("max_staleness", "1s"),
            ("cache_size", "99999999999GB"),
        ] {
            let error = parse(&[(name, value)], true).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
        assert!(parse(&[("txid", "3"), ("as_of", "2026-11-20T10:00:00Z")], true).is_err());
    }
}
