// Package sqlite3 stands in for mattn/go-sqlite3 in other people's test suites: the driver "sqlite3" is
// sqlproxy's, over a host with the database of that name. go.mod says `replace`.
package sqlite3

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"

	"github.com/sqlbridge/sqlbridge/guests/go/conformance/sqlitehost"
	sqlproxy "github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func init() { sql.Register("sqlite3", &SQLiteDriver{}) }

// SQLiteDriver is the stand-in.
type SQLiteDriver struct{}

var hosts = struct {
	sync.Mutex
	open map[string]*sqlitehost.Host
}{open: map[string]*sqlitehost.Host{}}

// Open opens a connection to the database of a name; all connections of a name share it.
func (*SQLiteDriver) Open(name string) (driver.Conn, error) {
	hosts.Lock()
	defer hosts.Unlock()
	file, options, _ := strings.Cut(name, "?")
	if hosts.open[file] == nil {
		host, err := sqlitehost.Open(file)
		if err != nil {
			return nil, err
		}
		if strings.Contains(options, "_foreign_keys=1") {
			if err := host.Raw().Exec("PRAGMA foreign_keys = ON"); err != nil {
				return nil, err
			}
		}
		hosts.open[file] = host
		sqlproxy.RegisterHostHandler(file, host.Handle)
	}
	connector, err := (&sqlproxy.Driver{}).OpenConnector(file)
	if err != nil {
		return nil, err
	}
	return connector.Connect(context.Background())
}
