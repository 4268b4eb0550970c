package driver

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	trigger := "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT ';'; END"
	for _, test := range []struct {
		sql  string
		want []string
	}{
		{"SELECT 1", []string{"SELECT 1"}},
		{"SELECT 1;", []string{"SELECT 1"}},
		{"SELECT 1;; ;SELECT 2", []string{"SELECT 1", "SELECT 2"}},
		{"SELECT ';', \";\", `;`, [;] -- ;\n; SELECT /* ; */ 2", []string{"SELECT ';', \";\", `;`, [;] -- ;\n", "SELECT /* ; */ 2"}},
		{"SELECT 'it''s; one'; SELECT 2", []string{"SELECT 'it''s; one'", "SELECT 2"}},
		{trigger + "; SELECT 1", []string{trigger, "SELECT 1"}},
		{"explain " + trigger + ";SELECT 1", []string{"explain " + trigger, "SELECT 1"}},
		{"CREATE TABLE trigger_(a); INSERT INTO t VALUES (1)", []string{"CREATE TABLE trigger_(a)", "INSERT INTO t VALUES (1)"}},
		{"SELECT 'not ended; SELECT 2", []string{"SELECT 'not ended; SELECT 2"}},
		{"", nil}, {" ; -- x", nil}, {"/* not ended", nil},
	} {
		var got []string
		for _, s := range split(test.sql).statements {
			got = append(got, strings.TrimPrefix(s.sql, " "))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q\n became %q,\n not %q", test.sql, got, test.want)
		}
	}
}

func TestVerbs(t *testing.T) {
	for sql, want := range map[string]verb{
		"SELECT 1": other, "begin immediate": begins, " -- x\n COMMIT": ends, "END": ends, "ROLLBACK": ends, "ROLLBACK TRANSACTION": ends,
		"savepoint a": savepoint, "RELEASE a": savepoint, "rollback to a": savepoint, "ROLLBACK TRANSACTION TO SAVEPOINT a": savepoint,
		"beginning": other,
	} {
		if got := split(sql).statements[0].verb; got != want {
			t.Errorf("%q is %d, not %d", sql, got, want)
		}
	}
}

// FuzzSplit: nothing of a text is lost but what ends its statements, and no statement is empty.
func FuzzSplit(f *testing.F) {
	f.Add("SELECT 1; CREATE TRIGGER x BEGIN SELECT ';'; END; --")
	f.Fuzz(func(t *testing.T, sql string) {
		at := 0
		for _, s := range split(sql).statements {
			place := strings.Index(sql[at:], s.sql)
			if place < 0 || strings.Trim(s.sql, " \t\n\v\f\r;") == "" {
				t.Fatalf("%q has the statement %q", sql, s.sql)
			}
			at += place + len(s.sql)
		}
	})
}

func TestTexts(t *testing.T) {
	remembered := texts{most: 2}
	first := remembered.find("SELECT 1")
	if remembered.find("SELECT 1") != first {
		t.Error("a text is not remembered")
	}
	for _, sql := range []string{"SELECT 2", "SELECT 3", "SELECT 4", "SELECT 5", "SELECT 6"} {
		remembered.find(sql)
	}
	if len(remembered.young)+len(remembered.old) > 4 {
		t.Error("too many texts are remembered")
	}
	if remembered.find("SELECT 1") == first {
		t.Error("a text is remembered for ever")
	}
}

func TestOptions(t *testing.T) {
	o, err := parse("main?_txlock=immediate&encoding=json&batch=10&busy_timeout=5&timefmt=unixms&&texts=0")
	if err != nil || o.handler != "main" || o.lock != "immediate" || !o.json || o.batch != 10 || o.busyTimeout != 5e6 || o.times != timesUnixMilli || o.texts != 0 {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := parse(""); err != nil || o != defaults {
		t.Errorf("got %+v, %v", o, err)
	}
	for name, want := range map[string]string{
		"?batch=x": `batch="x" is not understood; it is rows, 1 to 1000000`, "?x=1": "there are: encoding, txlock, timefmt, batch, busy_timeout, texts",
		"?txlock": "deferred, immediate or exclusive", "?timefmt=tea": "sqlite, rfc3339, unix",
	} {
		if _, err := parse(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
