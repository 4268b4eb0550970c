//! The catalog of a database in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::relations;
use crate::session::state::State;

fn register(connection: &Connection) {
    let state = State::new(
        "postgres".to_owned(),
        "app".to_owned(),
        7,
        BTreeMap::default(),
    );
    super::register(connection, &Rc::new(RefCell::new(state))).unwrap();
}

fn connect() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    register(&connection);
    connection
        .execute_batch(
            "CREATE TABLE authors (id INTEGER PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, rating numeric(3,1)
               DEFAULT 0 CHECK (rating >= 0), tags \"text[]\");
             CREATE TABLE books (id INTEGER PRIMARY KEY, author int8 REFERENCES authors ON DELETE CASCADE,
               title text, CONSTRAINT titles UNIQUE (author, title));
             CREATE INDEX books_lower ON books (lower(title), author DESC) WHERE title IS NOT NULL;
             CREATE VIEW long AS SELECT id, title FROM books WHERE length(title) > 10;
             CREATE TRIGGER t AFTER INSERT ON books BEGIN SELECT 1; END;",
        )
        .unwrap();
    connection
}

fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let count = statement.column_count();
    let rows = statement
        .query_map([], |row| {
            let cells = (0..count).map(|at| match row.get(at).unwrap() {
                Value::Null => "NULL".to_owned(),
                Value::Integer(integer) => integer.to_string(),
                Value::Real(real) => real.to_string(),
                Value::Text(text) => text,
                Value::Blob(_) => "blob".to_owned(),
            });
            Ok(cells.collect::<Vec<_>>().join("|"))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn each_relation_can_be_read() {
    let connection = connect();
    for relation in relations::all() {
        let name = match relation.schema {
            "information_schema" => format!("information_schema_{}", relation.name),
            _ => relation.name.to_owned(),
        };
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {name}"))
            .unwrap();
        assert_eq!(statement.column_count(), relation.columns.len(), "{name}");
        let mut rows = statement.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
    }
}

#[test]
fn tables_and_their_columns() {
    let connection = connect();
    assert_eq!(
        rows(
            &connection,
            "SELECT c.relname, c.relkind, pg_table_is_visible(c.oid) FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY 1"
        ),
        [
            "authors|r|1",
            "authors_id_seq|S|1",
            "authors_name_key|i|1",
            "authors_pkey|i|1",
            "books|r|1",
            "books_id_seq|S|1",
            "books_lower|i|1",
            "books_pkey|i|1",
            "long|v|1",
            "titles|i|1",
        ]
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid)
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = pg_reg_oid('public.authors', 2205) AND a.attnum > 0 ORDER BY a.attnum"
        ),
        [
            "id|bigint|1|d|NULL",
            "name|character varying(80)|1||NULL",
            "rating|numeric(3,1)|0||0",
            "tags|text[]|0||NULL",
        ]
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT typname, typreceive = (SELECT oid FROM pg_proc WHERE proname = 'array_recv')
             FROM pg_type WHERE oid IN (25, 1009) ORDER BY oid"
        ),
        ["text|0", "_text|1"]
    );
}

#[test]
fn what_numbers_rows() {
    let connection = connect();
    connection
        .execute_batch(
            "CREATE TABLE a (id INTEGER PRIMARY KEY DEFAULT (pg_serial('int4')));
             CREATE TABLE b (id INTEGER PRIMARY KEY DEFAULT (pg_identity('int8','a')));
             CREATE TABLE c (id INTEGER PRIMARY KEY DEFAULT (pg_key('int4')));
             CREATE TABLE d (id INTEGER PRIMARY KEY) WITHOUT ROWID; INSERT INTO a VALUES (1), (7);",
        )
        .unwrap();
    assert_eq!(
        rows(
            &connection,
            "SELECT column_name, data_type, column_default, identity_generation, pg_get_serial_sequence(table_name, column_name)
             FROM information_schema_columns WHERE table_name IN ('a', 'b', 'c', 'd') ORDER BY table_name"
        ),
        [
            "id|integer|nextval('a_id_seq'::regclass)|NULL|public.a_id_seq",
            "id|bigint|NULL|ALWAYS|public.b_id_seq",
            "id|integer|NULL|NULL|NULL",
            "id|bigint|NULL|NULL|NULL",
        ]
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT sequencename, max_value, last_value FROM pg_sequences WHERE sequencename = 'a_id_seq'"
        ),
        ["a_id_seq|2147483647|7"]
    );
}

