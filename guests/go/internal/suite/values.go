package suite

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"time"
)

func init() {
	tests = append(tests, []entry{
		{"integers are exact, and stay integers", integers},
		{"reals", reals},
		{"texts", textValues},
		{"blobs are bytes, not texts", blobs},
		{"booleans", booleans},
		{"times", timeValues},
		{"times by format", timeFormats},
		{"null", nulls},
		{"types of one's own", valuers},
		{"what cannot be bound", unbindable},
	}...)
}

func integers(t *T) {
	for _, n := range []int64{0, 1, -1, 31, -32, -33, 127, 128, 255, 256, 32767, 32768, -32769, 1 << 31, 1<<53 - 1, 1 << 53, 1<<53 + 1,
		math.MaxInt64, math.MinInt64, -(1 << 53) - 1} {
		t.equal(t.one("SELECT ?", n), n)
		t.equal(t.one("SELECT CAST(? AS TEXT)", n), fmt.Sprint(n))
		t.equal(t.one("SELECT typeof(?)", n), "integer")
		var back int64
		t.ok(t.DB.QueryRow("SELECT ?", n).Scan(&back))
		t.equal(back, n)
	}
	t.equal(t.one("SELECT ?", int8(-5)), int64(-5))
	t.equal(t.one("SELECT ?", uint32(math.MaxUint32)), int64(math.MaxUint32))
	t.equal(t.one("SELECT ?", uint64(math.MaxInt64)), int64(math.MaxInt64))
}

func reals(t *T) {
	for _, x := range []float64{0, 1, -1.5, 0.1, 1e300, math.SmallestNonzeroFloat64, math.MaxFloat64, math.Inf(1), math.Inf(-1), 1 << 60} {
		t.equal(t.one("SELECT ?", x), x)
		t.equal(t.one("SELECT typeof(?)", x), "real")
	}
	t.equal(t.one("SELECT ?", math.NaN()), nil)
	t.equal(t.one("SELECT ?", float32(1.5)), 1.5)
}

func textValues(t *T) {
	for _, s := range []string{"", "a", "naïve", "with\x00nul", "invalid \xff\xfe bytes", `"quotes" \ and 'such'`, "line\nline\ttab\x01",
		"\U0001F600", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("y", 255), strings.Repeat("y", 256),
		strings.Repeat("z", 70000)} {
		t.equal(t.one("SELECT ?", s), s)
		t.equal(t.one("SELECT typeof(?)", s), "text")
		t.equal(t.one("SELECT length(CAST(? AS BLOB))", s), int64(len(s)))
	}
}

func blobs(t *T) {
	for _, b := range [][]byte{{}, {0}, []byte("text"), {0xff, 0xfe}, bytes.Repeat([]byte{7}, 256), bytes.Repeat([]byte{9}, 100000)} {
		back, ok := t.one("SELECT ?", b).([]byte)
		if !ok || back == nil || !bytes.Equal(back, b) {
			t.Errorf("%x came back as %x (%v)", b, back, ok)
		}
		t.equal(t.one("SELECT typeof(?)", b), "blob")
	}
	t.equal(t.one("SELECT typeof(?)", []byte(nil)), "null")

	// A blob that is kept is not overwritten by the next row.
	rows, err := t.DB.Query("SELECT x'01' UNION ALL SELECT x'02'")
	t.ok(err)
	defer rows.Close()
	var kept [][]byte
	for rows.Next() {
		var b []byte
		t.ok(rows.Scan(&b))
		kept = append(kept, b)
	}
	t.equal(fmt.Sprint(kept), "[[1] [2]]")
}

func booleans(t *T) {
	t.exec("CREATE TABLE t(a BOOLEAN, b bool, c)")
	t.exec("INSERT INTO t VALUES (?, ?, ?)", true, false, true)
	var a, b, c any
	t.ok(t.DB.QueryRow("SELECT a, b, c FROM t").Scan(&a, &b, &c))
	t.equal(a, true)
	t.equal(b, false)
	t.equal(c, int64(1))
	var flag bool
	t.ok(t.DB.QueryRow("SELECT c FROM t").Scan(&flag))
	t.equal(flag, true)
	t.exec("UPDATE t SET a = 7")
	t.equal(t.one("SELECT a FROM t"), int64(7)) // no boolean: nothing is lost
}

