// report prints what was sold in a month, per item:
//
//	SELECT line FROM sqlproxy_serve(readfile('go-report.wasm'), '{"args": ["--month", "2026-11"]}');
package main

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"time"

	_ "github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func main() {
	month := flag.String("month", time.Now().UTC().Format("2006-01"), "the month, as YYYY-MM")
	flag.Parse()
	if err := report(*month); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(month string) error {
	if _, err := time.Parse("2006-01", month); err != nil {
		return fmt.Errorf("--month %s is not of the form YYYY-MM", month)
	}
	db, err := sql.Open("sqlproxy", "")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(`SELECT item, count(*), sum(price) FROM orders
		WHERE strftime('%Y-%m', sold_at) = ? GROUP BY item ORDER BY 3 DESC, item`, month)
	if err != nil {
		return err
	}
	defer rows.Close()
	fmt.Println("sales in", month)
	total := 0.0
	for rows.Next() {
		var item string
		var count int
		var sum float64
		if err := rows.Scan(&item, &count, &sum); err != nil {
			return err
		}
		fmt.Printf("%-10s %4d %10.2f\n", item, count, sum)
		total += sum
	}
	fmt.Printf("%-10s %4s %10.2f\n", "total", "", total)
	return rows.Err()
}
