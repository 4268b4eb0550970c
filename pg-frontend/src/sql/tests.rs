//! Statements planned on a connection: types of parameters, actions, codes and places of errors.

use rusqlite::Connection;

use super::*;
use crate::types::Type;

fn state() -> State {
    State::new(
        "me".to_owned(),
        "db".to_owned(),
        1,
        std::collections::BTreeMap::new(),
    )
}

fn planned(connection: &Connection, text: &str) -> Result<Plan> {
    plan(
        connection,
        &state(),
        &Parsed {
            text: text.into(),
            offset: 0,
        },
        &[],
    )
}

fn with_table() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY DEFAULT (pg_serial('int4')), name varchar(10) NOT NULL, price numeric(10,2))")
        .unwrap();
    connection
}

#[test]
fn parameters_take_their_types_from_where_they_stand() {
    let connection = with_table();
    for (text, types) in [
        ("SELECT * FROM t WHERE id = $1", vec![Type::INT4]),
        (
            "INSERT INTO t (name, price) VALUES ($1, $2)",
            vec![Type::VARCHAR, Type::NUMERIC],
        ),
        (
            "UPDATE t SET price = $2 WHERE id = $1",
            vec![Type::INT4, Type::NUMERIC],
        ),
        (
            "SELECT id FROM t WHERE id = ANY($1) LIMIT $2",
            vec![Type::INT4.array(), Type::INT8],
        ),
        ("SELECT $1::date, $2", vec![Type::DATE, Type::TEXT]),
        (
            "SELECT * FROM t WHERE name LIKE $1 AND price BETWEEN $2 AND $3",
            vec![Type::TEXT, Type::NUMERIC, Type::NUMERIC],
        ),
        (
            "SELECT count(*) FROM t HAVING count(*) > $1",
            vec![Type::INT8],
        ),
    ] {
        assert_eq!(
            planned(&connection, text).unwrap().parameters,
            types,
            "{text}"
        );
    }
}

#[test]
fn a_query_that_calls_a_writer_waits_for_its_turn() {
    let connection = with_table();
    for name in ["proc_create", "proc_drop", "changeset_apply", "harmless"] {
        let flags = rusqlite::functions::FunctionFlags::default();
        connection
            .create_scalar_function(name, 1, flags, |_| Ok(1))
            .unwrap();
    }
    for (text, read_only) in [
        ("SELECT proc_create('x')", false),
        ("SELECT id, proc_drop(name) FROM t", false),
        ("SELECT * FROM (SELECT changeset_apply($1)) x", false),
        ("SELECT harmless(1)", true),
        ("SELECT name FROM t FOR UPDATE", false),
    ] {
        let plan = planned(&connection, text).unwrap();
        assert_eq!(plan.read_only, read_only, "{text}");
    }
}

/// SQLite has none.
#[test]
fn tables_and_views_have_columns() {
    let connection = with_table();
    for text in [
        "CREATE VIEW v AS SELECT",
        "CREATE VIEW v AS SELECT FROM t",
        "CREATE TABLE u AS SELECT FROM t",
    ] {
        assert_eq!(planned(&connection, text).unwrap_err().code, "0A000");
    }
}

#[test]
fn commands_have_their_actions() {
    let connection = with_table();
    let action = |text: &str| planned(&connection, text).unwrap().action;
    assert!(matches!(action("-- nothing"), Action::Empty));
    assert!(matches!(
        action("BEGIN IMMEDIATE"),
        Action::Transaction(Transaction::Begin {
            mode: Some("IMMEDIATE"),
            ..
        })
    ));
    assert!(matches!(
        action("begin isolation level serializable, read only"),
        Action::Transaction(Transaction::Begin {
            read_only: Some(true),
            ..
        })
    ));
    assert!(matches!(
        action("END"),
        Action::Transaction(Transaction::Commit { chain: false })
    ));
    assert!(
        matches!(action("ROLLBACK TO SAVEPOINT \"A b\""), Action::Transaction(Transaction::RollbackTo(name)) if name == "A b")
    );
    assert!(
        matches!(action("SET LOCAL search_path TO a, \"B\""), Action::Set { local: true, value: Some(value), .. } if value == "a, \"B\"")
    );
    assert!(
        matches!(action("SHOW TRANSACTION ISOLATION LEVEL"), Action::Show(name) if name == "transaction_isolation")
    );
    assert!(
        matches!(action("COPY t (name) FROM STDIN WITH (FORMAT csv, HEADER true)"), Action::Copy(copy) if copy.from && copy.columns.len() == 1)
    );
    assert!(matches!(
        action("FETCH FORWARD 5 FROM c"),
        Action::Fetch {
            direction: Direction::Forward(Some(5)),
            ..
        }
    ));
    assert!(matches!(action("PRAGMA user_version"), Action::Run(_)));
    assert!(
        matches!(action("INSERT OR REPLACE INTO t (id, name) VALUES ($1, $2)"), Action::Run(sql) if sql.contains("?1"))
    );
    assert!(matches!(
        action("DROP DATABASE IF EXISTS x"),
        Action::DropDatabase {
            if_exists: true,
            ..
        }
    ));
}

