// Package driver is a database/sql driver for programs that run inside SQLite: what they ask runs on
// the very connection of the host that runs them, in its transaction.
//
//	import (
//		"database/sql"
//		_ "github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
//	)
//
//	db, err := sql.Open("sqlproxy", "")
//
// Compiled for WASI (GOOS=wasip1), the host is there by itself. Elsewhere, for tests, SetHostHandler
// says who answers.
//
//	driver.go   registration, connectors
//	host.go     handlers: who answers requests
//	dsn.go      options
//	conn.go     connections: statements, transactions
//	request.go  one request: encoding, sending, waiting while the database is busy
//	stmt.go     prepared statements
//	rows.go     rows, in batches
//	many.go     one statement for many rows of values
//	each.go     rows without database/sql
//	columns.go  what columns are declared as
//	values.go   values that are bound
//	times.go    times as SQLite has them
//	text.go     SQL texts of several statements
//	errors.go   errors
package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
)

func init() { sql.Register("sqlproxy", &Driver{}) }

// Driver is registered as "sqlproxy".
type Driver struct{}

var (
	_ driver.DriverContext = (*Driver)(nil)
	_ driver.Connector     = (*connector)(nil)
	_ io.Closer            = (*connector)(nil)
)

// Open opens a connection. The README says what a name may be; "" is right almost always.
func (d *Driver) Open(name string) (driver.Conn, error) {
	connector, err := d.OpenConnector(name)
	if err != nil {
		return nil, err
	}
	return connector.Connect(context.Background())
}

// OpenConnector reads a name. Whether there is a handler is asked at the first connection.
func (d *Driver) OpenConnector(name string) (driver.Connector, error) {
	options, err := parse(name)
	if err != nil {
		return nil, err
	}
	return &connector{driver: d, options: options}, nil
}

type connector struct {
	driver  *Driver
	options options
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	host, err := find(c.options.handler)
	if err != nil {
		return nil, err
	}
	return newConn(host, c.options), nil
}

func (c *connector) Driver() driver.Driver { return c.driver }

// Close has nothing to do: connections are closed by sql.DB, and handlers stay.
func (c *connector) Close() error { return nil }
