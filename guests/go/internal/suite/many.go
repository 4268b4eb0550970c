package suite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func init() {
	tests = append(tests, []entry{
		{"many rows of values", manyValues},
		{"many rows, all or none", manyOrNone},
		{"many rows in a transaction, and at the same time", manyInTransaction},
		{"many rows that do not fit", manyWrong},
		{"each row", eachRow},
		{"each row, all values", eachValue},
		{"each row, ended early and misread", eachWrong},
	}...)
}

// numbered gives rows (first, "row first"), and so on.
func numbered(first, count int) driver.Many {
	return func(rows *driver.RowWriter) error {
		for i := first; i < first+count; i++ {
			rows.Int(int64(i))
			rows.Text(fmt.Sprintf("row %d", i))
			if err := rows.End(); err != nil {
				return err
			}
		}
		return nil
	}
}

func manyValues(t *T) {
	t.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
	for _, options := range []string{"", "?encoding=json"} {
		db := t.Open(options)
		// Some requests of 64 KiB.
		for _, count := range []int{0, 1, 2, 20_000} {
			done, err := db.Exec("INSERT INTO t VALUES (?, ?)", numbered(1, count))
			t.ok(err)
			changed, _ := done.RowsAffected()
			t.equal(changed, int64(count))
			if last, _ := done.LastInsertId(); count > 0 && last != int64(count) {
				t.Errorf("the last row of %d has the number %d", count, last)
			}
			t.equal(t.one("SELECT count(*) FROM t WHERE a = 'row ' || id"), int64(count))
			t.exec("DELETE FROM t")
		}
		done, err := db.Exec("INSERT INTO t VALUES (1, ?)", driver.Many(func(rows *driver.RowWriter) error {
			rows.Value([]byte("x"))
			return rows.End()
		}))
		t.ok(err)
		changed, _ := done.RowsAffected()
		t.equal(changed, int64(1))
		t.exec("DELETE FROM t")
	}
	t.exec("CREATE TABLE v(a, b, c, d, e, f, g, h)")
	t.exec("INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?, ?)", driver.Many(func(rows *driver.RowWriter) error {
		rows.Int(math.MinInt64)
		rows.Float(1.5)
		rows.Text("é\xff")
		rows.Blob(nil)
		rows.Null()
		rows.Time(time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC))
		rows.Value(true)
		rows.Value(new(int))
		return rows.End()
	}))
	t.equal(t.one("SELECT a = -9223372036854775808 AND b = 1.5 AND hex(c) = 'C3A9FF' AND d = x'' AND e IS NULL AND f = '2026-11-20 09:30:00+00:00' AND g = 1 AND h = 0 FROM v"), int64(1))
	// What has no parameters runs for each row, too.
	count, _ := t.exec("UPDATE v SET h = h + 1", driver.Many(func(rows *driver.RowWriter) error {
		return errors.Join(rows.End(), rows.End())
	})).RowsAffected()
	t.equal(count, int64(2))
	t.equal(t.one("SELECT h FROM v"), int64(2))
}

func manyOrNone(t *T) {
	t.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a NOT NULL)")
	t.exec("INSERT INTO t VALUES (19999, 'there')")
	_, err := t.DB.Exec("INSERT INTO t VALUES (?, ?)", numbered(1, 20_000))
	t.is(err, driver.ErrConstraint)
	var failure *driver.Error
	if !errors.As(err, &failure) || failure.Row != 19999 || !strings.Contains(err.Error(), "in row 19999") {
		t.Errorf("got %v", err)
	}
	t.equal(t.one("SELECT count(*) FROM t"), int64(1))

	enough := errors.New("enough")
	stopped := func(count int) driver.Many {
		return func(rows *driver.RowWriter) error {
			if err := numbered(1, count)(rows); err != nil {
				return err
			}
			return enough
		}
	}
	for _, count := range []int{1, 10_000} {
		_, err = t.DB.Exec("INSERT INTO t VALUES (?, ?)", stopped(count))
		t.is(err, enough)
		t.equal(t.one("SELECT count(*) FROM t"), int64(1))
		func() {
			defer func() { t.equal(recover(), any("stop")) }()
			_, _ = t.DB.Exec("INSERT INTO t VALUES (?, ?)", driver.Many(func(rows *driver.RowWriter) error {
				if err := numbered(1, count)(rows); err != nil {
					return err
				}
				panic("stop")
			}))
		}()
		t.equal(t.one("SELECT count(*) FROM t"), int64(1))
	}
	ctx, cancel := context.WithCancel(background)
	_, err = t.DB.ExecContext(ctx, "INSERT INTO t VALUES (?, ?)", driver.Many(func(rows *driver.RowWriter) error {
		if err := numbered(1, 10_000)(rows); err != nil {
			return err
		}
		cancel()
		return numbered(10_001, 5_000)(rows)
	}))
	t.is(err, context.Canceled)
	t.equal(t.one("SELECT count(*) FROM t"), int64(1))
	t.exec("INSERT INTO t VALUES (?, ?)", numbered(1, 10)) // the connection is as it was
}

