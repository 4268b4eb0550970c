//! SQLite's errors as Postgres' errors: codes by SQLite's extended code, and, where that only says
//! "error", by the sentence.

use rusqlite::Error;
use rusqlite::ffi;

use super::PgError;

/// Another transaction was first; trying again helps. The storage's "surely not sent" is none of these.
#[must_use]
pub fn is_lost_race(error: &Error) -> bool {
    matches!(primary(error), Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED))
}

fn primary(error: &Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code & 0xff)
}

/// An error of SQLite's, as the client is told.
#[must_use]
pub fn of_sqlite(error: &Error) -> PgError {
    match error {
        Error::SqliteFailure(code, message) => {
            let message = message.clone().unwrap_or_else(|| code.to_string());
            by_code(code.extended_code, &message)
        }
        Error::SqlInputError { error, msg, .. } => {
            let mut told = by_code(error.extended_code, msg);
            if told.code == UNKNOWN {
                told.code = "42601";
            }
            told
        }
        Error::UserFunctionError(inner) | Error::FromSqlConversionFailure(_, _, inner) => {
            match inner.downcast_ref::<PgError>() {
                Some(told) => told.clone(),
                None => by_sentence(&inner.to_string()),
            }
        }
        Error::NulError(_) => {
            PgError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
        }
        Error::MultipleStatement => PgError::new(
            "42601",
            "cannot insert multiple commands into a prepared statement",
        ),
        other => by_sentence(&other.to_string()),
    }
}

/// What no rule knows.
const UNKNOWN: &str = "XX000";

fn by_code(extended: i32, message: &str) -> PgError {
    match extended & 0xff {
        ffi::SQLITE_CONSTRAINT => constraint(extended, message),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => PgError::new(
            "40001",
            "could not serialize access due to concurrent update",
        )
        .detail(format!("Another transaction was first ({message})."))
        .hint("Try the transaction again."),
        ffi::SQLITE_INTERRUPT => PgError::new("57014", "canceling statement due to user request"),
        ffi::SQLITE_FULL => {
            PgError::new("53100", "could not extend the database: no space is left")
                .hint("Free space on the server's disk, or raise max_page_count.")
        }
        ffi::SQLITE_IOERR => PgError::new("08006", message),
        ffi::SQLITE_CANTOPEN => PgError::new("58030", message),
        ffi::SQLITE_READONLY => PgError::new("25006", message),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => PgError::new("XX001", message),
        ffi::SQLITE_NOMEM => PgError::new("53200", "out of memory"),
        ffi::SQLITE_TOOBIG => PgError::new("54000", message),
        ffi::SQLITE_AUTH | ffi::SQLITE_PERM => PgError::new("42501", message),
        ffi::SQLITE_MISMATCH => PgError::new("42804", message),
        ffi::SQLITE_RANGE => PgError::new("08P01", message),
        ffi::SQLITE_ABORT if extended == ffi::SQLITE_ABORT_ROLLBACK => {
            PgError::new("34000", "the query was ended by ROLLBACK")
        }
        _ => by_sentence(message),
    }
}

fn constraint(extended: i32, message: &str) -> PgError {
    let subject = message.split_once(": ").map_or("", |(_, subject)| subject);
    match extended {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => unique(extended, subject),
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let (table, column) = split(subject);
            let mut error = PgError::new(
                "23502",
                format!(
                    "null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"
                ),
            );
            error.table = Some(table.to_owned());
            error.column = Some(column.to_owned());
            error
        }
        ffi::SQLITE_CONSTRAINT_CHECK => {
            let mut error = PgError::new(
                "23514",
                format!("new row violates check constraint \"{subject}\""),
            );
            error.constraint = Some(subject.to_owned());
            error
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => PgError::new(
            "23503",
            "insert, update or delete violates foreign key constraint",
        ),
        ffi::SQLITE_CONSTRAINT_TRIGGER => {
            coded(message).unwrap_or_else(|| PgError::new("P0001", message))
        }
        ffi::SQLITE_CONSTRAINT_DATATYPE => PgError::new("22P02", message),
        _ => coded(message).unwrap_or_else(|| PgError::new("23000", message)),
    }
}

/// `t.a, t.b`, or `index 'name'` for an index on expressions. Named as Postgres names a constraint
/// without a name; the session puts in the index's own name where it has one.
fn unique(extended: i32, subject: &str) -> PgError {
    let index = subject
        .strip_prefix("index '")
        .and_then(|rest| rest.strip_suffix('\''));
    let columns: Vec<&str> = subject.split(", ").map(|part| split(part).1).collect();
    let table = split(subject.split(", ").next().unwrap_or(subject)).0;
    let (name, table) = match index {
        Some(index) => (index.to_owned(), None),
        None if extended == ffi::SQLITE_CONSTRAINT_UNIQUE => {
            (format!("{table}_{}_key", columns.join("_")), Some(table))
        }
        None => (format!("{table}_pkey"), Some(table)),
    };
    let mut error = PgError::new(
        "23505",
        format!("duplicate key value violates unique constraint \"{name}\""),
    );
    if table.is_some() {
        error.detail = Some(format!("Key ({}) already exists.", columns.join(", ")));
    }
    error.table = table.map(str::to_owned);
    error.constraint = Some(name);
    error
}

