package suite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func init() {
	tests = append(tests, []entry{
		{"many rows", manyRows},
		{"rows that are not all read", rowsNotRead},
		{"many open rows", manyOpenRows},
		{"memory for rows is bounded", boundedMemory},
		{"large values in rows", largeValues},
		{"an error after some rows", errorAfterRows},
		{"columns", columns},
		{"column types", columnTypes},
		{"raw bytes", rawBytes},
		{"a context that is over", contextOver},
		{"a deadline stops a statement", deadline},
		{"a context ends between batches", contextBetweenBatches},
		{"rows and statements side by side", sideBySide},
	}...)
}

// numbers is a query with the table n(i) of 1 to count.
func numbers(query string, count int) string {
	return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) %s", count, query)
}

// fill fills t(a).
func fill(t *T, count int) {
	t.Helper()
	t.exec(numbers("INSERT INTO t SELECT i FROM n", count))
}

func manyRows(t *T) {
	for _, count := range []int{0, 1, 31, 32, 33, 287, 288, 289, 1312, 5000} {
		rows, err := t.DB.Query(numbers("SELECT i, i * 1.5, 'row ' || i, CASE i % 3 WHEN 0 THEN NULL ELSE zeroblob(i % 7) END FROM n WHERE i <= ?", max(count, 1)), count)
		t.ok(err)
		seen := 0
		for rows.Next() {
			seen++
			var i int64
			var x float64
			var s string
			var b []byte
			t.ok(rows.Scan(&i, &x, &s, &b))
			if i != int64(seen) || x != float64(i)*1.5 || s != fmt.Sprint("row ", i) || (b == nil) != (i%3 == 0) || b != nil && len(b) != int(i%7) {
				t.Fatalf("row %d is %v %v %q %x", seen, i, x, s, b)
			}
		}
		t.ok(rows.Err())
		t.equal(seen, count)
	}
}

// Cursors of rows that are not read to their end are closed: the host has room for 64.
func rowsNotRead(t *T) {
	t.exec("CREATE TABLE t(a)")
	fill(t, 1000)
	for range 200 {
		t.equal(t.one("SELECT a FROM t"), int64(1))
	}
	for range 100 {
		rows, err := t.DB.Query("SELECT a FROM t")
		t.ok(err)
		for range 100 {
			t.equal(rows.Next(), true)
		}
		t.ok(rows.Close())
	}
}

func manyOpenRows(t *T) {
	t.exec("CREATE TABLE t(a)")
	fill(t, 100)
	var open []*sql.Rows
	defer func() {
		for _, rows := range open {
			rows.Close()
		}
	}()
	for range 70 {
		rows, err := t.DB.Query("SELECT a FROM t")
		if err != nil {
			t.is(err, driver.ErrMisuse)
			t.equal(len(open), 64)
			return
		}
		open = append(open, rows)
	}
	t.Error("there is no limit on cursors")
}

func boundedMemory(t *T) {
	rows, err := t.DB.Query(numbers("SELECT i, 'some text of a row' FROM n", 200_000))
	t.ok(err)
	defer rows.Close()
	var before, now runtime.MemStats
	for count := 0; rows.Next(); count++ {
		if count == 10_000 || count == 190_000 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			if before.HeapAlloc == 0 {
				before = now
			}
		}
	}
	t.ok(rows.Err())
	if now.HeapAlloc > before.HeapAlloc+8<<20 {
		t.Errorf("%d bytes after 10000 rows, %d after 190000", before.HeapAlloc, now.HeapAlloc)
	}
}

func largeValues(t *T) {
	rows, err := t.DB.Query(numbers("SELECT zeroblob(1000000) FROM n", 40))
	t.ok(err)
	count := 0
	for rows.Next() {
		var b sql.RawBytes
		t.ok(rows.Scan(&b))
		t.equal(len(b), 1000000)
		count++
	}
	t.ok(rows.Err())
	t.equal(count, 40)
	text := strings.Repeat("0123456789abcdef", 1<<16)
	t.equal(t.one("SELECT ?", text), text)
}

func errorAfterRows(t *T) {
	rows, err := t.DB.Query(numbers("SELECT CASE WHEN i = 500 THEN abs(-9223372036854775807 - 1) ELSE i END FROM n", 1000))
	t.ok(err)
	count := 0
	for rows.Next() {
		count++
	}
	t.is(rows.Err(), driver.ErrorCode("SQLITE_ERROR"))
	if count < 32 || count > 499 {
		t.Errorf("%d rows came before the error", count)
	}
	t.ok(rows.Close())
	t.equal(t.one("SELECT 1"), int64(1))
}

