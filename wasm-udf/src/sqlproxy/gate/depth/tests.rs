use super::super::tokens::tokenize;
use super::{Depths, FLAT, LEVEL, Reach, TERM, deepens};

fn depths(entries: &[String]) -> Depths {
    let mut depths = Depths::default();
    for entry in entries {
        depths.add(&tokenize(entry).unwrap());
    }
    depths.settle();
    depths
}

/// Levels and SELECTs of a statement.
fn cost(depths: &Depths, sql: &str) -> (usize, usize) {
    let cost = depths.cost(&tokenize(sql).unwrap(), None);
    ((cost.stack - FLAT) / LEVEL, cost.selects)
}

fn chain(count: usize, body: &str) -> Vec<String> {
    let views = (1..=count).map(|n| {
        let body = body.replace("{}", &format!("v{}", n - 1));
        format!("CREATE VIEW main.\"v{n}\" AS {body}")
    });
    let table = "CREATE TABLE v0(a, b)".to_owned();
    std::iter::once(table).chain(views).collect()
}

#[test]
fn views_over_views_are_counted() {
    let plain = depths(&chain(1000, "SELECT * FROM {}"));
    assert_eq!(cost(&plain, "SELECT * FROM v0"), (1, 1));
    assert_eq!(cost(&plain, "SELECT * FROM V5 x WHERE a"), (6, 6));
    assert_eq!(cost(&plain, "SELECT 1 FROM t, 'v1000'").0, 1001);
    assert_eq!(cost(&plain, "SELECT 1 IN main.v10").0, 11);
    for body in [
        "SELECT 1 FROM t JOIN {} ON a IN (1, 2)",
        "SELECT 1 FROM t JOIN u ON t.a = u.a, {}",
        "SELECT * FROM window w, (t JOIN {} USING (a))",
        "SELECT (SELECT max(a) FROM main.{})",
        "SELECT 1 WHERE 2 IN {}",
        "WITH c AS (SELECT * FROM {}) SELECT * FROM c",
        "SELECT 1 UNION SELECT a FROM [{}]",
    ] {
        let depths = depths(&chain(100, body));
        assert!(cost(&depths, "SELECT * FROM v100").0 > 100, "{body}");
    }
}

#[test]
fn a_view_that_is_named_twice_counts_twice() {
    let twice = depths(&chain(60, "SELECT {}.a, {}.b FROM {}, {} y"));
    assert_eq!(cost(&twice, "SELECT * FROM v10"), (11, 1 << 10));
    assert!(cost(&twice, "SELECT * FROM v60").1 > 1 << 40);
    let columns = depths(&chain(60, "SELECT {}.a, {}.b FROM {}"));
    assert_eq!(cost(&columns, "SELECT * FROM v60").1, 61);
}

#[test]
fn triggers_and_foreign_keys_are_followed_where_something_is_written() {
    let body = "INSERT INTO t0 VALUES (1)";
    for (entry, statements) in [
        (
            "CREATE TRIGGER g{n} AFTER INSERT ON t{n} BEGIN INSERT INTO t{m} VALUES (1); END",
            [body, "REPLACE INTO t0 VALUES (1)"],
        ),
        (
            "CREATE TRIGGER g{n} AFTER UPDATE OF a ON t{n} BEGIN UPDATE OR IGNORE t{m} SET a = 1; END",
            ["UPDATE t0 SET a = 2", "UPDATE OR FAIL t0 SET a = 2"],
        ),
        (
            "CREATE TRIGGER g{n} AFTER DELETE ON t{n} BEGIN DELETE FROM t{m}; END",
            ["DELETE FROM t0", "DELETE FROM main.t0"],
        ),
        (
            "CREATE TABLE t{m}(a REFERENCES t{n} ON DELETE CASCADE)",
            ["DELETE FROM t0", body],
        ),
    ] {
        let entries: Vec<String> = (0..100)
            .map(|n| {
                let next = (n + 1).to_string();
                entry.replace("{n}", &n.to_string()).replace("{m}", &next)
            })
            .collect();
        let depths = depths(&entries);
        for statement in statements {
            assert!(cost(&depths, statement).0 >= 100, "{statement}");
        }
        assert_eq!(cost(&depths, "SELECT * FROM t0").0, 1);
    }
}

#[test]
fn circles_end() {
    let depths = depths(&[
        "CREATE TRIGGER a AFTER INSERT ON t BEGIN INSERT INTO u SELECT * FROM v; END".to_owned(),
        "CREATE TRIGGER b AFTER INSERT ON u BEGIN INSERT INTO t VALUES (1); END".to_owned(),
        "CREATE VIEW v AS SELECT * FROM t".to_owned(),
        "CREATE VIEW x AS SELECT * FROM y".to_owned(),
        "CREATE VIEW y AS SELECT * FROM x".to_owned(),
    ]);
    assert!((3..20).contains(&cost(&depths, "INSERT INTO t VALUES (1)").0));
    assert_eq!(cost(&depths, "SELECT * FROM v"), (2, 2));
    assert!((3..20).contains(&cost(&depths, "SELECT * FROM x").0));
}

#[test]
fn expressions_of_tables_are_as_deep_as_they_are() {
    let sum = vec!["a"; 900].join(" + ");
    let wide: Vec<String> = (0..900).map(|n| format!("c{n} INTEGER NOT NULL")).collect();
    let generated: Vec<String> = (1..900)
        .map(|n| format!("a{n} AS (a{} + 1)", n - 1))
        .collect();
    let depths = depths(&[
        format!("CREATE TABLE checked(a, b CHECK ({sum}))"),
        "CREATE TABLE indexed(a)".to_owned(),
        format!("CREATE INDEX i ON indexed(abs({sum}))"),
        format!("CREATE TABLE wide(a, {})", wide.join(", ")),
        format!("CREATE TABLE chain(a0, {})", generated.join(", ")),
    ]);
    let stack = |sql: &str| depths.cost(&tokenize(sql).unwrap(), None).stack - FLAT;
    assert!(stack("INSERT INTO checked VALUES (1, 2)") > 900 * TERM);
    assert!(stack("INSERT INTO indexed VALUES (1)") > 900 * TERM);
    assert!(stack("SELECT a899 FROM chain") > 900 * TERM * 2);
    assert!(stack("SELECT * FROM wide") < 10 * TERM);
}

#[test]
fn some_statements_look_at_everything() {
    let twice = depths(&chain(20, "SELECT * FROM {}, {} y"));
    let tokens = tokenize("ALTER TABLE other RENAME TO another").unwrap();
    assert_eq!(twice.cost(&tokens, None).selects, 0);
    let any = twice.cost(&tokens, Some(Reach::Any));
    assert_eq!((any.stack - FLAT) / LEVEL, 20);
    assert_eq!(any.selects, 0);
    let views = twice.cost(&tokens, Some(Reach::Views));
    assert!(views.selects >= (1 << 20) - 1);
}

#[test]
fn what_deepens() {
    for sql in [
        "CREATE VIEW v AS SELECT 1",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE t(a, b AS (a))",
        "CREATE TABLE t(a REFERENCES u)",
        "CREATE INDEX i ON t(abs(a))",
        "ALTER TABLE t RENAME TO u",
    ] {
        assert!(deepens(&tokenize(sql).unwrap()), "{sql}");
    }
    for sql in [
        "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT NOT NULL)",
        "CREATE UNIQUE INDEX i ON t(a, b)",
        "DROP TABLE t",
        "INSERT INTO t SELECT 1 AS a",
    ] {
        assert!(!deepens(&tokenize(sql).unwrap()), "{sql}");
    }
}