#[test]
fn indexes_and_constraints() {
    let connection = connect();
    assert_eq!(
        rows(
            &connection,
            "SELECT conname, contype, conkey, confkey, pg_get_constraintdef(oid) FROM pg_constraint
             WHERE conrelid IN (pg_reg_oid('authors', 2205), pg_reg_oid('books', 2205)) ORDER BY conname"
        ),
        [
            "authors_name_key|u|[2]|NULL|UNIQUE (name)",
            "authors_pkey|p|[1]|NULL|PRIMARY KEY (id)",
            "authors_rating_check|c|[3]|NULL|CHECK ((rating >= (0)::numeric))",
            "books_author_fkey|f|[2]|[1]|FOREIGN KEY (author) REFERENCES authors(id) ON DELETE CASCADE",
            "books_pkey|p|[1]|NULL|PRIMARY KEY (id)",
            "titles|u|[2,3]|NULL|UNIQUE (author, title)",
        ]
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT pg_get_indexdef(indexrelid), pg_get_indexdef(indexrelid, 1, 1), indkey, indoption
             FROM pg_index WHERE indrelid = pg_reg_oid('books', 2205) ORDER BY indexrelid = pg_reg_oid('books_lower', 2205) DESC, indkey"
        ),
        [
            "CREATE INDEX books_lower ON public.books USING btree (lower(title), author DESC) WHERE (title IS NOT NULL)|lower(title)|[0,2]|[0,3]",
            "CREATE UNIQUE INDEX books_pkey ON public.books USING btree (id)|id|[1]|[0]",
            "CREATE UNIQUE INDEX titles ON public.books USING btree (author, title)|author|[2,3]|[0,0]",
        ]
    );
    assert_eq!(
        rows(
            &connection,
            "SELECT pg_get_viewdef(pg_reg_oid('long', 2205))"
        ),
        [" SELECT id, title FROM books WHERE length(title) > 10;"]
    );
}

#[test]
fn current_after_ddl_also_within_a_transaction() {
    let connection = connect();
    let tables = "SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b') AND relkind = 'r'";
    let names = "SELECT relname FROM pg_class WHERE relname IN ('a', 'b') AND relkind = 'r'";
    assert_eq!(rows(&connection, tables), ["0"]);
    connection
        .execute_batch("BEGIN; SAVEPOINT s; CREATE TABLE a (x)")
        .unwrap();
    assert_eq!(rows(&connection, names), ["a"]);
    // The schema's number is the same, the schema is not.
    connection
        .execute_batch("ROLLBACK TO s; CREATE TABLE b (x)")
        .unwrap();
    assert_eq!(rows(&connection, names), ["b"]);
    connection
        .execute_batch("ROLLBACK; CREATE TABLE a (x)")
        .unwrap();
    assert_eq!(rows(&connection, names), ["a"]);
    connection.execute_batch("CREATE TEMP TABLE b (x)").unwrap();
    assert_eq!(rows(&connection, tables), ["2"]);
}

