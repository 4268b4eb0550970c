// Package suite are the tests of the driver against a real SQLite. They run twice: natively, over the
// host of the module conformance, and as a guest, inside a database (`go test -c` for wasip1).
//
//	suite.go         running them
//	values.go        values there and back
//	statements.go    parameters, texts of several statements, results, errors
//	transactions.go  transactions, connections that wait for each other
//	rows.go          rows, columns, contexts
//	many.go          many rows of values, each row of a result
package suite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

// T is one test with an empty database.
type T struct {
	*testing.T
	DB *sql.DB
	// Open opens the same database once more, with options such as "?txlock=immediate".
	Open func(options string) *sql.DB
}

// tests is filled by the files of this package.
var tests []entry

type entry struct {
	name string
	run  func(*T)
}

// Run runs all tests. open opens the database; it is emptied after each test.
func Run(t *testing.T, open func(t *testing.T, options string) *sql.DB) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			again := func(options string) *sql.DB {
				db := open(t, options)
				t.Cleanup(func() { db.Close() })
				return db
			}
			db := again("")
			t.Cleanup(func() { empty(t, db) })
			test.run(&T{T: t, DB: db, Open: again})
		})
	}
}

func empty(t *testing.T, db *sql.DB) {
	rows, err := db.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'aside_*'`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		putAway(t, db, name)
	}
}

// putAway makes the name of a table free. Inside of a SELECT of the host's, SQLite drops no tables: there
// they are renamed, and dropped with the database.
func putAway(t *testing.T, db *sql.DB, name string) {
	_, err := db.Exec(`DROP TABLE "` + name + `"`)
	if errors.Is(err, driver.ErrLocked) {
		aside++
		_, err = db.Exec(fmt.Sprintf(`ALTER TABLE "%s" RENAME TO "aside_%d"`, name, aside))
	}
	if err != nil {
		t.Error(err)
	}
}

var aside int

func (t *T) exec(query string, args ...any) sql.Result {
	t.Helper()
	done, err := t.DB.Exec(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return done
}

// one is the value of a query with one row and one column.
func (t *T) one(query string, args ...any) any {
	t.Helper()
	var value any
	if err := t.DB.QueryRow(query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func (t *T) equal(got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("got %#v (%T), want %#v (%T)", got, got, want, want)
	}
}

func (t *T) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is checks for an error.
func (t *T) is(err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

var background = context.Background()
