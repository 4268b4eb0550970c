package conformance

import (
	"database/sql"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/sqlbridge/sqlbridge/guests/go/conformance/sqlitehost"
	"github.com/sqlbridge/sqlbridge/guests/go/internal/suite"
	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

var names atomic.Int64

// newHost registers a handler over an empty database, and returns its name.
func newHost(t *testing.T) (string, *sqlitehost.Host) {
	t.Helper()
	host, err := sqlitehost.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	name := "host" + strconv.FormatInt(names.Add(1), 10)
	driver.RegisterHostHandler(name, host.Handle)
	t.Cleanup(func() {
		driver.RegisterHostHandler(name, nil)
		if err := host.Idle(); err != nil {
			t.Error(err)
		}
		host.Close()
	})
	return name, host
}

func TestSuite(t *testing.T) {
	for _, encoding := range []string{"msgpack", "json"} {
		t.Run(encoding, func(t *testing.T) {
			hosts := map[string]string{}
			suite.Run(t, func(t *testing.T, options string) *sql.DB {
				name, ok := hosts[t.Name()]
				if !ok {
					name, _ = newHost(t)
					hosts[t.Name()] = name
				}
				if options == "" {
					options = "?"
				}
				db, err := sql.Open("sqlproxy", name+options+"&encoding="+encoding)
				if err != nil {
					t.Fatal(err)
				}
				return db
			})
		})
	}
}
