package conformance

// Suites of others that are run with our driver (`make test`): they are here so that go.mod names them.
import (
	_ "github.com/jmoiron/sqlx"
	_ "github.com/mattn/go-sqlite3"
)