func manyInTransaction(t *T) {
	t.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (?, ?)", numbered(1, 10_000))
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (?, ?)", numbered(9_000, 10_000))
	t.is(err, driver.ErrConstraint)
	_, err = tx.Exec("INSERT INTO t VALUES (?, ?)", numbered(10_001, 5))
	t.ok(err)
	one, err := tx.Prepare("DELETE FROM t WHERE id = ?")
	t.ok(err)
	_, err = one.Exec(driver.Many(func(rows *driver.RowWriter) error {
		for i := range 5 {
			rows.Int(int64(i + 1))
			if err := rows.End(); err != nil {
				return err
			}
		}
		return nil
	}))
	t.ok(err)
	t.ok(tx.Commit())
	t.equal(t.one("SELECT count(*) FROM t"), int64(10_000))

	// Another connection of the program waits.
	_, err = t.DB.Exec("INSERT INTO t VALUES (?, ?)", driver.Many(func(rows *driver.RowWriter) error {
		if err := numbered(20_000, 10_000)(rows); err != nil {
			return err
		}
		_, err := t.Open("?busy_timeout=0").Exec("DELETE FROM t")
		t.is(err, driver.ErrBusy)
		return nil
	}))
	t.ok(err)
	t.equal(t.one("SELECT count(*) FROM t"), int64(20_000))
}

func manyWrong(t *T) {
	t.exec("CREATE TABLE t(a, b)")
	one := func(values ...any) driver.Many {
		return func(rows *driver.RowWriter) error {
			for _, value := range values {
				rows.Value(value)
			}
			return rows.End()
		}
	}
	_, err := t.DB.Exec("INSERT INTO t VALUES (?, ?)", one(1))
	t.is(err, driver.ErrRange)
	_, err = t.DB.Exec("INSERT INTO t VALUES (?, ?)", one(1, 2, 3))
	t.is(err, driver.ErrRange)
	_, err = t.DB.Exec("INSERT INTO t VALUES (?, ?)", one(1, make(chan int)))
	t.says(err, "chan int")
	_, err = t.DB.Exec("INSERT INTO t VALUES (?, ?)", driver.Many(func(rows *driver.RowWriter) error {
		rows.Int(1)
		return nil
	}))
	t.says(err, "not ended")
	_, err = t.DB.Exec("INSERT INTO t VALUES (?, ?)", 1, one(2))
	t.says(err, "the only value")
	_, err = t.DB.Exec("SAVEPOINT a", one())
	t.says(err, "the only value")
	_, err = t.DB.Exec("INSERT INTO t VALUES (1, 2); INSERT INTO t VALUES (?, ?)", one(1, 2))
	if err == nil {
		t.Error("a text of two statements was run for many rows")
	}
	_, err = t.DB.Query("SELECT ?", one(1))
	t.says(err, "for Exec")
	t.exec("DELETE FROM t")
	t.exec("INSERT INTO t VALUES (?, ?)", one(1, 2))
	t.equal(t.one("SELECT count(*) FROM t"), int64(1))
}

const counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i, 'row ' || i, i * 1.5 FROM n"

func eachRow(t *T) {
	for _, options := range []string{"", "?encoding=json"} {
		db := t.Open(options)
		for _, count := range []int64{1, 32, 33, 5000} {
			sum, last := int64(0), ""
			done, err := db.Exec(counting, count, driver.Each(func(row *driver.RowReader) error {
				sum += row.Int()
				last = row.Text()
				return nil
			}))
			t.ok(err)
			read, _ := done.RowsAffected()
			t.equal(read, count)
			t.equal(sum, count*(count+1)/2)
			t.equal(last, fmt.Sprintf("row %d", count))
		}
	}
	t.exec("CREATE TABLE t(id INTEGER PRIMARY KEY)")
	ids := ""
	t.exec("INSERT INTO t VALUES (7), (8) RETURNING id", driver.Each(func(row *driver.RowReader) error {
		ids += fmt.Sprint(row.Columns(), row.Int())
		return nil
	}))
	t.equal(ids, "[id] 7[id] 8")
	t.exec("DELETE FROM t", driver.Each(func(*driver.RowReader) error { return errors.New("a row") }))
	t.equal(t.one("SELECT count(*) FROM t"), int64(0))
}