/// `table.column`; the table's name may have a dot of its own.
fn split(subject: &str) -> (&str, &str) {
    subject.rsplit_once('.').unwrap_or(("", subject))
}

/// A function's error carries its code at the end: `division by zero (22012)`.
fn coded(message: &str) -> Option<PgError> {
    let (text, code) = message.strip_suffix(')')?.rsplit_once(" (")?;
    let known = CODES.iter().find(|known| **known == code)?;
    Some(PgError::new(known, text))
}

/// Codes that functions raise: a message that ends with one of these in brackets has that code.
#[rustfmt::skip]
const CODES: &[&str] = &[
    "01000", "0A000", "08006", "08007", "08P01", "21000", "22000", "22001", "22003", "22004", "22005", "22007", "22008", "22009",
    "2200F", "2200G", "2200M", "22010", "22011", "22012", "22013", "22014", "22015", "22016", "22018", "22019", "2201B", "2201E",
    "2201F", "2201G", "2201W", "2201X", "22021", "22023", "22024", "22025", "22026", "22027", "22030", "22031", "22032", "22033",
    "22034", "22035", "2202E", "22P01", "22P02", "22P03", "22P04", "22P05", "23000", "23502", "23503", "23505", "23514",
    "23P01", "25001", "25006", "25P01", "25P02", "28000", "2BP01", "34000", "38000", "39000", "3B001", "3D000", "3F000", "40001",
    "40P01", "42501", "42601", "42602", "42622", "42701", "42702", "42703", "42704", "42710", "42723", "42725", "42803", "42804",
    "42809", "42830", "42846", "42883", "42939", "42P01", "42P02", "42P03", "42P04", "42P05", "42P06", "42P07", "42P10", "42P16",
    "42P17", "42P18", "42P20", "42P21", "42P22", "53000", "53100", "53200", "53300", "53400", "54000", "54001", "54011", "54023",
    "55000", "55006", "55P03", "57014", "58000", "58030", "P0001", "P0002", "XX000", "XX001",
];

/// A sentence of SQLite's, which names one thing after its beginning.
fn by_sentence(message: &str) -> PgError {
    if let Some(error) = coded(message) {
        return error;
    }
    for (beginning, code, before, after) in NAMED {
        if let Some(name) = message.strip_prefix(beginning) {
            let name = name.strip_prefix("main.").unwrap_or(name);
            return PgError::new(code, format!("{before}{name}{after}"));
        }
    }
    if let Some(name) = message.strip_suffix(" already exists") {
        let name = name.split_once(' ').map_or(name, |(_, name)| name);
        return PgError::new(
            "42P07",
            format!("relation \"{}\" already exists", name.trim_matches('"')),
        );
    }
    if let Some((table, column)) = message
        .strip_prefix("table ")
        .and_then(|rest| rest.split_once(" has no column named "))
    {
        let text = format!("column \"{column}\" of relation \"{table}\" does not exist");
        return PgError::new("42703", text);
    }
    if let Some(token) = message
        .strip_prefix("near \"")
        .and_then(|rest| rest.strip_suffix("\": syntax error"))
    {
        return PgError::new("42601", format!("syntax error at or near \"{token}\""));
    }
    let code = SAID
        .iter()
        .find(|(part, _)| message.contains(part))
        .map_or(UNKNOWN, |(_, code)| code);
    PgError::new(code, message)
}

/// A beginning, its code, and what Postgres says before and after the name.
const NAMED: &[(&str, &str, &str, &str)] = &[
    (
        "no such table: ",
        "42P01",
        "relation \"",
        "\" does not exist",
    ),
    ("no such view: ", "42P01", "view \"", "\" does not exist"),
    (
        "no such column: ",
        "42703",
        "column \"",
        "\" does not exist",
    ),
    (
        "no such function: ",
        "42883",
        "function ",
        " does not exist",
    ),
    ("no such index: ", "42704", "index \"", "\" does not exist"),
    (
        "no such trigger: ",
        "42704",
        "trigger \"",
        "\" does not exist",
    ),
    (
        "no such collation sequence: ",
        "42704",
        "collation \"",
        "\" does not exist",
    ),
    (
        "no such savepoint: ",
        "3B001",
        "savepoint \"",
        "\" does not exist",
    ),
    (
        "no such module: ",
        "42704",
        "module \"",
        "\" does not exist",
    ),
    (
        "ambiguous column name: ",
        "42702",
        "column reference \"",
        "\" is ambiguous",
    ),
    (
        "duplicate column name: ",
        "42701",
        "column \"",
        "\" specified more than once",
    ),
    (
        "wrong number of arguments to function ",
        "42883",
        "function ",
        " does not exist with this number of arguments",
    ),
];

