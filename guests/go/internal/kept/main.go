// kept is a program for tests: a reactor that keeps things from one request to the next that do not last.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy"
	_ "github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

var (
	db    *sql.DB
	count *sql.Stmt
	tx    *sql.Tx
	rows  *sql.Rows
)

func init() {
	var err error
	if db, err = sql.Open("sqlproxy", "?busy_timeout=50"); err != nil {
		panic(err)
	}
	sqlproxy.Handle(answer)
}

func main() {}

func answer(ctx context.Context, request []byte) ([]byte, error) {
	text, err := do(ctx, string(request))
	if text == "" && err == nil {
		return nil, nil
	}
	return []byte(text), err
}

func do(ctx context.Context, request string) (string, error) {
	switch request {
	case "null":
		return "", nil
	case "error":
		return "", errors.New("it went wrong")
	case "panic":
		var none map[string]int
		none["x"] = 1
	case "not UTF-8":
		return "\xff", nil
	case "blobs from now on":
		sqlproxy.HandleBlob(answer)
		return "ok", nil
	case "count":
		return counted()
	case "begin":
		var err error
		if tx, err = db.Begin(); err != nil {
			return "", err
		}
		_, err = tx.Exec("INSERT INTO t VALUES ('left open')")
		return "ok", err
	case "insert into it":
		_, err := tx.Exec("INSERT INTO t VALUES ('too late')")
		return "ok", err
	case "commit it":
		return "ok", tx.Commit()
	case "open rows":
		var err error
		if rows, err = db.Query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n"); err != nil {
			return "", err
		}
		return fmt.Sprint(rows.Next()), nil
	case "read on":
		read := 0
		for rows.Next() {
			read++
		}
		return fmt.Sprint(read), rows.Err()
	case "two connections":
		return twoConnections()
	case "goroutines":
		return goroutines(ctx)
	}
	return "", fmt.Errorf("what is %q?", request)
}

// counted uses a statement that was prepared in another request.
func counted() (string, error) {
	if count == nil {
		var err error
		if count, err = db.Prepare("SELECT count(*) FROM t"); err != nil {
			return "", err
		}
	}
	var n int
	err := count.QueryRow().Scan(&n)
	return fmt.Sprint(n), err
}

// twoConnections does what would wait for itself: a statement outside of the transaction that is open.
func twoConnections() (string, error) {
	inside, err := db.Begin()
	if err != nil {
		return "", err
	}
	defer inside.Rollback()
	_, err = db.Exec("INSERT INTO t VALUES ('outside')")
	return "ok", err
}

// goroutines: timers and channels work while a request is served.
func goroutines(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	results := make(chan int)
	for i := range 3 {
		go func() {
			var n int
			if err := db.QueryRow("SELECT ? * 2", i).Scan(&n); err != nil {
				n = -100
			}
			results <- n
		}()
	}
	sum := <-results + <-results + <-results
	<-ctx.Done()
	return fmt.Sprint(sum, " ", ctx.Err()), nil
}