#[test]
fn errors_have_codes_and_positions() {
    let connection = with_table();
    for (text, code, position) in [
        ("SELECT nosuch FROM t", "42703", Some(8)),
        ("SELECT * FROM nosuch", "42P01", Some(15)),
        ("SELECT nosuch(1)", "42883", Some(8)),
        ("SELECT 'é', * FROM\n  t WHERE id = 'x'", "22P02", None),
        ("SELEC 1", "42601", Some(1)),
        ("SELECT \"typo\" FROM t", "42703", Some(8)),
        (
            "INSERT INTO t (name) VALUES ('much too long')",
            "22001",
            Some(30),
        ),
        ("SELECT id, count(*) FROM t", "42803", Some(8)),
    ] {
        let error = planned(&connection, text).unwrap_err();
        assert_eq!(error.code, code, "{text}: {error}");
        if position.is_some() {
            assert_eq!(error.position, position, "{text}: {error}");
        }
    }
}

#[test]
fn statements_of_a_query_have_their_places() {
    let parsed = parse("SELECT 1; SELECT 'é;' ;\n\nSELECT 3").unwrap();
    let places: Vec<usize> = parsed.iter().map(|parsed| parsed.offset).collect();
    assert_eq!(places, [0, 10, 25]);
}

#[test]
fn what_is_planned_is_sqlite() {
    let connection = with_table();
    crate::functions::register(
        &connection,
        &std::rc::Rc::new(std::cell::RefCell::new(state())),
    )
    .unwrap();
    for text in [
        "SELECT DISTINCT ON (name) name, price FROM t ORDER BY name, price DESC",
        "SELECT t.id, l.x FROM t LEFT JOIN LATERAL (SELECT max(u.price) AS x FROM t u WHERE u.name = t.name) l ON true",
        "SELECT id, unnest(ARRAY[1,2]), generate_series(1, 3) FROM t",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n",
        "SELECT name, sum(price) OVER (PARTITION BY name ORDER BY id DESC) FROM t WINDOW w AS (ORDER BY id)",
    ] {
        let Action::Run(sql) = planned(&connection, text).unwrap().action else {
            panic!("{text}")
        };
        connection
            .prepare(&sql)
            .unwrap_or_else(|error| panic!("{text}: {error}\n{sql}"));
    }
}

/// What the parser lets through is planned on the stack of a session.
#[test]
fn what_is_deep_is_planned() {
    let check = || {
        let connection = with_table();
        for link in [
            "+ 1",
            "::int",
            " IS NULL",
            "->'a'",
            " AND true",
            "|| 'a'",
            " COLLATE \"C\"",
            "[1]",
        ] {
            for start in ["1", "true", "'a'", "'{1}'::int[]", "'{}'::jsonb"] {
                let _ = planned(&connection, &format!("SELECT {start}{}", link.repeat(990)));
            }
        }
        let unions = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200));
        planned(&connection, &unions).unwrap();
    };
    let session = std::thread::Builder::new().stack_size(8 << 20);
    session.spawn(check).unwrap().join().unwrap();
}

proptest::proptest! {
    #[test]
    fn any_text_has_a_plan_or_an_error(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "SELECT", "FROM", "t", "id", "name", "WHERE", "=", "1", "'a'", "$1", ",", "(", ")", "ORDER BY", "LIMIT", "NULL", "::int", "INSERT INTO",
            "VALUES", "UPDATE", "SET", "AND", "count(*)", "GROUP BY", "JOIN", "ON", "*", "||", "CASE", "WHEN", "END", "ARRAY[", "]", "unnest(", "DROP", "TABLE",
            "ALTER", "ADD", "BEGIN", "COPY", "STDIN", "interval", "extract(", "->>", "IN", "ANY", "WITH", "AS", "x", "RETURNING",
        ]), 0..14)) {
        let connection = with_table();
        let _ = planned(&connection, &words.join(" "));
    }
}