func columns(t *T) {
	rows, err := t.DB.Query(`SELECT 1 AS a, 2 AS "b c", 3, 'x' AS a`)
	t.ok(err)
	defer rows.Close()
	names, err := rows.Columns()
	t.ok(err)
	t.equal(strings.Join(names, "|"), "a|b c|3|a")
	t.exec("CREATE TABLE t(a)")
	empty, err := t.DB.Query("SELECT a AS x FROM t")
	t.ok(err)
	defer empty.Close()
	names, err = empty.Columns()
	t.ok(err)
	t.equal(strings.Join(names, "|"), "x")
}

func columnTypes(t *T) {
	t.exec(`CREATE TABLE t(a INTEGER, b VARCHAR(20), c TEXT, d BLOB, e DECIMAL(10, 2), f REAL, g BOOLEAN, h DATETIME, i bigint unsigned, j)`)
	rows, err := t.DB.Query("SELECT *, 1 + 1 FROM t")
	t.ok(err)
	defer rows.Close()
	types, err := rows.ColumnTypes()
	t.ok(err)
	for i, want := range []struct {
		name   string
		scan   reflect.Type
		length int64
	}{
		{"INTEGER", reflect.TypeFor[int64](), -1}, {"VARCHAR", reflect.TypeFor[string](), 20},
		{"TEXT", reflect.TypeFor[string](), -1}, {"BLOB", reflect.TypeFor[[]byte](), -1},
		{"DECIMAL", reflect.TypeFor[any](), -1}, {"REAL", reflect.TypeFor[float64](), -1},
		{"BOOLEAN", reflect.TypeFor[bool](), -1}, {"DATETIME", reflect.TypeFor[time.Time](), -1},
		{"BIGINT UNSIGNED", reflect.TypeFor[int64](), -1}, {"", reflect.TypeFor[any](), -1}, {"", reflect.TypeFor[any](), -1},
	} {
		t.equal(types[i].DatabaseTypeName(), want.name)
		t.equal(types[i].ScanType(), want.scan)
		length, ok := types[i].Length()
		if ok != (want.length >= 0) || ok && length != want.length {
			t.Errorf("%s has the length %d, %v", want.name, length, ok)
		}
		precision, scale, ok := types[i].DecimalSize()
		if ok != (want.name == "DECIMAL") || ok && (precision != 10 || scale != 2) {
			t.Errorf("%s has the precision %d, %d, %v", want.name, precision, scale, ok)
		}
		if _, ok := types[i].Nullable(); ok {
			t.Errorf("%s: whether it is nullable cannot be known", want.name)
		}
	}
}

func rawBytes(t *T) {
	rows, err := t.DB.Query("SELECT 'text' UNION ALL SELECT x'0102' UNION ALL SELECT 12")
	t.ok(err)
	defer rows.Close()
	all := ""
	for rows.Next() {
		var b sql.RawBytes
		t.ok(rows.Scan(&b))
		all += fmt.Sprintf("%x ", []byte(b))
	}
	t.equal(all, "74657874 0102 3132 ")
}

func contextOver(t *T) {
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := t.DB.ExecContext(ctx, "SELECT 1")
	t.is(err, context.Canceled)
	_, err = t.DB.QueryContext(ctx, "SELECT 1")
	t.is(err, context.Canceled)
	_, err = t.DB.PrepareContext(ctx, "SELECT 1")
	t.is(err, context.Canceled)
	_, err = t.DB.BeginTx(ctx, nil)
	t.is(err, context.Canceled)
	t.is(t.DB.PingContext(ctx), context.Canceled)
	t.equal(t.one("SELECT 1"), int64(1))
}

// Rows without end. (A statement that is long without giving rows is stopped, too, but in a database the
// statement that runs the program is then stopped with it.)
const forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"

// The deadline goes with the request: while the host works, nothing in the program runs that could stop it.
func deadline(t *T) {
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	_, err := t.DB.ExecContext(ctx, forever)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	t.equal(t.one("SELECT 1"), int64(1))
}

func contextBetweenBatches(t *T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	rows, err := t.DB.QueryContext(ctx, numbers("SELECT i FROM n", 1_000_000))
	t.ok(err)
	defer rows.Close()
	count := 0
	for rows.Next() {
		if count++; count == 100 {
			cancel()
		}
	}
	t.is(rows.Err(), context.Canceled)
	if count > 5000 {
		t.Errorf("%d rows came after the end of the context", count)
	}
	t.equal(t.one("SELECT 1"), int64(1))
}

func sideBySide(t *T) {
	t.exec("CREATE TABLE t(a); CREATE TABLE u(a)")
	fill(t, 300)
	t.DB.SetMaxOpenConns(2)
	rows, err := t.DB.Query("SELECT a FROM t")
	t.ok(err)
	for rows.Next() {
		var a int
		t.ok(rows.Scan(&a))
		t.exec("INSERT INTO u VALUES (?)", a*2)
	}
	t.ok(rows.Err())
	t.equal(t.one("SELECT count(*) || ',' || sum(a) FROM u"), "300,90300")
}
