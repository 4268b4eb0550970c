//! What a guest's SQL can reach. Every statement is tried for real: a function and a virtual table
//! that must not be reached count how often they were, and SQLite's authorizer, which belongs to
//! the host and so to this test, says what SQLite itself saw in the text.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rusqlite::Connection as Host;
use serde_json::json;
use sqlbridge_wasm_udf::sqlproxy::Grant;
use sqlbridge_wasm_udf::sqlproxy::gate::tokenize;
use sqlite_abi::FunctionFlags;

use crate::host::{REACHED, call, forbidden, open, open_with};
use crate::invariants::{nothing_is_reached, prepared};

/// The error of a text that is refused, or none.
fn refusal(host: &Host, grant: Grant, sql: &str) -> Option<(String, String)> {
    let answer = Arc::new(Mutex::new(None));
    let (sent, sql) = (Arc::clone(&answer), sql.to_owned());
    call(host, "SELECT guest()", grant, move |guest| {
        *sent.lock().unwrap() = Some(guest.send(&json!({"command": "query", "sql": sql})));
    });
    let answer = answer.lock().unwrap().take().unwrap();
    let text = |name: &str| Some(answer["error"][name].as_str()?.to_owned());
    Some((text("code")?, text("message")?))
}

#[test]
fn useful_statements_pass() {
    let mut host = open();
    prepared(&mut host);
    for sql in [
        "SELECT * FROM t, v WHERE t.id = v.id AND t.x LIKE 'a%' AND v.x GLOB '*' ORDER BY upper(t.x), t.x COLLATE NOCASE",
        "SELECT y ->> 'k', json_extract(y, '$.k'), y -> 'k' FROM t WHERE json_valid(y)",
        "SELECT value FROM json_each('[1,2]'), pragma_table_info('t')",
        "SELECT highlight(ft, 0, '<', '>'), bm25(ft) FROM ft WHERE ft MATCH 'words' ORDER BY rank",
        "SELECT count(*) FILTER (WHERE id > 1) OVER (PARTITION BY x ROWS UNBOUNDED PRECEDING) FROM t",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n",
        "VALUES (1, CURRENT_TIMESTAMP, strftime('%Y', 'now'), printf('%d', 1), iif(1, 2, 3), replace('a', 'b', 'c'))",
        "EXPLAIN QUERY PLAN SELECT tame(x) FROM t INDEXED BY sqlite_autoindex_t_1",
        ";; SELECT 1 ; -- the end",
        "SELECT 1;;",
        "SELECT 'reach', 'danger(1)', \"x\" FROM t WHERE x = 'reach'",
        "INSERT INTO t(x) SELECT x FROM t RETURNING id",
        "INSERT INTO t(id, x) VALUES (1, 'z') ON CONFLICT(id) DO UPDATE SET x = excluded.x || 'q'",
        "UPDATE t SET y = v.x FROM v WHERE v.id = t.id",
        "UPDATE OR IGNORE t SET id = 1",
        "DELETE FROM t WHERE id = 3 RETURNING *",
        "REPLACE INTO t(id) VALUES (9)",
        "CREATE TABLE IF NOT EXISTS u(a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT DEFAULT (lower('X')) CHECK (length(b) < 9), c AS (a + 1), UNIQUE (b), FOREIGN KEY (b) REFERENCES t(id))",
        "CREATE TEMP TABLE w(a)",
        "CREATE INDEX ui ON u(b, upper(b)) WHERE a > 1",
        "CREATE VIEW uv(a) AS SELECT b FROM u",
        "CREATE TRIGGER ut AFTER INSERT ON u BEGIN UPDATE t SET x = CASE WHEN 1 THEN new.b END; SELECT RAISE(IGNORE); END",
        "ALTER TABLE u ADD COLUMN d",
        "DROP TRIGGER ut",
        "ANALYZE t",
        "REINDEX t",
        "INSERT INTO ft VALUES ('more')",
        "SELECT * FROM \"odd \"\" name\"",
        "SELECT name FROM sqlite_schema",
        "SELECT name FROM sqlbridge_procedures",
    ] {
        if let Some((code, message)) = refusal(&host, Grant::Write, sql) {
            // A plan that names an index which is not there is SQLite's own refusal.
            assert!(message.contains("no such index"), "{sql}: {code} {message}");
        }
    }
    assert_eq!(REACHED.get(), 0);
}

