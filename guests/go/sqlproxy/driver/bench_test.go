package driver_test

import (
	"database/sql"
	"testing"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

// What the driver and database/sql cost, without a database: a handler that always says the same.
func BenchmarkSelect1(b *testing.B) {
	answer := []byte("\xdf\x00\x00\x00\x03\xa7columns\xdd\x00\x00\x00\x01\xa11\xa9decltypes\xdd\x00\x00\x00\x01\xc0\xa4rows\xdd\x00\x00\x00\x01\xdd\x00\x00\x00\x01\x01")
	driver.RegisterHostHandler("bench", func([]byte) ([]byte, error) { return answer, nil })
	db, err := sql.Open("sqlproxy", "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var n int64
		if err := db.QueryRow("SELECT 1").Scan(&n); err != nil || n != 1 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkExec(b *testing.B) {
	answer := []byte("\xdf\x00\x00\x00\x02\xaelast_insert_id\x01\xadrows_affected\x01")
	driver.RegisterHostHandler("bench", func([]byte) ([]byte, error) { return answer, nil })
	db, err := sql.Open("sqlproxy", "bench")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Exec("INSERT INTO t VALUES (?, ?, ?)", 1000, "text", 1.5); err != nil {
			b.Fatal(err)
		}
	}
}
