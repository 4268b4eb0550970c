package suite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func init() {
	tests = append(tests, []entry{
		{"results", results},
		{"parameters by name", namedParameters},
		{"the number of values", numberOfValues},
		{"prepared statements", preparedStatements},
		{"prepared statements, many and again", manyPrepared},
		{"a prepared statement is one statement", preparedIsOne},
		{"several statements", severalStatements},
		{"several statements with values", severalWithValues},
		{"triggers are one statement", triggers},
		{"several result sets", resultSets},
		{"errors have codes", errorCodes},
		{"a schema that changes", schemaChanges},
		{"ping, and options that are wrong", pingAndOptions},
		{"goroutines", goroutines},
	}...)
}

func results(t *T) {
	t.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
	done := t.exec("INSERT INTO t(a) VALUES (1), (2), (3)")
	id, _ := done.LastInsertId()
	count, _ := done.RowsAffected()
	t.equal(id, int64(3))
	t.equal(count, int64(3))
	count, _ = t.exec("UPDATE t SET a = 0 WHERE id > 1").RowsAffected()
	t.equal(count, int64(2))
	count, _ = t.exec("CREATE TABLE u(a)").RowsAffected()
	t.equal(count, int64(0))
	t.equal(t.one("INSERT INTO t(a) VALUES (9) RETURNING id"), int64(4))
	t.is(t.DB.QueryRow("SELECT 1 WHERE 0").Scan(new(int)), sql.ErrNoRows)
	for _, nothing := range []string{"", " ", ";", "-- only this", "/* */ ; -- ;"} {
		t.exec(nothing)
		rows, err := t.DB.Query(nothing)
		t.ok(err)
		t.equal(rows.Next(), false)
		t.ok(rows.Err())
		t.ok(rows.Close())
	}
}

func namedParameters(t *T) {
	t.equal(t.one("SELECT :a || @b || $c", sql.Named("a", "x"), sql.Named("c", "z"), sql.Named("b", "y")), "xyz")
	t.equal(t.one("SELECT :a + :a", sql.Named("a", 2)), int64(4))
	t.equal(t.one("SELECT :a || ? || @b", sql.Named("a", "x"), "?", sql.Named("b", "y")), "x?y")
	t.equal(t.one("SELECT ?2 || ?1", "a", "b"), "ba")
	t.equal(t.one("SELECT :a || :b", "x", "y"), "xy")
	s, err := t.DB.Prepare("SELECT :a - :b")
	t.ok(err)
	defer s.Close()
	var n int
	t.ok(s.QueryRow(sql.Named("b", 1), sql.Named("a", 10)).Scan(&n))
	t.equal(n, 9)
	_, err = t.DB.Query("SELECT :a, :b", sql.Named("a", 1))
	t.is(err, driver.ErrRange)
	_, err = t.DB.Query("SELECT :a", sql.Named("a", 1), sql.Named("wrong", 1))
	t.is(err, driver.ErrRange)
	_, err = t.DB.Query("SELECT ?, :a", sql.Named("wrong", 1), 2)
	t.is(err, driver.ErrRange)
}

func numberOfValues(t *T) {
	_, err := t.DB.Query("SELECT ?, ?", 1)
	t.is(err, driver.ErrRange)
	_, err = t.DB.Exec("SELECT ?", 1, 2)
	t.is(err, driver.ErrRange)
	s, err := t.DB.Prepare("SELECT ?, ?")
	t.ok(err)
	defer s.Close()
	// database/sql says it by itself, because the number of parameters is known.
	if _, err = s.Query(1); err == nil || !strings.Contains(err.Error(), "expected 2 arguments, got 1") {
		t.Errorf("got %v", err)
	}
}

func preparedStatements(t *T) {
	t.exec("CREATE TABLE t(a, b)")
	insert, err := t.DB.Prepare("INSERT INTO t VALUES (?, ?)")
	t.ok(err)
	defer insert.Close()
	for i := range 100 {
		_, err := insert.Exec(i, "x")
		t.ok(err)
	}
	query, err := t.DB.Prepare("SELECT a FROM t WHERE a >= ? ORDER BY a")
	t.ok(err)
	first, err := query.Query(0)
	t.ok(err)
	second, err := query.Query(50) // the same statement, twice at a time
	t.ok(err)
	var a, b int
	for i := range 50 {
		t.equal(first.Next() && second.Next(), true)
		t.ok(first.Scan(&a))
		t.ok(second.Scan(&b))
		t.equal(a, i)
		t.equal(b, i+50)
	}
	t.ok(first.Close())
	t.ok(second.Close())
	t.ok(query.Close())
	if _, err := query.Query(1); err == nil {
		t.Error("a closed statement was run")
	}
	_, err = t.DB.Prepare("SELECT FROM")
	t.is(err, driver.ErrorCode("SQLITE_ERROR"))
}