/// A table may have the name of a function, as tables have that of stored programs: with its columns
/// in parentheses it is no call.
#[test]
fn tables_may_have_names_of_functions() {
    let mut host = open();
    prepared(&mut host);
    for sql in [
        "CREATE TABLE danger(id INTEGER PRIMARY KEY, x)",
        "CREATE TABLE IF NOT EXISTS main.\"danger\"(id)",
        "INSERT INTO danger(id) VALUES (1)",
        "INSERT OR IGNORE INTO main.danger (id) VALUES (1)",
        "REPLACE INTO [danger](id) VALUES (2)",
        "CREATE UNIQUE INDEX IF NOT EXISTS main.by_id ON danger(id)",
        "CREATE TABLE child(d REFERENCES danger(id), FOREIGN KEY (d) REFERENCES \"danger\"(id))",
        "WITH danger(a, \"b\") AS (SELECT 1, 2) SELECT a, b FROM danger",
        "WITH RECURSIVE other(a) AS (SELECT 1), danger(a) AS NOT MATERIALIZED (SELECT a FROM other) SELECT a FROM danger",
        "EXPLAIN CREATE VIEW temp.danger(a) AS SELECT 1",
        "CREATE TEMP VIEW IF NOT EXISTS danger(a) AS SELECT 1",
    ] {
        let refused = refusal(&host, Grant::Write, sql);
        assert_eq!(refused, None, "{sql}");
    }
    for sql in [
        "SELECT danger(1) AS x",
        "SELECT CAST(danger(1) AS TEXT)",
        "SELECT 1, danger(x) FROM t",
        "SELECT x FROM t ORDER BY x, danger(x)",
        "INSERT INTO t(x) SELECT danger(1)",
        "INSERT INTO t(x) VALUES (1), (danger(x))",
        "CREATE UNIQUE INDEX z ON t(danger(x))",
        "CREATE INDEX z ON t(x, danger(x))",
        "CREATE INDEX z ON t(x) WHERE danger(x)",
        "CREATE TABLE z(a REFERENCES t(id) CHECK (danger(a)))",
        "CREATE TABLE z(a AS (danger(1)))",
        "CREATE VIEW z(a) AS SELECT danger(1)",
        "CREATE TRIGGER z AFTER INSERT ON t WHEN danger(1) BEGIN SELECT 1; END",
        "WITH n(a) AS (SELECT danger(1)) SELECT a FROM n",
        "WITH n(a) AS (SELECT 1) SELECT a, danger(a) FROM n",
        "SELECT count(*) OVER w, danger(1) FROM t WINDOW w AS (ORDER BY x)",
    ] {
        let (code, _) = refusal(&host, Grant::Write, sql).expect(sql);
        assert_eq!(code, "SQLITE_AUTH", "{sql}");
    }
    assert_eq!(REACHED.get(), 0);
}

#[test]
fn foreign_keys_may_be_deferred() {
    let host = open();
    for sql in [
        "PRAGMA defer_foreign_keys = ON",
        "PRAGMA main.defer_foreign_keys(1)",
        "PRAGMA defer_foreign_keys",
    ] {
        assert_eq!(refusal(&host, Grant::Write, sql), None, "{sql}");
    }
    let (_, message) = refusal(&host, Grant::Read, "PRAGMA defer_foreign_keys = ON").unwrap();
    assert!(message.contains("needs \"sql\": \"write\""), "{message}");
    let (_, message) = refusal(&host, Grant::Write, "PRAGMA foreign_keys = OFF").unwrap();
    assert!(
        message.contains("setting PRAGMA foreign_keys is not for guests"),
        "{message}"
    );
}