func eachValue(t *T) {
	const sql = `SELECT -5, 127, 128, -30000, 40000, 3000000000, -9223372036854775808, 1.5, 2, NULL, NULL, 'é', '', NULL, x'00ff', NULL,
		CAST(x'ff' AS TEXT), replace(hex(zeroblob(500)), '0', 'x'), 9, 'any', NULL`
	count := 0
	t.exec(sql, driver.Each(func(row *driver.RowReader) error {
		count++
		for _, want := range []int64{-5, 127, 128, -30000, 40000, 3000000000, math.MinInt64} {
			t.equal(row.Int(), want)
		}
		t.equal(row.Float(), 1.5)
		t.equal(row.Float(), 2.0)
		t.equal(row.Null(), true)
		t.equal(row.Float(), 0.0)
		t.equal(row.Int(), int64(0))
		t.equal(row.Null(), false)
		t.equal(row.Text(), "é")
		t.equal(row.Text(), "")
		t.equal(row.Text(), "")
		t.equal(string(row.Blob()), "\x00\xff")
		t.equal(row.Blob() == nil, true)
		t.equal(row.Text(), "\xff")
		t.equal(len(row.Text()), 1000)
		t.equal(row.Value(), any(int64(9)))
		t.equal(row.Value(), any("any"))
		t.equal(row.Value(), nil)
		return nil
	}))
	t.equal(count, 1)
	t.exec("CREATE TABLE t(a BOOLEAN, b DATE)")
	t.exec("INSERT INTO t VALUES (1, '2026-11-20')")
	t.exec("SELECT a, b FROM t", driver.Each(func(row *driver.RowReader) error {
		t.equal(row.Value(), any(true))
		t.equal(row.Value().(time.Time).Year(), 2026)
		return nil
	}))
}

func eachWrong(t *T) {
	enough := errors.New("enough")
	read := 0
	_, err := t.DB.Exec(counting, 5000, driver.Each(func(row *driver.RowReader) error {
		if read++; read == 100 {
			return enough
		}
		return nil
	}))
	t.is(err, enough)
	t.equal(read, 100)
	// A panic leaves the transaction as it is.
	t.exec("CREATE TABLE t(a)")
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.ok(err)
	func() {
		defer func() { t.equal(recover(), any("stop")) }()
		_, _ = tx.Exec(counting, 5000, driver.Each(func(*driver.RowReader) error { panic("stop") }))
	}()
	_, err = tx.Exec("INSERT INTO t VALUES (2)")
	t.ok(err)
	t.ok(tx.Commit())
	t.equal(t.one("SELECT count(*) FROM t"), int64(2))

	misread := map[string]func(row *driver.RowReader){
		"column 0 (i) has an INTEGER, not a TEXT": func(row *driver.RowReader) { row.Text() },
		"column 1 (b) has a TEXT, not an INTEGER": func(row *driver.RowReader) { row.Int(); row.Int() },
		"column 2 (c) has a REAL, not a BLOB":     func(row *driver.RowReader) { row.Int(); row.Text(); row.Blob() },
		"more were read":                          func(row *driver.RowReader) { row.Int(); row.Text(); row.Float(); row.Int() },
	}
	for want, f := range misread {
		rows := 0
		_, err := t.DB.Exec("SELECT 1 AS i, 'x' AS b, 1.5 AS c UNION ALL SELECT 2, 'y', 2.5", driver.Each(func(row *driver.RowReader) error {
			rows++
			f(row)
			return nil
		}))
		t.says(err, want)
		t.equal(rows, 1)
	}
	_, err = t.DB.Exec("SELECT 1", driver.Each(func(*driver.RowReader) error { return nil }), 1)
	t.says(err, "last value")
	_, err = t.DB.Exec("SELECT ?", driver.Each(func(*driver.RowReader) error { return nil }))
	t.is(err, driver.ErrRange)
	t.equal(t.one("SELECT 1"), int64(1))
}

// says checks what an error says.
func (t *T) says(err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want %q", err, part)
	}
}