// More statements than the host has room for.
func manyPrepared(t *T) {
	var all []*sql.Stmt
	for i := range 300 {
		s, err := t.DB.Prepare("SELECT ? + " + strings.Repeat("1 + ", i%150) + "0")
		t.ok(err)
		all = append(all, s)
	}
	for i, s := range all {
		var n int
		t.ok(s.QueryRow(1000).Scan(&n))
		t.equal(n, 1000+i%150)
		t.ok(s.Close())
	}
}

func preparedIsOne(t *T) {
	for _, query := range []string{"SELECT 1; SELECT 2", "", "-- nothing"} {
		if _, err := t.DB.Prepare(query); err == nil || !strings.Contains(err.Error(), "one statement") {
			t.Errorf("%q: %v", query, err)
		}
	}
	s, err := t.DB.Prepare(" SELECT 1 ; -- and a comment")
	t.ok(err)
	t.ok(s.Close())
}

func severalStatements(t *T) {
	done := t.exec("CREATE TABLE t(a TEXT); INSERT INTO t VALUES ('a;b'), ('c') ; /* ; */ INSERT INTO t VALUES ('--;'); -- end;")
	count, _ := done.RowsAffected()
	t.equal(count, int64(1))
	t.equal(t.one("SELECT group_concat(a, '|') FROM t"), "a;b|c|--;")

	_, err := t.DB.Exec("INSERT INTO t VALUES ('kept'); INSERT INTO nowhere VALUES (1); INSERT INTO t VALUES ('not run')")
	var failure *driver.Error
	if !errors.As(err, &failure) || failure.Statement != 2 || !strings.Contains(err.Error(), "statement 2") {
		t.Errorf("got %v", err)
	}
	t.equal(t.one("SELECT count(*) FROM t"), int64(4))

	_, err = t.DB.Exec("BEGIN; DELETE FROM t; ROLLBACK")
	t.ok(err)
	t.equal(t.one("SELECT count(*) FROM t"), int64(4))
}

func severalWithValues(t *T) {
	t.exec("CREATE TABLE t(a, b); INSERT INTO t VALUES (?, ?); INSERT INTO t VALUES (?, 'x')", 1, 2, 3)
	t.equal(t.one("SELECT group_concat(a || b) FROM t"), "12,3x")
	t.exec("UPDATE t SET a = :a; UPDATE t SET b = :b || :a", sql.Named("a", "A"), sql.Named("b", "B"))
	t.equal(t.one("SELECT group_concat(a || b) FROM t"), "ABA,ABA")
	_, err := t.DB.Exec("SELECT ?; SELECT ?", 1)
	t.is(err, driver.ErrRange)
	_, err = t.DB.Exec("SELECT ?; SELECT ?", 1, 2, 3)
	t.is(err, driver.ErrRange)
}

func triggers(t *T) {
	t.exec(`CREATE TABLE t(a); CREATE TABLE log(n);
		CREATE TRIGGER logged AFTER INSERT ON t BEGIN
			INSERT INTO log VALUES (CASE WHEN new.a > 1 THEN 'big;' ELSE 'small' END);
			UPDATE log SET n = n || '!';
		END;
		INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)`)
	t.equal(t.one("SELECT group_concat(n) FROM log"), "small!!,big;!")
}

func resultSets(t *T) {
	t.exec("CREATE TABLE t(a)")
	rows, err := t.DB.Query("SELECT 1 AS x, 2; INSERT INTO t VALUES (5); SELECT 'a' AS y UNION ALL SELECT 'b'; DELETE FROM t")
	t.ok(err)
	defer rows.Close()
	t.equal(t.one("SELECT count(*) FROM t"), int64(0)) // statements are run when they are come to
	columns, err := rows.Columns()
	t.ok(err)
	t.equal(strings.Join(columns, " "), "x 2")
	var x, y int
	t.equal(rows.Next(), true)
	t.ok(rows.Scan(&x, &y))
	t.equal(x*10+y, 12)
	t.equal(rows.Next(), false)
	t.equal(rows.NextResultSet(), true)
	t.equal(t.one("SELECT a FROM t"), int64(5))
	columns, err = rows.Columns()
	t.ok(err)
	t.equal(strings.Join(columns, " "), "y")
	all := ""
	for rows.Next() {
		var s string
		t.ok(rows.Scan(&s))
		all += s
	}
	t.equal(all, "ab")
	t.equal(rows.NextResultSet(), false)
	t.ok(rows.Err())
	t.equal(t.one("SELECT count(*) FROM t"), int64(0))

	// What has no rows is passed over, up to the first that has.
	t.equal(t.one("INSERT INTO t VALUES (?); SELECT a + ? FROM t", 1, 2), int64(3))
	rows, err = t.DB.Query("SELECT 1; SELECT * FROM nowhere")
	t.ok(err)
	t.equal(rows.Next(), true)
	t.equal(rows.NextResultSet(), false)
	t.is(rows.Err(), driver.ErrorCode("SQLITE_ERROR"))
	t.ok(rows.Close())
}

