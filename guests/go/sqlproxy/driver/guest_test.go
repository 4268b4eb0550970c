//go:build wasip1

package driver_test

import (
	"database/sql"
	"testing"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/suite"
	_ "github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

// TestInDatabase runs the suite inside of a database: `make all` compiles it to go-suite.wasm.
func TestInDatabase(t *testing.T) {
	suite.Run(t, func(t *testing.T, options string) *sql.DB {
		db, err := sql.Open("sqlproxy", options)
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}