#[test]
fn harmful_statements_are_refused() {
    let mut host = open();
    prepared(&mut host);
    // The careless host: nothing else keeps a guest from the schema.
    host.execute_batch("PRAGMA writable_schema = ON").unwrap();
    for sql in [
        // Verbs.
        "ATTACH 'f' AS a",
        "DETACH main",
        "PRAGMA user_version = 1",
        "EXPLAIN PRAGMA user_version = 1",
        "VACUUM",
        "VACUUM INTO 'f'",
        "CREATE VIRTUAL TABLE z USING fts5(a)",
        "CREATE /* */ VIRTUAL TABLE z USING reach",
        "EXPLAIN CREATE VIRTUAL TABLE z USING fts5(a)",
        "/* SELECT */ PRAGMA writable_schema = 1",
        "EXPLAIN QUERY PLAN ATTACH 'f' AS a",
        "EXPLAIN BEGIN",
        // Functions.
        "SELECT danger(1)",
        "SELECT DANGER/**/(1)",
        "SELECT danger--\n(1)",
        "SELECT \"danger\"(1)",
        "SELECT [Danger] (1)",
        "SELECT `danger`(1)",
        "SELECT direct()",
        "SELECT load_extension('x')",
        "SELECT \"load_extension\"('x', 'y')",
        "SELECT readfile('/etc/passwd')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT guest()",
        "SELECT 1 ORDER BY danger()",
        "SELECT 1 LIMIT danger()",
        "SELECT danger() OVER () FROM t",
        "SELECT count(*) FILTER (WHERE danger()) FROM t",
        "SELECT * FROM t JOIN v ON danger(1)",
        "SELECT (WITH a AS (SELECT danger()) SELECT * FROM a)",
        "VALUES (danger())",
        "EXPLAIN SELECT danger()",
        "INSERT INTO t(x) VALUES (danger())",
        "INSERT INTO t(x) VALUES (1) RETURNING danger()",
        "INSERT INTO t(id) VALUES (1) ON CONFLICT DO UPDATE SET x = danger()",
        "UPDATE t SET x = danger()",
        "UPDATE t SET x = 1 FROM (SELECT danger())",
        "DELETE FROM t WHERE danger()",
        "CREATE VIEW z AS SELECT danger()",
        "CREATE TRIGGER z AFTER INSERT ON t BEGIN SELECT danger(); END",
        "CREATE TABLE z(a DEFAULT (danger()))",
        "CREATE TABLE z(a CHECK (danger()))",
        "CREATE TABLE z AS SELECT danger()",
        "CREATE INDEX z ON t(danger(x))",
        "ALTER TABLE t ADD COLUMN z AS (danger())",
        "SELECT 1; SELECT danger()",
        // Virtual tables.
        "SELECT * FROM reach",
        "SELECT * FROM reach('f')",
        "SELECT * FROM 'reach'",
        "SELECT * FROM 'reach'('f')",
        "SELECT * FROM (t, 'reach')",
        "SELECT * FROM main.reach",
        "SELECT * FROM main.'reach'",
        "SELECT * FROM t, \"REACH\" AS r WHERE r.path = 'f'",
        "SELECT * FROM t NATURAL JOIN [reach]",
        "SELECT 1 WHERE 'secret' IN reach",
        "SELECT 1 WHERE 'secret' IN 'reach'",
        "SELECT 1 WHERE 'secret' IN reach('f')",
        "INSERT INTO reach VALUES (1)",
        "UPDATE OR IGNORE 'reach' SET content = 1",
        "UPDATE OR REPLACE 'reach' SET content = 1",
        "DELETE FROM 'reach'",
        "CREATE VIEW z AS SELECT * FROM reach",
        "CREATE TRIGGER z AFTER INSERT ON t BEGIN INSERT INTO t(x) SELECT content FROM reach; END",
        "CREATE TABLE reach(a)",
        "ALTER TABLE t RENAME TO reach",
        "SELECT * FROM squeezed",
        "SELECT * FROM main.'squeezed'",
        "SELECT * FROM pragma_optimize",
        "SELECT * FROM Pragma_Journal_Mode",
        "SELECT * FROM dbstat",
        // The schema and the procedures.
        "INSERT INTO sqlite_schema VALUES (1, 2, 3, 4, 5)",
        "UPDATE main.sqlite_master SET sql = ''",
        "DELETE FROM \"sqlite_temp_schema\"",
        "WITH a AS (SELECT 1) DELETE FROM 'sqlite_master'",
        "INSERT INTO sqlbridge_procedures VALUES ('q', x'')",
        "INSERT INTO main.'sqlbridge_procedures' VALUES ('q', x'')",
        "WITH a AS (SELECT 1) UPDATE SQLBRIDGE_PROCEDURES SET module = 1",
        "UPDATE OR IGNORE [sqlbridge_procedures] SET module = 1",
        "DELETE FROM sqlbridge_procedures",
        "DROP TABLE sqlbridge_procedures",
        "ALTER TABLE sqlbridge_procedures RENAME TO q",
        "ALTER TABLE t RENAME TO sqlbridge_procedures",
        "CREATE TRIGGER z AFTER INSERT ON sqlbridge_procedures BEGIN SELECT 1; END",
        "CREATE TRIGGER z AFTER INSERT ON t BEGIN DELETE FROM sqlbridge_procedures; END",
        "CREATE TEMP TABLE sqlbridge_procedures(a)",
        // The caller's transaction.
        "INSERT OR ROLLBACK INTO t(id) VALUES (1)",
        "CREATE TABLE z(a UNIQUE ON CONFLICT ROLLBACK)",
        "CREATE TRIGGER z AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'x'); END",
    ] {
        let refused = refusal(&host, Grant::Write, sql);
        let (code, message) = refused.unwrap_or_else(|| panic!("{sql} passes"));
        let several = sql.contains("1; SELECT");
        assert!(code == "SQLITE_AUTH" || several, "{sql}: {code} {message}");
    }
    assert_eq!(REACHED.get(), 0);
    let procedures: i64 = host
        .query_row("SELECT count(*) FROM sqlbridge_procedures", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(procedures, 1);
}

#[test]
fn several_statements_are_refused_before_the_first_runs() {
    let mut host = open();
    prepared(&mut host);
    for sql in [
        "DELETE FROM t; DELETE FROM v",
        "DELETE FROM t; x",
        "COMMIT; SELECT 1",
    ] {
        let (code, message) = refusal(&host, Grant::Write, sql).unwrap();
        assert_eq!(code, "SQLITE_MISUSE", "{sql}: {message}");
    }
    let rows: i64 = host
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 3);
}

