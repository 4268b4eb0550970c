//! The reader of `CREATE TABLE` against SQLite, with texts made at random.

#[expect(unreachable_pub, reason = "shared with the fuzz target")]
mod create_table_invariants;

use proptest::prelude::*;

/// A piece of a column's or a table's definition.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "\"b c\"",
        "[d]",
        "`e`",
        "text",
        "numeric(10,2)",
        "\"text[]\"",
        "PRIMARY KEY",
        "PRIMARY KEY (a)",
        "UNIQUE",
        "UNIQUE (a)",
        "NOT NULL",
        "CHECK (a > ')')",
        "CHECK ((a))",
        "DEFAULT 'x,'",
        "DEFAULT (1 + (2))",
        "DEFAULT -1",
        "REFERENCES p (x) ON DELETE SET NULL DEFERRABLE",
        "FOREIGN KEY (a) REFERENCES p",
        "CONSTRAINT n",
        "COLLATE NOCASE",
        "/* ( */",
        "-- (\n",
        "AS (a || 'x') STORED",
        ",",
        ",",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_found_where_sqlite_has_them(pieces in prop::collection::vec(piece(), 0..12)) {
        create_table_invariants::read(&format!("CREATE TABLE t (a {})", pieces.join(" ")));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,120}") {
        create_table_invariants::read(&text);
    }
}