#[test]
fn current_after_ddl_of_others() {
    let directory =
        std::env::temp_dir().join(format!("pg-frontend-catalog-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("a.sqlite");
    let other = Connection::open(&file).unwrap();
    let connection = Connection::open(&file).unwrap();
    register(&connection);
    let names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    assert!(rows(&connection, names).is_empty());
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert_eq!(rows(&connection, names), ["theirs"]);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn look_ups_find_what_scans_find() {
    let connection = connect();
    for relation in ["pg_class", "pg_type", "pg_attribute", "pg_index", "pg_proc"] {
        let columns = relations::get(relation).columns.iter().take(4);
        for column in columns.map(|column| column.name) {
            // The unary plus keeps the planner from looking up.
            let sql = format!(
                "SELECT (SELECT count(*) FROM {relation} a, (SELECT * FROM {relation} LIMIT 200) b WHERE a.{column} = b.{column})
                      = (SELECT count(*) FROM {relation} a, (SELECT * FROM {relation} LIMIT 200) b WHERE +a.{column} = +b.{column})"
            );
            assert_eq!(rows(&connection, &sql), ["1"], "{relation}.{column}");
        }
    }
    let oid: i64 = connection
        .query_row(
            "SELECT oid FROM pg_class WHERE relname = ?1",
            params!["books"],
            |row| row.get(0),
        )
        .unwrap();
    for value in [Value::Integer(oid), Value::Text(oid.to_string())] {
        let found: i64 = connection
            .query_row(
                "SELECT count(*) FROM pg_class WHERE oid = ?1",
                [value],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(found, 1);
    }
}

#[test]
fn origins_of_columns() {
    let connection = connect();
    let oid: u32 = connection
        .query_row("SELECT pg_reg_oid('authors', 2205)", [], |row| row.get(0))
        .unwrap();
    let origin = |table, column| super::origin(&connection, table, column).unwrap();
    assert_eq!(origin("authors", "name"), Some((oid, 2)));
    assert_eq!(origin("pg_class", "relname"), Some((1259, 2)));
    assert_eq!(origin("authors", "none"), None);
}

#[test]
fn functions_that_return_rows() {
    let connection = connect();
    assert_eq!(
        rows(
            &connection,
            "SELECT catcode FROM pg_get_keywords() WHERE word = 'select'"
        ),
        ["R"]
    );
}

#[test]
fn names_of_types_and_relations() {
    let connection = connect();
    for (sql, result) in [
        (
            "SELECT pg_reg_oid('int', 2206), pg_to_regtype('character varying[]'), pg_to_regtype('nothing')",
            "23|1015|NULL",
        ),
        (
            "SELECT pg_reg_name(1259, 2205), pg_reg_name(0, 2205), pg_reg_name(5, 2205), pg_reg_name(1184, 2206), pg_reg_show(1184, 2206)",
            "pg_class|-|5|timestamp with time zone|1184 timestamp with time zone",
        ),
        (
            "SELECT pg_reg_name(750, 24), pg_reg_name(11, 4089), pg_reg_name(10, 4096)",
            "array_in|pg_catalog|postgres",
        ),
        (
            "SELECT format_type(1043, 14), format_type(1042, NULL), format_type(NULL, NULL), format_type(13234, -1)",
            "character varying(10)|character|NULL|information_schema.yes_or_no",
        ),
        (
            "SELECT pg_to_regclass('information_schema.tables') IS NOT NULL, pg_to_regclass('tables'), pg_to_regclass('pg_catalog.authors')",
            "1|NULL|NULL",
        ),
    ] {
        assert_eq!(rows(&connection, sql), [result], "{sql}");
    }
    let error = connection
        .query_row("SELECT pg_reg_oid('nothing', 2205)", [], |_| Ok(()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "relation \"nothing\" does not exist (42P01)"
    );
}

#[test]
fn comments() {
    let connection = connect();
    connection
        .execute_batch(
            "CREATE TABLE pg_frontend_comments (kind TEXT, object TEXT, part TEXT, text TEXT, PRIMARY KEY (kind, object, part)) WITHOUT ROWID;
             INSERT INTO pg_frontend_comments VALUES ('table', 'authors', '', 'who writes'), ('column', 'authors', 'name', 'in full'),
               ('table', 'gone', '', 'x');",
        )
        .unwrap();
    let sql = "SELECT obj_description(pg_reg_oid('authors', 2205), 'pg_class'), col_description(pg_reg_oid('authors', 2205), 2),
      (SELECT count(*) FROM pg_description WHERE classoid = 1259)";
    assert_eq!(rows(&connection, sql), ["who writes|in full|2"]);
    connection
        .execute_batch("UPDATE pg_frontend_comments SET text = 'others'")
        .unwrap();
    assert_eq!(rows(&connection, sql), ["others|others|2"]);
    assert!(
        rows(
            &connection,
            "SELECT relname FROM pg_class WHERE relname LIKE 'pg_frontend%'"
        )
        .is_empty()
    );
}