#[test]
fn a_function_that_is_replaced_is_no_longer_trusted() {
    let mut host = open_with(|connection| {
        forbidden(connection, "like", 2, FunctionFlags::NONE);
        forbidden(connection, "glob", 2, FunctionFlags::NONE);
        forbidden(connection, "regexp", 2, FunctionFlags::NONE);
        forbidden(connection, "current_time", 0, FunctionFlags::NONE);
        forbidden(connection, "->>", 2, FunctionFlags::NONE);
        forbidden(connection, "upper", 1, FunctionFlags::NONE);
        forbidden(connection, "abs", 3, FunctionFlags::NONE);
    });
    prepared(&mut host);
    for sql in [
        "SELECT 'a' LIKE 'b'",
        "SELECT 'a' NOT LIKE 'b' ESCAPE 'c'",
        "SELECT 'a' GLOB 'b'",
        "SELECT 'a' REGEXP 'b'",
        "SELECT CURRENT_TIME",
        "SELECT '{}' ->> 'a'",
        "SELECT upper('a')",
        "SELECT abs(1)",
    ] {
        let (code, message) = refusal(&host, Grant::Read, sql).unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(code, "SQLITE_AUTH", "{sql}: {message}");
    }
    assert_eq!(
        refusal(&host, Grant::Read, "SELECT '{}' -> 'a', lower('B')"),
        None
    );
    assert_eq!(REACHED.get(), 0);
}

#[test]
fn a_hostile_database_cannot_lie_to_the_gate() {
    let mut host = open();
    host.execute_batch(
        "CREATE TABLE pragma_function_list(name, builtin, flags);
         INSERT INTO pragma_function_list VALUES ('danger', 1, 0x200000);
         CREATE TABLE pragma_module_list(name);
         CREATE TABLE pragma_database_list(name);",
    )
    .unwrap();
    prepared(&mut host);
    for sql in [
        "SELECT danger()",
        "SELECT * FROM reach",
        "SELECT * FROM squeezed",
    ] {
        assert_eq!(
            refusal(&host, Grant::Read, sql).unwrap().0,
            "SQLITE_AUTH",
            "{sql}"
        );
    }
}

