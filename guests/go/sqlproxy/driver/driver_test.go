//go:build !wasip1

package driver_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func TestWithoutHandler(t *testing.T) {
	driver.SetHostHandler(nil)
	db, err := sql.Open("sqlproxy", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "no host handler is set; call driver.SetHostHandler") {
		t.Errorf("got %v", err)
	}
	if _, err := (&driver.Driver{}).Open(""); err == nil {
		t.Error("a connection was opened without a handler")
	}
	driver.RegisterHostHandler("known", func([]byte) ([]byte, error) { return nil, io.EOF })
	defer driver.RegisterHostHandler("known", nil)
	if _, err := (&driver.Driver{}).Open("unknown"); err == nil || !strings.Contains(err.Error(), "known") {
		t.Errorf("got %v", err)
	}
}

// scripted answers requests in turn, and counts those it was asked.
type scripted struct {
	answers []string
	asked   int
}

func (s *scripted) handle([]byte) ([]byte, error) {
	s.asked++
	if len(s.answers) == 0 {
		return nil, errors.New("the handler is gone")
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return []byte(answer), nil
}

func open(t *testing.T, answers ...string) (*sql.DB, *scripted) {
	t.Helper()
	s := &scripted{answers: answers}
	driver.SetHostHandler(s.handle)
	t.Cleanup(func() { driver.SetHostHandler(nil) })
	db, err := sql.Open("sqlproxy", "")
	if err != nil {
		t.Fatal(err)
	}
	return db, s
}

// A request whose outcome nobody knows is not made again: no driver.ErrBadConn. The connection is not
// used again either.
func TestHandlerFails(t *testing.T) {
	db, s := open(t)
	_, err := db.Exec("INSERT INTO t VALUES (1)")
	if err == nil || err.Error() != "the handler is gone" || s.asked != 1 {
		t.Errorf("got %v after %d requests", err, s.asked)
	}
	if open := db.Stats().OpenConnections; open != 0 {
		t.Errorf("%d connections are left", open)
	}
	_, err = db.Query("SELECT 1")
	if errors.Is(err, sqldriver.ErrBadConn) || s.asked != 2 {
		t.Errorf("got %v after %d requests", err, s.asked)
	}
}

func TestMalformedAnswers(t *testing.T) {
	head := "\x83\xa7columns\x91\xa1a\xa9decltypes\x91\xc0\xa4rows"
	for _, answer := range []string{
		"", "\xc0", "{}", "\x81", "\x81\xa5error\xc0", "\x81\xa5error\x81\xa4code\x01", "\x80", "\x83\xa7columns\x91\xa1a\xa9decltypes\x92\xc0\xc0\xa4rows\x90",
		head + "\x91", head + "\x91\x92\x01\x02", head + "\x91\x91\x91\x01", head + "\xdd\xff\xff\xff\xff", head + "\x91\x91\xdb\x00\x00\x00\x09x",
		"\x84\xa7columns\x91\xa1a\xa9decltypes\x91\xc0\xa4rows\x90\xa9cursor_id\xa1x",
	} {
		db, _ := open(t, answer)
		var n any
		err := db.QueryRow("SELECT 1").Scan(&n)
		if err == nil || errors.Is(err, sqldriver.ErrBadConn) || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%q: %v, %v", answer, n, err)
		}
		if open := db.Stats().OpenConnections; open != 0 {
			t.Errorf("%q: %d connections are left", answer, open)
		}
	}
}

// FuzzAnswer: whatever a host answers, there are rows or an error.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\xdf\x00\x00\x00\x03\xa7columns\xdd\x00\x00\x00\x01\xa11\xa9decltypes\xdd\x00\x00\x00\x01\xa4DATE\xa4rows\xdd\x00\x00\x00\x01\xdd\x00\x00\x00\x01\x01"))
	f.Add([]byte("\x84\xa7columns\x91\xa1a\xa9decltypes\x91\xc0\xa4rows\x91\x91\xca\x00\x00\x00\x00\xa9cursor_id\x05"))
	f.Add([]byte("\x81\xa5error\x83\xa4code\xabSQLITE_BUSY\xa8extended\x01\xa7message\xa1x"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		asked := 0
		driver.RegisterHostHandler("fuzz", func([]byte) ([]byte, error) {
			if asked++; asked > 3 {
				return nil, errors.New("enough")
			}
			return append([]byte{}, answer...), nil
		})
		db, err := sql.Open("sqlproxy", "fuzz?busy_timeout=0")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		rows, err := db.Query("SELECT 1")
		if err != nil {
			return
		}
		columns, _ := rows.Columns()
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		for rows.Next() && rows.Scan(values...) == nil {
		}
		rows.Close()
	})
}

// All optional interfaces, also those that only a type assertion would miss.
func TestInterfaces(t *testing.T) {
	open(t, "\x80")
	conn, err := (&driver.Driver{}).Open("")
	if err != nil {
		t.Fatal(err)
	}
	_, isReset := conn.(sqldriver.SessionResetter)
	_, isValid := conn.(sqldriver.Validator)
	_, isPinger := conn.(sqldriver.Pinger)
	if !isReset || !isValid || !isPinger {
		t.Error("an interface is missing")
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.(sqldriver.QueryerContext).QueryContext(context.Background(), "SELECT 1", nil); err != sqldriver.ErrBadConn {
		t.Errorf("a closed connection says %v", err)
	}
}