func errorCodes(t *T) {
	t.exec(`CREATE TABLE p(id INTEGER PRIMARY KEY, a TEXT NOT NULL UNIQUE, b CHECK (b > 0))`)
	t.exec("INSERT INTO p VALUES (1, 'a', 1)")
	for query, code := range map[string]driver.ErrorCode{
		"INSERT INTO p VALUES (1, 'b', 1)":    driver.ErrConstraintPrimaryKey,
		"INSERT INTO p VALUES (2, 'a', 1)":    driver.ErrConstraintUnique,
		"INSERT INTO p VALUES (2, NULL, 1)":   driver.ErrConstraintNotNull,
		"INSERT INTO p VALUES (2, 'b', 0)":    driver.ErrConstraintCheck,
		"INSERT INTO p VALUES ('x', 'b', 1)":  "SQLITE_MISMATCH",
		"INSERT INTO nowhere VALUES (1)":      "SQLITE_ERROR",
		"SELECT FROM":                         "SQLITE_ERROR",
		"SELECT abs(-9223372036854775807 -1)": "SQLITE_ERROR",
	} {
		_, err := t.DB.Exec(query)
		t.is(err, code)
		var failure *driver.Error
		if !errors.As(err, &failure) || failure.Code != code || failure.Message == "" || failure.Extended == 0 {
			t.Errorf("%s: %#v", query, err)
		}
		if errors.Is(err, driver.ErrConstraint) != strings.HasPrefix(string(code), "SQLITE_CONSTRAINT") || errors.Is(err, driver.ErrBusy) {
			t.Errorf("%s: %v is of the wrong kind", query, err)
		}
	}
	_, err := t.DB.Exec("INSERT INTO p VALUES (2, 'a', 1)")
	if !strings.Contains(err.Error(), "UNIQUE constraint failed: p.a") {
		t.Errorf("got %v", err)
	}
	// As GORM reads it.
	var fields struct{ Code, ExtendedCode int }
	text, _ := json.Marshal(err)
	t.ok(json.Unmarshal(text, &fields))
	t.equal(fields.Code*10000+fields.ExtendedCode, 192067)
	t.equal(t.one("SELECT count(*) FROM p"), int64(1))
}

func schemaChanges(t *T) {
	t.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	s, err := t.DB.Prepare("SELECT * FROM t")
	t.ok(err)
	defer s.Close()
	for _, want := range []string{"a", "a b", "a b c"} {
		rows, err := s.Query()
		t.ok(err)
		columns, err := rows.Columns()
		t.ok(err)
		t.equal(strings.Join(columns, " "), want)
		t.equal(rows.Next(), true)
		t.ok(rows.Close())
		t.exec("ALTER TABLE t ADD COLUMN " + string(rune('a'+len(columns))) + " DATETIME")
	}
}

func pingAndOptions(t *T) {
	t.ok(t.DB.Ping())
	_, err := sql.Open("sqlproxy", "?nonsense=1")
	if err == nil || !strings.Contains(err.Error(), "encoding, txlock, timefmt, batch, busy_timeout, texts") {
		t.Errorf("got %v", err)
	}
	_, err = sql.Open("sqlproxy", "?batch=0")
	if err == nil || !strings.Contains(err.Error(), "1 to 1000000") {
		t.Errorf("got %v", err)
	}
	for _, options := range []string{"?texts=0", "?texts=1", "?batch=1", "?encoding=json&batch=3"} {
		db := t.Open(options)
		sum := 0
		rows, err := db.Query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n")
		t.ok(err)
		for rows.Next() {
			var i int
			t.ok(rows.Scan(&i))
			sum += i
		}
		t.ok(rows.Err())
		t.equal(sum, 55)
	}
}

// As in xfernando/go-db-driver-tests: prepared statements used by several goroutines.
func goroutines(t *T) {
	t.exec("CREATE TABLE t(n INTEGER)")
	query, err := t.DB.Prepare("SELECT count(*) FROM t WHERE n < ?")
	t.ok(err)
	defer query.Close()
	insert, err := t.DB.Prepare("INSERT INTO t VALUES (?)")
	t.ok(err)
	defer insert.Close()
	var wait sync.WaitGroup
	failures := make(chan error, 1000)
	for range 8 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := range 20 {
				if _, err := insert.Exec(i); err != nil {
					failures <- err
				}
				if err := query.QueryRow(i).Scan(new(int)); err != nil {
					failures <- err
				}
			}
		}()
	}
	wait.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	t.equal(t.one("SELECT count(*) FROM t"), int64(160))
}