/// SQLite goes by the text of an entry of the schema, whatever its other columns say.
#[test]
fn virtual_tables_are_found_in_every_schema() {
    let mut host = open();
    prepared(&mut host);
    host.execute_batch(
        "ATTACH ':memory:' AS \"o\"\"ther\";
         CREATE VIRTUAL TABLE \"o\"\"ther\".there USING fts4(a, compress=danger, uncompress=danger);
         CREATE VIRTUAL TABLE temp.fleeting USING fts4(a, compress=danger, uncompress=danger);
         CREATE VIRTUAL TABLE IF NOT EXISTS [the table] USING \"FTS4\"(a, uncompress=danger, compress=danger);
         CREATE VIRTUAL TABLE plain USING fts4(a);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql)
         VALUES ('index', 'x', 'y', 7, 'Create/**/Virtual -- really\n Table \"Hidden\" Using zipfile(''f'')');",
    )
    .unwrap();
    for table in [
        "there",
        "fleeting",
        "\"the table\"",
        "temp.'FLEETING'",
        "hidden",
    ] {
        let (code, message) =
            refusal(&host, Grant::Read, &format!("SELECT * FROM {table}")).unwrap();
        assert!(
            code == "SQLITE_AUTH" && message.contains("virtual table of the kind"),
            "{table}: {message}"
        );
    }
    assert_eq!(refusal(&host, Grant::Read, "SELECT * FROM plain"), None);
}

/// Pieces of statements; names that must not be reached are among them in every form.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "SELECT",
        "SELECT",
        "FROM",
        "FROM",
        "WHERE",
        "t",
        "v",
        "ft",
        "x",
        "y",
        "id",
        "*",
        ",",
        ",",
        "(",
        "(",
        ")",
        ")",
        "1",
        "'a'",
        "'reach'",
        "''",
        "\"x\"",
        "[x]",
        "`x`",
        "?",
        ":a",
        "x'00'",
        "1.5",
        "0x1F",
        ".",
        ";",
        "AS",
        "AS a",
        "danger",
        "danger(",
        "danger()",
        "\"danger\"()",
        "[danger](1)",
        "WITH danger(x) AS (",
        ", danger(x) AS (",
        "CREATE INDEX i ON t(x)",
        "CREATE INDEX i ON danger(",
        "INTO danger(",
        "REFERENCES danger(",
        "CREATE TABLE danger(",
        "direct()",
        "tame(1)",
        "reach",
        "reach('f')",
        "main.reach",
        "upper(x)",
        "LIKE",
        "MATCH",
        "->>",
        "||",
        "=",
        "IN",
        "UNION ALL",
        "JOIN",
        "ON",
        "ORDER BY",
        "INSERT INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE FROM",
        "REPLACE INTO",
        "CREATE VIEW z AS",
        "WITH a AS (",
        "EXPLAIN",
        "ATTACH",
        "PRAGMA",
        "user_version=1",
        "DROP TABLE",
        "sqlbridge_procedures",
        "sqlite_schema",
        "OR IGNORE",
        "OR ROLLBACK",
        "RETURNING",
        "OVER ()",
        "CASE WHEN",
        "THEN",
        "END",
        "json_each('[1]')",
        "pragma_optimize",
        "BEGIN",
        "COMMIT",
        "--",
        "\n",
        "/*",
        "*/",
        "/**/",
        "-- c\n",
        "'",
        "\"",
    ])
    .prop_map(str::to_owned);
    prop_oneof![20 => fixed, 1 => "[ -~]{0,3}"]
}

