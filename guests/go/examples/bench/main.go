// bench measures the driver from the inside: nanoseconds per call, one line for each loop, the best of
// three. Lines are `name ns_per_call`.
package main

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"time"

	_ "github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

var (
	selects = flag.Int("selects", 100_000, "calls of SELECT 1")
	rows    = flag.Int("rows", 1_000_000, "rows of 4 columns to read")
	inserts = flag.Int("inserts", 100_000, "rows to insert in one transaction")
	options = flag.String("options", "", "the data source name")
)

func main() {
	flag.Parse()
	db, err := sql.Open("sqlproxy", *options)
	check(err)
	defer db.Close()
	measure("select_1_prepared", *selects, func() { selectPrepared(db) })
	measure("select_1_text", *selects, func() { selectText(db) })
	prepare(db)
	measure("insert_in_transaction", *inserts, func() { insert(db) })
	measure("row_of_4_columns", *rows, func() { read(db) })
	_, err = db.Exec("DELETE FROM bench")
	check(err)
}

func measure(name string, calls int, run func()) {
	best := time.Duration(1<<63 - 1)
	for range 3 {
		started := time.Now()
		run()
		best = min(best, time.Since(started))
	}
	fmt.Printf("%s %.0f\n", name, float64(best.Nanoseconds())/float64(max(calls, 1)))
}

func selectPrepared(db *sql.DB) {
	s, err := db.Prepare("SELECT 1")
	check(err)
	defer s.Close()
	for range *selects {
		var n int64
		check(s.QueryRow().Scan(&n))
	}
}

func selectText(db *sql.DB) {
	for range *selects {
		var n int64
		check(db.QueryRow("SELECT 1").Scan(&n))
	}
}

func prepare(db *sql.DB) {
	_, err := db.Exec("CREATE TABLE IF NOT EXISTS bench(id INTEGER PRIMARY KEY, name TEXT, score REAL, size INTEGER)")
	check(err)
}

func insert(db *sql.DB) {
	tx, err := db.Begin()
	check(err)
	defer tx.Rollback()
	_, err = tx.Exec("DELETE FROM bench")
	check(err)
	s, err := tx.Prepare("INSERT INTO bench VALUES (?, ?, ?, ?)")
	check(err)
	for i := range *inserts {
		_, err := s.Exec(i, "a name of a row", float64(i)*1.5, i%1000)
		check(err)
	}
	check(tx.Commit())
}

func read(db *sql.DB) {
	found, err := db.Query(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		SELECT i, 'a name of a row', i * 1.5, i % 1000 FROM n`, *rows)
	check(err)
	defer found.Close()
	var id, size int64
	var name string
	var score float64
	for found.Next() {
		check(found.Scan(&id, &name, &score, &size))
	}
	check(found.Err())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
