//! How a session wants values written: `DateStyle`, `TimeZone`, `bytea_output`, `IntervalStyle`.

use std::collections::BTreeMap;

use super::zone::Zone;

/// The order of day, month and year in dates like `01/02/2024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `MDY`
    Mdy,
    /// `DMY`
    Dmy,
    /// `YMD`
    Ymd,
}

/// How intervals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 day 02:00:00`
    Postgres,
    /// `@ 1 day 2 hours`
    Verbose,
    /// `1 2:00:00`
    SqlStandard,
    /// `P1DT2H`
    Iso,
}

/// See the module. Dates are always written in ISO's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The session's time zone, for `timestamptz`.
    pub zone: Zone,
    /// How dates are read.
    pub order: DateOrder,
    /// How intervals are written.
    pub intervals: IntervalStyle,
    /// `bytea_output = 'escape'`.
    pub bytea_escape: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            zone: Zone::UTC,
            order: DateOrder::Mdy,
            intervals: IntervalStyle::Postgres,
            bytea_escape: false,
        }
    }
}

impl Style {
    /// From a session's settings (by lower-case name).
    #[must_use]
    pub fn of(settings: &BTreeMap<String, String>) -> Self {
        let mut style = Self::default();
        let setting = |name: &str| settings.get(name).map(|value| value.to_ascii_lowercase());
        if let Some(zone) = setting("timezone").and_then(|name| Zone::parse_setting(&name)) {
            style.zone = zone;
        }
        if let Some(date_style) = setting("datestyle") {
            for word in date_style.split(',') {
                match word.trim() {
                    "mdy" | "us" | "noneuro" | "noneuropean" => style.order = DateOrder::Mdy,
                    "dmy" | "euro" | "european" => style.order = DateOrder::Dmy,
                    "ymd" => style.order = DateOrder::Ymd,
                    _ => {}
                }
            }
        }
        style.intervals = match setting("intervalstyle").as_deref() {
            Some("postgres_verbose") => IntervalStyle::Verbose,
            Some("sql_standard") => IntervalStyle::SqlStandard,
            Some("iso_8601") => IntervalStyle::Iso,
            _ => IntervalStyle::Postgres,
        };
        style.bytea_escape = setting("bytea_output").as_deref() == Some("escape");
        style
    }
}