/// A valid statement with parts that are replaced, taken out, doubled and put elsewhere.
fn statement() -> impl Strategy<Value = String> {
    let valid = prop::sample::select(vec![
        "SELECT x , danger ( 1 ) FROM t WHERE id = 1",
        "SELECT * FROM t , reach ( 'f' ) AS r WHERE r.path = 'f'",
        "SELECT 'a' , ( SELECT content FROM 'reach' ) FROM v",
        "INSERT INTO t ( x ) VALUES ( danger ( ) ) RETURNING id",
        "UPDATE sqlbridge_procedures SET module = 1 WHERE name = 'p'",
        "DELETE FROM 'sqlbridge_procedures'",
        "WITH a AS ( SELECT 1 ) DELETE FROM sqlbridge_procedures",
        "CREATE VIEW z AS SELECT danger ( ) FROM reach",
        "PRAGMA user_version = 1",
        "SELECT 1 ; DELETE FROM sqlbridge_procedures",
    ]);
    (
        valid,
        prop::collection::vec((any::<prop::sample::Index>(), 0..4, piece()), 0..4),
    )
        .prop_map(|(valid, changes)| {
            let mut parts: Vec<String> = valid.split(' ').map(str::to_owned).collect();
            for (place, change, new) in changes {
                let place = place.index(parts.len());
                match change {
                    0 => parts[place] = new,
                    1 => parts.insert(place, new),
                    2 => parts.insert(place, parts[place].clone()),
                    _ if parts.len() > 1 => drop(parts.remove(place)),
                    _ => {}
                }
            }
            parts.join(" ")
        })
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("SQLPROXY_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(3000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn no_mixture_reaches_anything() {
    let mut host = open();
    prepared(&mut host);
    let host = RefCell::new(host);
    proptest!(cases(), |(pieces in prop::collection::vec(piece(), 0..14), close in any::<bool>())| {
        nothing_is_reached(&host, &pieces.join(if close { "" } else { " " }));
    });
}

#[test]
fn no_mutation_reaches_anything() {
    let mut host = open();
    prepared(&mut host);
    let host = RefCell::new(host);
    proptest!(cases(), |(sql in statement())| {
        nothing_is_reached(&host, &sql);
    });
}

/// SQLite's program for a statement, if it is one.
fn program(host: &Host, sql: &str) -> Option<Vec<String>> {
    let mut statement = host.prepare(&format!("EXPLAIN {sql}")).ok()?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values: Result<Vec<_>, _> = (1..columns)
            .map(|column| row.get_ref(column).map(|value| format!("{value:?}")))
            .collect();
        Ok(values?.join(" "))
    });
    rows.ok()?.collect::<Result<_, _>>().ok()
}

/// What stands between tokens, with all that looks like a token in comments.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(" ".to_owned()),
        "[ \t\n\r\u{c}]{1,3}",
        "--[-'\"`\\[\\]/*;a$]{0,6}\n",
        "/\\*[-'\"`\\[\\];a$/]{1,6}\\*/",
    ]
}

fn atom() -> impl Strategy<Value = String> {
    let quoted = |open: char, close: char| {
        "[-a'\"`\\[/*; $]{0,6}".prop_map(move |inner: String| {
            let inner = inner.replace(close, &format!("{close}{close}"));
            format!("{open}{inner}{close}")
        })
    };
    prop_oneof![
        quoted('\'', '\''),
        quoted('"', '"').prop_map(|name| format!("1 AS {name}")),
        quoted('`', '`').prop_map(|name| format!("1 AS {name}")),
        "1 AS \\[[-a'\"`/*; $\\[]{0,6}\\]",
        "[0-9]{1,3}(\\.[0-9]{0,2})?([eE][-+]?[0-9])?",
        "0[xX][0-9a-fA-F]{1,4}",
        "[xX]'([0-9a-fA-F]{2}){0,3}'",
        "[?:@$][0-9a-z_]{0,3}",
        "[a-zA-Z_$\u{e9}][a-z0-9$_\u{e9}]{0,3}",
        Just("t.x".to_owned()),
        Just("x->'$'->>1".to_owned()),
        "[-'\"`\\[\\]/*.$:@?#a-c0-9ex_(),;|<>=!~+%&]{0,4}",
    ]
}

/// If two readers of a text find the same tokens, nothing changes when the tokens are set apart.
#[test]
fn tokens_are_sqlite_s_own() {
    let mut host = open();
    prepared(&mut host);
    let understood = Cell::new(0);
    let operator = prop::sample::select(vec![",", ",", "||", "-", "<>", "AND", "LIKE", ""]);
    proptest!(cases(), |(parts in prop::collection::vec((gap(), atom(), gap(), operator), 1..6))| {
        let mut sql = "SELECT".to_owned();
        for (before, atom, after, operator) in &parts {
            for part in [before, atom, after, *operator] {
                sql.push_str(part);
            }
        }
        sql.push_str(" 1 FROM t");
        let Some(program) = self::program(&host, &sql) else { return Ok(()) };
        let Ok(tokens) = tokenize(&sql) else {
            // The one thing that SQLite reads and we refuse: parameters of Tcl's.
            let tcl = ["$", "@", ":", "#"].iter().any(|mark| sql.contains(mark));
            prop_assert!(tcl, "{}", sql);
            return Ok(());
        };
        let apart: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        let rejoined = apart.join("\n/**/\n");
        prop_assert_eq!(Some(program), self::program(&host, &rejoined), "{} -> {}", sql, rejoined);
        understood.set(understood.get() + 1);
    });
    assert!(
        understood.get() > 100,
        "only {} texts were SQL",
        understood.get()
    );
}
