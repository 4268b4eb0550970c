//! `sqlbridge_debug()`: what a bug report begins with, one `key: value` a line.

use sqlite_abi::host;

/// Compile-time options that decide what is fast or possible on a host. `ENABLE_X` is wanted,
/// `OMIT_X` is not.
const WANTED: [&str; 6] = [
    "ENABLE_SESSION",
    "ENABLE_PREUPDATE_HOOK",
    "ENABLE_BATCH_ATOMIC_WRITE",
    "ENABLE_COLUMN_METADATA",
    "ENABLE_UNLOCK_NOTIFY",
    "USE_URI",
];
const UNWANTED: [&str; 4] = [
    "OMIT_LOAD_EXTENSION",
    "OMIT_DESERIALIZE",
    "OMIT_DECLTYPE",
    "OMIT_SHARED_CACHE",
];

/// The whole text.
pub(crate) fn report() -> String {
    let options = host::compile_options();
    let lines = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", env!("SQLBRIDGE_COMMIT").to_owned()),
        ("capabilities", list(&capabilities())),
        #[cfg(feature = "storage")]
        ("stores", list(&sqlbridge_vfs::store::KINDS)),
        ("sqlite", host::version()),
        ("sqlite_source_id", host::source_id()),
        ("sqlite_threadsafe", thread_safety(&options)),
        ("sqlite_lacks", lacks(&options)),
        ("sqlite_lacks_functions", list(&host::missing_functions())),
    ];
    lines
        .into_iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn capabilities() -> Vec<&'static str> {
    [
        ("storage", cfg!(feature = "storage")),
        ("procedures", cfg!(feature = "procedures")),
        ("sessions", cfg!(feature = "sessions")),
    ]
    .into_iter()
    .filter_map(|(name, enabled)| enabled.then_some(name))
    .collect()
}

/// What the host was built without, named as in SQLite's documentation.
fn lacks(options: &[String]) -> String {
    if options.is_empty() {
        return "unknown (this SQLite does not tell its compile-time options)".to_owned();
    }
    let has = |name: &str| options.iter().any(|option| option == name);
    let absent = WANTED.into_iter().filter(|name| !has(name));
    let omitted = UNWANTED.into_iter().filter(|name| has(name));
    list(&absent.chain(omitted).map(bare).collect::<Vec<_>>())
}

fn bare(option: &str) -> &str {
    option
        .trim_start_matches("ENABLE_")
        .trim_start_matches("OMIT_")
}

fn thread_safety(options: &[String]) -> String {
    options
        .iter()
        .find_map(|option| option.strip_prefix("THREADSAFE="))
        .unwrap_or("unknown")
        .to_owned()
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::lacks;

    #[test]
    fn names_what_a_host_lacks() {
        assert!(lacks(&[]).starts_with("unknown"));
        let all: Vec<String> = super::WANTED.map(str::to_owned).to_vec();
        assert_eq!(lacks(&all), "none");
        let poor = ["ENABLE_SESSION", "OMIT_LOAD_EXTENSION"].map(str::to_owned);
        assert_eq!(
            lacks(&poor),
            "PREUPDATE_HOOK, BATCH_ATOMIC_WRITE, COLUMN_METADATA, UNLOCK_NOTIFY, USE_URI, \
             LOAD_EXTENSION"
        );
    }
}
