//! The settings (`SET`, `SHOW`): names, defaults, and what values they take.
//! <https://www.postgresql.org/docs/15/runtime-config.html>
//!
//! Some do something here; the others are what clients set on connecting and must not fail at.

use crate::error::{PgError, Result};

/// A setting.
#[derive(Debug)]
pub struct Variable {
    /// As `SHOW ALL` writes it.
    pub name: &'static str,
    /// Where nothing else is said.
    pub default: &'static str,
    /// What values it takes.
    pub kind: Kind,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on`, `off` and the other words for them.
    Bool,
    /// A number in a range.
    Int(i64, i64),
    /// A number with a fraction.
    Real,
    /// A time; a bare number counts milliseconds.
    Milliseconds,
    /// A size; a bare number counts kilobytes.
    Kilobytes,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// Anything.
    Text,
    /// `client_encoding`: UTF8.
    Encoding,
    /// `DateStyle`: a style and an order.
    DateStyle,
    /// `TimeZone`
    TimeZone,
    /// It says how the server is, and cannot be set.
    Fixed,
}

const fn v(name: &'static str, default: &'static str, kind: Kind) -> Variable {
    Variable {
        name,
        default,
        kind,
    }
}

const LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
];
const ISOLATION: &[&str] = &[
    "read uncommitted",
    "read committed",
    "repeatable read",
    "serializable",
];
const MAX: i64 = i32::MAX as i64;

/// By lower-case name.
#[rustfmt::skip]
pub static VARIABLES: &[Variable] = &[
    v("application_name", "", Kind::Text),
    v("backslash_quote", "safe_encoding", Kind::Enum(&["safe_encoding", "on", "off"])),
    v("block_size", "8192", Kind::Fixed),
    v("bytea_output", "hex", Kind::Enum(&["hex", "escape"])),
    v("check_function_bodies", "on", Kind::Bool),
    v("client_encoding", "UTF8", Kind::Encoding),
    v("client_min_messages", "notice", Kind::Enum(LEVELS)),
    v("constraint_exclusion", "partition", Kind::Enum(&["partition", "on", "off"])),
    v("cursor_tuple_fraction", "0.1", Kind::Real),
    v("DateStyle", "ISO, MDY", Kind::DateStyle),
    v("default_table_access_method", "heap", Kind::Text),
    v("default_tablespace", "", Kind::Text),
    v("default_text_search_config", "pg_catalog.simple", Kind::Text),
    v("default_toast_compression", "pglz", Kind::Text),
    v("default_transaction_deferrable", "off", Kind::Bool),
    v("default_transaction_isolation", "read committed", Kind::Enum(ISOLATION)),
    v("default_transaction_read_only", "off", Kind::Bool),
    v("effective_cache_size", "4GB", Kind::Kilobytes),
    v("effective_io_concurrency", "1", Kind::Int(0, 1000)),
    v("enable_bitmapscan", "on", Kind::Bool),
    v("enable_hashagg", "on", Kind::Bool),
    v("enable_hashjoin", "on", Kind::Bool),
    v("enable_indexonlyscan", "on", Kind::Bool),
    v("enable_indexscan", "on", Kind::Bool),
    v("enable_material", "on", Kind::Bool),
    v("enable_mergejoin", "on", Kind::Bool),
    v("enable_nestloop", "on", Kind::Bool),
    v("enable_partitionwise_join", "off", Kind::Bool),
    v("enable_seqscan", "on", Kind::Bool),
    v("enable_sort", "on", Kind::Bool),
    v("escape_string_warning", "on", Kind::Bool),
    v("extra_float_digits", "1", Kind::Int(-15, 3)),
    v("force_parallel_mode", "off", Kind::Enum(&["off", "on", "regress"])),
    v("from_collapse_limit", "8", Kind::Int(1, MAX)),
    v("geqo", "on", Kind::Bool),
    v("gin_fuzzy_search_limit", "0", Kind::Int(0, MAX)),
    v("idle_in_transaction_session_timeout", "0", Kind::Milliseconds),
    v("idle_session_timeout", "0", Kind::Milliseconds),
    v("in_hot_standby", "off", Kind::Fixed),
    v("integer_datetimes", "on", Kind::Fixed),
    v("IntervalStyle", "postgres", Kind::Enum(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"])),
    v("is_superuser", "on", Kind::Fixed),
    v("jit", "off", Kind::Bool),
    v("join_collapse_limit", "8", Kind::Int(1, MAX)),
    v("lc_collate", "C", Kind::Fixed),
    v("lc_ctype", "C.UTF-8", Kind::Fixed),
    v("lc_messages", "C", Kind::Text),
    v("lc_monetary", "C", Kind::Text),
    v("lc_numeric", "C", Kind::Text),
    v("lc_time", "C", Kind::Text),
    v("lo_compat_privileges", "off", Kind::Bool),
    v("lock_timeout", "0", Kind::Milliseconds),
    v("log_duration", "off", Kind::Bool),
    v("log_min_duration_statement", "-1", Kind::Text),
    v("log_min_messages", "warning", Kind::Enum(LEVELS)),
    v("log_statement", "none", Kind::Enum(&["none", "ddl", "mod", "all"])),
    v("maintenance_work_mem", "64MB", Kind::Kilobytes),
    v("max_connections", "100", Kind::Fixed),
    v("max_function_args", "100", Kind::Fixed),
    v("max_identifier_length", "63", Kind::Fixed),
    v("max_index_keys", "32", Kind::Fixed),
    v("max_parallel_maintenance_workers", "0", Kind::Int(0, 1024)),
    v("max_parallel_workers_per_gather", "0", Kind::Int(0, 1024)),
    v("max_prepared_transactions", "0", Kind::Fixed),
    v("password_encryption", "scram-sha-256", Kind::Enum(&["scram-sha-256", "md5"])),
    v("plan_cache_mode", "auto", Kind::Enum(&["auto", "force_generic_plan", "force_custom_plan"])),
    v("quote_all_identifiers", "off", Kind::Bool),
    v("random_page_cost", "4", Kind::Real),
    v("role", "none", Kind::Text),
    v("row_security", "on", Kind::Bool),
    v("search_path", "\"$user\", public", Kind::Text),
    v("seq_page_cost", "1", Kind::Real),
    v("server_encoding", "UTF8", Kind::Fixed),
    v("server_version", "13.0", Kind::Fixed),
    v("server_version_num", "130000", Kind::Fixed),
    v("session_authorization", "", Kind::Text),
    v("session_preload_libraries", "", Kind::Text),
    v("session_replication_role", "origin", Kind::Enum(&["origin", "replica", "local"])),
    v("shared_buffers", "128MB", Kind::Fixed),
    v("shared_preload_libraries", "", Kind::Fixed),
    v("ssl", "off", Kind::Fixed),
    v("standard_conforming_strings", "on", Kind::Bool),
    v("statement_timeout", "0", Kind::Milliseconds),
    v("synchronize_seqscans", "on", Kind::Bool),
    v("synchronous_commit", "on", Kind::Enum(&["on", "off", "local", "remote_write", "remote_apply"])),
    v("tcp_keepalives_idle", "0", Kind::Int(0, MAX)),
    v("tcp_user_timeout", "0", Kind::Milliseconds),
    v("temp_buffers", "8MB", Kind::Kilobytes),
    v("temp_tablespaces", "", Kind::Text),
    v("TimeZone", "UTC", Kind::TimeZone),
    v("timezone_abbreviations", "Default", Kind::Text),
    v("track_activities", "on", Kind::Bool),
    v("transaction_deferrable", "off", Kind::Bool),
    v("transaction_isolation", "read committed", Kind::Enum(ISOLATION)),
    v("transaction_read_only", "off", Kind::Bool),
    v("transform_null_equals", "off", Kind::Bool),
    v("wal_level", "replica", Kind::Fixed),
    v("work_mem", "4MB", Kind::Kilobytes),
    v("xmloption", "content", Kind::Enum(&["content", "document"])),
];

/// Those that clients are told of, and told again when they change.
pub const REPORTED: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// The setting of a lower-case name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES
        .binary_search_by(|variable| {
            let lower = variable.name.bytes().map(|byte| byte.to_ascii_lowercase());
            lower.cmp(name.bytes())
        })
        .ok()
        .and_then(|index| VARIABLES.get(index))
}

impl Variable {
    /// It cannot be changed.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.kind == Kind::Fixed
    }

    /// A change of it makes plans stale.
    #[must_use]
    pub fn matters_to_plans(&self) -> bool {
        matches!(
            self.name,
            "search_path"
                | "role"
                | "session_authorization"
                | "standard_conforming_strings"
                | "TimeZone"
                | "DateStyle"
        )
    }

    pub(super) fn refuse(&self) -> PgError {
        PgError::new(
            "55P02",
            format!("parameter \"{}\" cannot be changed", self.name),
        )
    }

    /// The value in its usual form.
    ///
    /// # Errors
    /// 22023: it cannot have this value. 55P02: it cannot be changed.
    pub fn accept(&self, value: &str) -> Result<String> {
        let usual = match self.kind {
            Kind::Fixed => return Err(self.refuse()),
            Kind::Text => Some(value.to_owned()),
            Kind::Bool => parse_bool(value).map(|on| if on { "on" } else { "off" }.to_owned()),
            Kind::Int(least, most) => value
                .trim()
                .parse()
                .ok()
                .filter(|number| (least..=most).contains(number))
                .map(|number: i64| number.to_string()),
            Kind::Real => value
                .trim()
                .parse::<f64>()
                .ok()
                .map(|number| number.to_string()),
            Kind::Milliseconds => milliseconds(value).map(|number| with_unit(number, TIMES)),
            Kind::Kilobytes => with_units(value, SIZES).map(|number| with_unit(number, SIZES)),
            Kind::Enum(words) => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(value.trim()))
                .map(|word| (*word).to_owned()),
            Kind::Encoding => return encoding(value),
            Kind::DateStyle => date_style(value),
            Kind::TimeZone => Some(value.trim().to_owned()).filter(|zone| !zone.is_empty()),
        };
        usual.ok_or_else(|| {
            let mut error = PgError::new(
                "22023",
                format!("invalid value for parameter \"{}\": \"{value}\"", self.name),
            );
            if let Kind::Enum(words) = self.kind {
                error = error.hint(format!("Available values: {}.", words.join(", ")));
            }
            error
        })
    }
}

/// Postgres' words for true and false, and unique beginnings of them.
#[must_use]
pub fn parse_bool(value: &str) -> Option<bool> {
    let value = value.trim().to_ascii_lowercase();
    match value.as_str() {
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        "" => None,
        other if "true".starts_with(other) || "yes".starts_with(other) => Some(true),
        other if "false".starts_with(other) || "no".starts_with(other) => Some(false),
        _ => None,
    }
}

const TIMES: &[(&str, i64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1000),
    ("ms", 1),
];
const SIZES: &[(&str, i64)] = &[("TB", 1 << 30), ("GB", 1 << 20), ("MB", 1 << 10), ("kB", 1)];

/// `5s`, `100ms`, `100`.
#[must_use]
pub fn milliseconds(value: &str) -> Option<i64> {
    with_units(value, TIMES)
}

fn with_units(value: &str, units: &[(&str, i64)]) -> Option<i64> {
    let value = value.trim();
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" => 1,
        unit => units.iter().find(|(name, _)| *name == unit)?.1,
    };
    let number: i64 = number.parse().ok()?;
    number.checked_mul(factor).filter(|number| *number <= MAX)
}

fn with_unit(number: i64, units: &[(&str, i64)]) -> String {
    match units.iter().find(|(_, factor)| number % factor == 0) {
        Some((unit, factor)) if number != 0 => format!("{}{unit}", number / factor),
        _ => number.to_string(),
    }
}

fn encoding(value: &str) -> Result<String> {
    let plain: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    match plain.as_str() {
        "UTF8" | "UNICODE" => Ok("UTF8".to_owned()),
        // What is ASCII is UTF-8.
        "SQLASCII" => Ok("SQL_ASCII".to_owned()),
        _ => Err(PgError::new(
            "22023",
            format!("invalid value for parameter \"client_encoding\": \"{value}\""),
        )
        .hint("This server speaks UTF8 only.")),
    }
}

fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    for word in value.split(',') {
        match word.trim().to_ascii_uppercase().as_str() {
            // Dates are always written in ISO's form.
            "ISO" | "SQL" | "POSTGRES" | "GERMAN" | "DEFAULT" => {}
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
            "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
            "YMD" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(name: &str, value: &str) -> Option<String> {
        find(name).unwrap().accept(value).ok()
    }

    #[test]
    fn all_are_found() {
        for variable in VARIABLES {
            let found = find(&variable.name.to_ascii_lowercase());
            assert_eq!(found.map(|found| found.name), Some(variable.name));
        }
        for name in REPORTED {
            assert!(find(&name.to_ascii_lowercase()).is_some(), "{name}");
        }
    }

    #[test]
    fn values_take_their_usual_form() {
        for (name, value, usual) in [
            ("statement_timeout", "5000", "5s"),
            ("statement_timeout", "1500", "1500ms"),
            ("statement_timeout", "1min", "1min"),
            ("statement_timeout", "0", "0"),
            ("work_mem", "2048", "2MB"),
            ("jit", "TRUE", "on"),
            ("datestyle", "dmy", "ISO, DMY"),
            ("client_encoding", "'utf-8'", "UTF8"),
            ("intervalstyle", "ISO_8601", "iso_8601"),
        ] {
            assert_eq!(accept(name, value).as_deref(), Some(usual), "{name}");
        }
        for (name, value) in [
            ("statement_timeout", "5 years"),
            ("jit", "perhaps"),
            ("client_encoding", "LATIN1"),
            ("extra_float_digits", "9"),
            ("statement_timeout", "99999999999999999999"),
        ] {
            assert_eq!(accept(name, value), None, "{name}");
        }
    }
}
