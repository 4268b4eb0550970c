// bench measures the driver from the inside: nanoseconds per call, one line for each loop, the best of
// three. Lines are `name ns_per_call`.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
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
	measure("select_1_each", *selects, func() { selectEach(db) })
	measure("select_1_conn_each", *selects, func() { selectOnConn(db) })
	prepare(db)
	measure("insert_in_transaction", *inserts, func() { insert(db) })
	measure("insert_in_transaction_many", *inserts, func() { insertMany(db) })
	measure("row_of_4_columns", *rows, func() { read(db) })
	measure("row_of_4_columns_each", *rows, func() { readEach(db) })
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

var isOne = driver.Each(func(row *driver.RowReader) error {
	if row.Int() != 1 {
		return errors.New("SELECT 1 is not 1")
	}
	return nil
})

func selectEach(db *sql.DB) {
	for range *selects {
		_, err := db.Exec("SELECT 1", isOne)
		check(err)
	}
}

func selectOnConn(db *sql.DB) {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	check(err)
	defer conn.Close()
	for range *selects {
		_, err := conn.ExecContext(ctx, "SELECT 1", isOne)
		check(err)
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

func insertMany(db *sql.DB) {
	tx, err := db.Begin()
	check(err)
	defer tx.Rollback()
	_, err = tx.Exec("DELETE FROM bench")
	check(err)
	_, err = tx.Exec("INSERT INTO bench VALUES (?, ?, ?, ?)", driver.Many(func(rows *driver.RowWriter) error {
		for i := range *inserts {
			rows.Int(int64(i))
			rows.Text("a name of a row")
			rows.Float(float64(i) * 1.5)
			rows.Int(int64(i % 1000))
			if err := rows.End(); err != nil {
				return err
			}
		}
		return nil
	}))
	check(err)
	check(tx.Commit())
}

const counting = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
	SELECT i, 'a name of a row', i * 1.5, i % 1000 FROM n`

func read(db *sql.DB) {
	found, err := db.Query(counting, *rows)
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

func readEach(db *sql.DB) {
	var sum int64
	_, err := db.Exec(counting, *rows, driver.Each(func(row *driver.RowReader) error {
		id, name, score, size := row.Int(), row.Text(), row.Float(), row.Int()
		sum += id + size + int64(len(name)) + int64(score)
		return nil
	}))
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
