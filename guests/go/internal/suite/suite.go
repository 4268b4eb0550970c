// Package suite are the tests of the driver against a real SQLite. They run twice: natively, over the
// host of the module conformance, and as a guest, inside a database (`go test -c` for wasip1).
//
//	suite.go         running them
//	values.go        values there and back
//	statements.go    parameters, texts of several statements, results, errors
//	transactions.go  transactions, connections that wait for each other
//	rows.go          rows, columns, contexts
package suite

import (
	"context"
	"database/sql"
	"errors"
	"testing"
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
	rows, err := db.Query("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND type IN ('table', 'view')")
	if err != nil {
		t.Fatal(err)
	}
	var drops []string
	for rows.Next() {
		var kind, name string
		if err := rows.Scan(&kind, &name); err != nil {
			t.Fatal(err)
		}
		drops = append(drops, "DROP "+kind+` "`+name+`"`)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, drop := range drops {
		if _, err := db.Exec(drop); err != nil {
			t.Fatal(err)
		}
	}
}

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
