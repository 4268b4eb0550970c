//! Faults on demand: which request fails, and how.
//!
//! Tests replace the rules with `PUT /-/faults` (a JSON array), read them back
//! with the number of requests each has matched, and remove them with `DELETE`.

use std::time::Duration;

use hyper::{Method, Uri};
use regex::Regex;
use serde::{Deserialize, Serialize};

/// What happens to a request that a rule picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// The connection breaks; the request has no effect.
    DropBefore,
    /// The request takes effect; the connection breaks without an answer.
    DropAfter,
    /// No answer and no effect, for `latency_ms` (default: an hour), then a broken connection.
    HangBefore,
    /// The request takes effect; no answer, then a broken connection.
    HangAfter,
    /// Answered with `status`; no effect.
    Status,
    /// The request takes effect and is answered with `status`.
    StatusAfter,
    /// Half of the answer's body arrives, then the connection breaks.
    Truncate,
    /// One bit of the answer's body is wrong.
    Damage,
    /// A listing is answered as the last time the same was asked.
    Stale,
    /// `latency_ms` pass before the request is looked at.
    Slow,
    /// A conditional write is done as if it had no condition.
    Lax,
    /// A conditional write looks first and writes `latency_ms` later, whoever came in between.
    Racy,
}

/// Which requests a rule is about; what is absent matches everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    /// GET, PUT, HEAD, DELETE, POST, or LIST for a listing.
    method: Option<String>,
    /// Found anywhere in the key; for a listing, in its prefix.
    key_regex: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default, rename = "match")]
    matches: Match,
    /// The first matching request it strikes, counted from 1.
    #[serde(default = "one")]
    nth: u64,
    /// How many it strikes from there on; all of them where absent.
    times: Option<u64>,
    action: Action,
    #[serde(default)]
    pub(crate) status: u16,
    latency_ms: Option<u64>,
    /// Requests that matched so far, struck or not.
    #[serde(default)]
    seen: u64,
    /// Requests struck so far.
    #[serde(default)]
    hits: u64,
    #[serde(skip)]
    key: Option<Regex>,
}

fn one() -> u64 {
    1
}

/// A request as rules and the log see it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) method: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Target {
    pub(crate) fn of(method: &Method, uri: &Uri) -> Self {
        let mut parts = uri.path().trim_start_matches('/').splitn(2, '/');
        let bucket = parts.next().unwrap_or_default().to_owned();
        let key = parts.next().unwrap_or_default().to_owned();
        let query = uri.query().unwrap_or_default();
        if *method == Method::GET && key.is_empty() && query.contains("list-type=2") {
            let prefix = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("prefix="));
            let key = prefix.unwrap_or_default().replace("%2F", "/");
            return Self {
                method: "LIST".to_owned(),
                bucket,
                key,
            };
        }
        Self {
            method: method.to_string(),
            bucket,
            key,
        }
    }
}

/// Reads rules as tests send them.
pub(crate) fn parse(json: &[u8]) -> Result<Vec<Rule>, String> {
    let mut rules: Vec<Rule> = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    for rule in &mut rules {
        if let Some(pattern) = &rule.matches.key_regex {
            rule.key = Some(Regex::new(pattern).map_err(|e| e.to_string())?);
        }
    }
    Ok(rules)
}

/// The first rule that strikes this request; every rule that matches counts it.
pub(crate) fn strike(rules: &mut [Rule], target: &Target) -> Option<Rule> {
    let mut struck = None;
    for rule in rules {
        if !rule.is_about(target) {
            continue;
        }
        rule.seen += 1;
        let past_first = rule.seen >= rule.nth;
        let before_last = rule.times.is_none_or(|times| rule.seen < rule.nth + times);
        if past_first && before_last && struck.is_none() {
            rule.hits += 1;
            struck = Some(rule.clone());
        }
    }
    struck
}

impl Rule {
    fn is_about(&self, target: &Target) -> bool {
        self.matches
            .method
            .as_ref()
            .is_none_or(|m| *m == target.method)
            && self
                .key
                .as_ref()
                .is_none_or(|key| key.is_match(&target.key))
    }

    pub(crate) fn is(&self, action: Action) -> bool {
        self.action == action
    }

    pub(crate) fn pause(&self) -> Duration {
        let default_ms = match self.action {
            Action::Slow | Action::Racy => 100,
            _ => 3_600_000,
        };
        Duration::from_millis(self.latency_ms.unwrap_or(default_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Target {
        Target {
            method: "PUT".into(),
            bucket: "b".into(),
            key: key.into(),
        }
    }

    #[test]
    fn strikes_the_nth_match_only() {
        let json = br#"[{"match":{"method":"PUT","key_regex":"ltx$"},"nth":2,"times":1,"action":"drop_after"}]"#;
        let mut rules = parse(json).unwrap();
        let struck: Vec<bool> = ["a.ltx", "a.txt", "b.ltx", "c.ltx"]
            .iter()
            .map(|key| strike(&mut rules, &put(key)).is_some())
            .collect();
        assert_eq!(struck, [false, false, true, false]);
        assert_eq!((rules[0].seen, rules[0].hits), (3, 1));
    }

    #[test]
    fn without_times_strikes_for_ever() {
        let mut rules = parse(br#"[{"action":"status","status":503}]"#).unwrap();
        assert!((0..5).all(|_| strike(&mut rules, &put("k")).is_some()));
    }

    #[test]
    fn a_listing_is_known_by_its_prefix() {
        let uri: Uri = "/b?list-type=2&prefix=p%2Fdb%2F0000%2F".parse().unwrap();
        let target = Target::of(&Method::GET, &uri);
        assert_eq!(
            (target.method.as_str(), target.key.as_str()),
            ("LIST", "p/db/0000/")
        );
    }

    #[test]
    fn refuses_a_misspelt_rule() {
        assert!(parse(br#"[{"acton":"status"}]"#).is_err());
        assert!(parse(br#"[{"action":"slow","match":{"key_regex":"("}}]"#).is_err());
    }
}