/// Parts of sentences that say what it is.
const SAID: &[(&str, &str)] = &[
    ("incomplete input", "42601"),
    ("syntax error", "42601"),
    ("unrecognized token", "42601"),
    ("values for", "42601"),
    ("same number of result columns", "42601"),
    ("sub-select returns", "42601"),
    ("misuse of aggregate", "42803"),
    ("misuse of window", "42P20"),
    ("within a transaction", "25001"),
    ("from within a transaction", "25001"),
    ("because it is a view", "55000"),
    ("integer overflow", "22003"),
    ("too big", "54000"),
    ("too large", "54001"),
    ("too many", "54000"),
    ("stack overflow", "54001"),
    ("maximum depth", "54001"),
    ("Recursion limit", "54001"),
    ("pattern too complex", "54000"),
    ("not authorized", "42501"),
    ("unsafe use", "42501"),
    ("may not be", "42501"),
    ("malformed JSON", "22P02"),
    ("foreign key mismatch", "42830"),
];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn told(sql: &str) -> PgError {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON;
                 CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT NOT NULL DEFAULT 0, CONSTRAINT positive CHECK (b >= 0));
                 CREATE TABLE u(t INT REFERENCES t(id));
                 CREATE TABLE v(a TEXT);
                 CREATE UNIQUE INDEX lower_a ON v(lower(a));
                 INSERT INTO v VALUES ('x');
                 INSERT INTO t VALUES (1, 'x', 1);",
            )
            .unwrap();
        of_sqlite(&connection.execute_batch(sql).expect_err(sql))
    }

    #[test]
    fn each_has_its_code() {
        for (sql, code, message) in [
            (
                "INSERT INTO t VALUES (1, 'y', 1)",
                "23505",
                "duplicate key value violates unique constraint \"t_pkey\"",
            ),
            (
                "INSERT INTO t VALUES (2, 'x', 1)",
                "23505",
                "duplicate key value violates unique constraint \"t_a_key\"",
            ),
            (
                "INSERT INTO v VALUES ('X')",
                "23505",
                "duplicate key value violates unique constraint \"lower_a\"",
            ),
            (
                "INSERT INTO t VALUES (2, 'y', NULL)",
                "23502",
                "null value in column \"b\" of relation \"t\" violates not-null constraint",
            ),
            (
                "INSERT INTO t VALUES (2, 'y', -1)",
                "23514",
                "new row violates check constraint \"positive\"",
            ),
            (
                "INSERT INTO u VALUES (9)",
                "23503",
                "insert, update or delete violates foreign key constraint",
            ),
            (
                "SELECT * FROM nowhere",
                "42P01",
                "relation \"nowhere\" does not exist",
            ),
            (
                "SELECT missing FROM t",
                "42703",
                "column \"missing\" does not exist",
            ),
            (
                "SELECT missing(1)",
                "42883",
                "function missing does not exist",
            ),
            ("SELEC 1", "42601", "syntax error at or near \"SELEC\""),
            ("SELECT (1", "42601", "incomplete input"),
            (
                "CREATE TABLE t(x)",
                "42P07",
                "relation \"t\" already exists",
            ),
            (
                "INSERT INTO t(nope) VALUES (1)",
                "42703",
                "column \"nope\" of relation \"t\" does not exist",
            ),
            (
                "INSERT INTO t(id, a) VALUES (1)",
                "42601",
                "1 values for 2 columns",
            ),
            (
                "SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)",
                "22003",
                "integer overflow",
            ),
            ("RELEASE nope", "3B001", "savepoint \"nope\" does not exist"),
        ] {
            let error = told(sql);
            assert_eq!(
                (error.code, error.message.as_str()),
                (code, message),
                "{sql}"
            );
        }
    }

    #[test]
    fn limits_have_codes() {
        for (sql, code) in [
            (
                format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
                "54001",
            ),
            (format!("SELECT 1{}", "+1".repeat(5000)), "54001"),
            (
                format!("SELECT {}1{}", "abs(".repeat(5000), ")".repeat(5000)),
                "54001",
            ),
            (
                format!("SELECT 'a' LIKE '{}'", "%a".repeat(50_000)),
                "54000",
            ),
        ] {
            let error = told(&sql);
            assert_eq!(error.code, code, "{error}");
        }
    }

    #[test]
    fn functions_say_their_codes() {
        let error = by_sentence("division by zero (22012)");
        assert_eq!(
            (error.code, error.message.as_str()),
            ("22012", "division by zero")
        );
        let error = by_sentence("a sentence (with brackets)");
        assert_eq!(error.message, "a sentence (with brackets)");
    }
}
