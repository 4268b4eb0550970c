//! SQL as Postgres prints it: quoted names, generated names, defaults.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::ddl::{self, Call};
use super::relations;
use crate::types::{self, Type};

/// Bytes of a name at most.
const NAME_BYTES: usize = 63;

/// PostgreSQL's key words: word, category, whether it may be a column's name without `AS`.
const KEYWORDS: &str = include_str!("data/keywords.tsv");

/// The key words with their category (`U` unreserved, `C`, `T`, `R`) and whether each may be a label.
pub(super) fn keywords() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    KEYWORDS.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        Some((fields.next()?, fields.next()?, fields.next()? == "t"))
    })
}

/// A name as it stands in SQL: in quotes where it needs them. `quote_ident`.
pub(super) fn quote_ident(name: &str) -> String {
    static RESERVED: OnceLock<HashMap<&str, &str>> = OnceLock::new();
    let reserved = RESERVED.get_or_init(|| {
        keywords()
            .filter(|&(_, category, _)| category != "U")
            .map(|(word, category, _)| (word, category))
            .collect()
    });
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !reserved.contains_key(name);
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A string as it stands in SQL.
pub(super) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A name of a `serial`'s sequence, an index or a constraint that has none: `table_column_label`, cut
/// to what fits, with a number where it is taken.
/// <https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/commands/indexcmds.c> (`makeObjectName`)
pub(super) fn object_name(
    first: &str,
    second: &str,
    label: &str,
    taken: impl Fn(&str) -> bool,
) -> String {
    let mut pass = 0_u32;
    loop {
        let label = if pass == 0 {
            label.to_owned()
        } else {
            format!("{label}{pass}")
        };
        let parts = [!second.is_empty(), !label.is_empty()];
        let room = NAME_BYTES - label.len() - parts.iter().filter(|&&part| part).count();
        let (mut one, mut two) = (first.len(), second.len());
        while one + two > room {
            if one > two { one -= 1 } else { two -= 1 }
        }
        let mut name = cut(first, one).to_owned();
        for part in [cut(second, two), &label] {
            if !part.is_empty() {
                name.push('_');
                name.push_str(part);
            }
        }
        if !taken(&name) {
            return name;
        }
        pass += 1;
    }
}

fn cut(name: &str, bytes: usize) -> &str {
    &name[..name.floor_char_boundary(bytes)]
}

/// Functions by which values are made fit for a column; Postgres does so without a word.
const FITTING: [&str; 3] = ["pg_shape", "pg_int2", "pg_int4"];

/// An expression as Postgres would print it, from SQLite's text: `pg_lower("a")` is `lower(a)`.
pub(super) fn expression(sql: &str) -> String {
    ddl::expression(without_parentheses(sql.trim()), &quote_ident, &|name| {
        if FITTING.contains(&name) {
            return Call::Argument;
        }
        let functions = relations::get("pg_proc").builtin_rows();
        let known = |name: &str| {
            functions
                .first("proname", &name.to_owned().into())
                .is_some()
        };
        match name.strip_prefix("pg_") {
            Some(bare) if !known(name) && known(bare) => Call::Named(bare.to_owned()),
            _ => Call::Kept,
        }
    })
}

/// A column's default as `pg_get_expr` prints it, from SQLite's text of it.
pub(super) fn default(sql: &str, ty: Type) -> String {
    let sql = without_parentheses(sql.trim());
    if let Some(sequence) = sql
        .strip_prefix("pg_nextval(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        return format!("nextval({sequence}::regclass)");
    }
    if sql == "pg_current_date()" {
        return "CURRENT_DATE".to_owned();
    }
    if ty.oid == 1700 && is_one_string(sql) && sql.len() > 2 {
        // Digits are a number's own text.
        let digits = &sql[1..sql.len() - 1];
        if digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return digits.to_owned();
        }
    }
    if sql.starts_with('\'') && is_one_string(sql) {
        return format!(
            "{sql}::{}",
            types::names::format(ty.bare()).unwrap_or_else(|| "text".to_owned())
        );
    }
    match (ty.oid, sql) {
        (16, "1") => "true".to_owned(),
        (16, "0") => "false".to_owned(),
        _ if sql
            .strip_prefix('-')
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            format!("'{sql}'::integer")
        }
        _ if sql.eq_ignore_ascii_case("true") || sql.eq_ignore_ascii_case("false") => {
            sql.to_ascii_lowercase()
        }
        _ => expression(sql),
    }
}

fn is_one_string(sql: &str) -> bool {
    let inner = sql
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    inner.is_some_and(|inner| !inner.replace("''", "").contains('\''))
}

/// Without the parentheses around all of it.
fn without_parentheses(sql: &str) -> &str {
    let Some(inner) = sql
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    else {
        return sql;
    };
    let mut depth = 0_i32;
    let mut quoted = false;
    for byte in inner.bytes() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return sql;
        }
    }
    without_parentheses(inner.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must() {
        for (name, quoted) in [
            ("a_1", "a_1"),
            ("A", "\"A\""),
            ("order", "\"order\""),
            ("name", "name"),
            ("a\"b", "\"a\"\"b\""),
            ("1a", "\"1a\""),
        ] {
            assert_eq!(quote_ident(name), quoted);
        }
    }

    #[test]
    fn generated_names() {
        assert_eq!(object_name("t", "a", "key", |_| false), "t_a_key");
        assert_eq!(
            object_name("t", "a", "key", |name| name == "t_a_key"),
            "t_a_key1"
        );
        assert_eq!(object_name("t", "", "pkey", |_| false), "t_pkey");
        let long = "x".repeat(60);
        let name = object_name(&long, &long, "fkey", |_| false);
        assert_eq!(name.len(), 63);
        assert!(name.ends_with("x_fkey"));
    }

    #[test]
    fn expressions_are_postgres_s_again() {
        for (sql, text) in [
            (
                "pg_lower(\"title\") || ' pg_lower('",
                "lower(title) || ' pg_lower('",
            ),
            ("(\"Odd\" > pg_table_size(1))", "\"Odd\" > pg_table_size(1)"),
            ("pg_own_thing(\"a\")", "pg_own_thing(a)"),
            ("(\"a\" NOTNULL)", "a IS NOT NULL"),
            (
                "pg_shape(pg_lower(\"a\"), 25, -1, 0) > 'x'",
                "lower(a) > 'x'",
            ),
        ] {
            assert_eq!(expression(sql), text);
        }
        assert_eq!(
            default("(pg_nextval('a_seq'))", Type::INT4),
            "nextval('a_seq'::regclass)"
        );
        assert_eq!(default("pg_now()", Type::TIMESTAMPTZ), "now()");
    }

    #[test]
    fn defaults() {
        for (sql, ty, text) in [
            ("'x'", Type::TEXT, "'x'::text"),
            ("('it''s')", Type::of(1043), "'it''s'::character varying"),
            ("0", Type::BOOL, "false"),
            ("-1", Type::INT8, "'-1'::integer"),
            ("(now())", Type::TIMESTAMPTZ, "now()"),
            ("(a) + (b)", Type::INT8, "(a) + (b)"),
        ] {
            assert_eq!(default(sql, ty), text);
        }
    }
}