func timeValues(t *T) {
	t.exec("CREATE TABLE t(a DATE, b DATETIME, c TIMESTAMP, d timestamp with time zone, e TEXT)")
	at := time.Date(2026, 11, 20, 10, 30, 0, 123456789, time.FixedZone("", 3600))
	t.exec("INSERT INTO t VALUES (?, ?, ?, ?, ?)", at, at, at, at, at)
	var a, b, c, d time.Time
	var e string
	t.ok(t.DB.QueryRow("SELECT a, b, c, d, e FROM t").Scan(&a, &b, &c, &d, &e))
	for _, back := range []time.Time{a, b, c, d} {
		if !back.Equal(at) {
			t.Errorf("%v came back as %v", at, back)
		}
	}
	t.equal(e, "2026-11-20 09:30:00.123456789+00:00")
	t.equal(t.one("SELECT strftime('%H:%M', b) FROM t"), "09:30")
	t.equal(t.one("SELECT count(*) FROM t WHERE b = ?", at.UTC()), int64(1))

	for text, want := range map[string]time.Time{
		"2026-11-20":                    time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20 10:30":              time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC),
		"2026-11-20T10:30:01":           time.Date(2026, 11, 20, 10, 30, 1, 0, time.UTC),
		"2026-11-20 10:30:01.5":         time.Date(2026, 11, 20, 10, 30, 1, 500_000_000, time.UTC),
		"2026-11-20T10:30:01Z":          time.Date(2026, 11, 20, 10, 30, 1, 0, time.UTC),
		"2026-11-20 10:30:01.25 +01:00": time.Date(2026, 11, 20, 9, 30, 1, 250_000_000, time.UTC),
		"2026-11-20T10:30:01-05:00":     time.Date(2026, 11, 20, 15, 30, 1, 0, time.UTC),
	} {
		t.exec("UPDATE t SET b = ?", text)
		t.equal(t.one("SELECT b FROM t"), want)
	}
	for _, text := range []string{"", "soon", "2026-13-40", "2026-11-20 25:00", "2026-11-20x"} {
		t.exec("UPDATE t SET b = ?", text)
		t.equal(t.one("SELECT b FROM t"), text) // no time: nothing is lost
	}
	for n, want := range map[any]time.Time{
		int64(1763634600):     time.Unix(1763634600, 0).UTC(),
		int64(1763634600_500): time.UnixMilli(1763634600_500).UTC(),
		int64(-1):             time.Unix(-1, 0).UTC(),
		2440587.5:             time.Unix(0, 0).UTC(),
	} {
		t.exec("UPDATE t SET b = ?", n)
		t.equal(t.one("SELECT b FROM t"), want)
	}
}

func timeFormats(t *T) {
	t.exec("CREATE TABLE t(at DATETIME, raw)")
	at := time.Date(2026, 11, 20, 10, 30, 0, 250_000_000, time.FixedZone("", 3600))
	for format, want := range map[string]any{
		"sqlite": "2026-11-20 09:30:00.25+00:00", "rfc3339": "2026-11-20T10:30:00.25+01:00",
		"unix": int64(1795167000), "unixms": int64(1795167000250), "unixus": int64(1795167000250000),
		"unixns": int64(1795167000250000000), "julianday": 2461364.895836227,
	} {
		db := t.Open("?_timefmt=" + format)
		_, err := db.Exec("DELETE FROM t")
		t.ok(err)
		_, err = db.Exec("INSERT INTO t VALUES (?1, ?1)", at)
		t.ok(err)
		var back time.Time
		var raw any
		t.ok(db.QueryRow("SELECT at, raw FROM t").Scan(&back, &raw))
		t.equal(raw, want)
		if format == "unix" {
			t.equal(back, at.Truncate(time.Second).UTC())
		} else {
			t.equal(back, at.UTC())
		}
	}
}

func nulls(t *T) {
	t.equal(t.one("SELECT NULL"), nil)
	t.equal(t.one("SELECT ? IS NULL", nil), int64(1))
	var n sql.NullInt64
	t.ok(t.DB.QueryRow("SELECT NULL").Scan(&n))
	t.equal(n.Valid, false)
	t.ok(t.DB.QueryRow("SELECT 5").Scan(&n))
	t.equal(n.Int64, int64(5))
	var s *string
	t.ok(t.DB.QueryRow("SELECT NULL").Scan(&s))
	if s != nil {
		t.Errorf("NULL became %q", *s)
	}
	t.exec("CREATE TABLE t(a BOOLEAN, b DATETIME)")
	t.exec("INSERT INTO t VALUES (?, ?)", sql.NullBool{}, sql.NullTime{})
	t.equal(t.one("SELECT a FROM t"), nil)
	t.equal(t.one("SELECT b FROM t"), nil)
	if err := t.DB.QueryRow("SELECT NULL").Scan(new(int)); err == nil {
		t.Error("NULL became an int")
	}
}

type celsius float64

type point struct{ x, y int }

func (p point) Value() (driver.Value, error) { return fmt.Sprintf("%d,%d", p.x, p.y), nil }

func (p *point) Scan(value any) error {
	_, err := fmt.Sscanf(value.(string), "%d,%d", &p.x, &p.y)
	return err
}

func valuers(t *T) {
	t.equal(t.one("SELECT ?", celsius(21.5)), 21.5)
	var p point
	t.ok(t.DB.QueryRow("SELECT ?", point{3, 4}).Scan(&p))
	t.equal(p, point{3, 4})
	n := 7
	t.equal(t.one("SELECT ?", &n), int64(7))
	t.equal(t.one("SELECT ?", (*int)(nil)), nil)
	t.equal(t.one("SELECT ?", time.Duration(5)), int64(5))
}

func unbindable(t *T) {
	for _, value := range []any{uint64(math.MaxInt64) + 1, make(chan int), struct{}{}, []int{1}, sql.Out{}} {
		if _, err := t.DB.Exec("SELECT ?", value); err == nil {
			t.Errorf("%T was bound", value)
		}
	}
}
