package suite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/sqlproxy/driver"
)

func init() {
	tests = append(tests, []entry{
		{"commit and rollback", commitAndRollback},
		{"prepared statements are in the transaction", statementsInTransaction},
		{"savepoints", savepoints},
		{"read-only transactions", readOnly},
		{"isolation levels", isolation},
		{"the lock of transactions", transactionLock},
		{"another connection does not join", doesNotJoin},
		{"another connection waits", waits},
		{"a transaction whose context ends", contextEnds},
		{"rows that are open when a transaction begins", openRows},
		{"a commit that fails is rolled back", failedCommit},
		{"transactions as SQL text", textTransactions},
		{"a transaction that SQLite rolled back", rolledBackBySQLite},
	}...)
}

func commitAndRollback(t *T) {
	t.exec("CREATE TABLE t(a)")
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.ok(err)
	var n int
	t.ok(tx.QueryRow("SELECT count(*) FROM t").Scan(&n))
	t.equal(n, 1)
	t.ok(tx.Rollback())
	t.equal(t.one("SELECT count(*) FROM t"), int64(0))
	t.is(tx.Commit(), sql.ErrTxDone)

	tx, err = t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.ok(err)
	t.ok(tx.Commit())
	t.equal(t.one("SELECT count(*) FROM t"), int64(1))
}

// The earlier driver sent no tx_id with prepared statements: they ran outside.
func statementsInTransaction(t *T) {
	t.exec("CREATE TABLE t(a)")
	outside, err := t.DB.Prepare("INSERT INTO t VALUES (?)")
	t.ok(err)
	defer outside.Close()
	tx, err := t.DB.Begin()
	t.ok(err)
	inside, err := tx.Prepare("INSERT INTO t VALUES (?) RETURNING a")
	t.ok(err)
	_, err = tx.Stmt(outside).Exec(1)
	t.ok(err)
	var a int
	t.ok(inside.QueryRow(2).Scan(&a))
	t.equal(a, 2)
	t.ok(tx.Rollback())
	t.equal(t.one("SELECT count(*) FROM t"), int64(0))
}

func savepoints(t *T) {
	t.exec("CREATE TABLE t(a)")
	tx, err := t.DB.Begin()
	t.ok(err)
	for _, query := range []string{
		"INSERT INTO t VALUES (1)", "SAVEPOINT one", "INSERT INTO t VALUES (2)", "SAVEPOINT two", "INSERT INTO t VALUES (3)",
		"ROLLBACK TO one", "INSERT INTO t VALUES (4)", "RELEASE one", "SAVEPOINT three", "INSERT INTO t VALUES (5)",
	} {
		if _, err := tx.Exec(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	t.ok(tx.Commit())
	t.equal(t.one("SELECT group_concat(a) FROM t"), "1,4,5")

	tx, err = t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("SAVEPOINT one; DELETE FROM t")
	t.ok(err)
	t.ok(tx.Rollback())
	t.equal(t.one("SELECT count(*) FROM t"), int64(3))
}

func readOnly(t *T) {
	t.exec("CREATE TABLE t(a)")
	tx, err := t.DB.BeginTx(background, &sql.TxOptions{ReadOnly: true})
	t.ok(err)
	var n int
	t.ok(tx.QueryRow("SELECT count(*) FROM t").Scan(&n))
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.is(err, driver.ErrReadOnly)
	t.ok(tx.Commit())
	t.exec("INSERT INTO t VALUES (1)")
	t.equal(t.one("SELECT count(*) FROM t"), int64(1))
}

func isolation(t *T) {
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelSerializable, sql.LevelLinearizable} {
		tx, err := t.DB.BeginTx(background, &sql.TxOptions{Isolation: level})
		t.ok(err)
		t.ok(tx.Rollback())
	}
	for _, level := range []sql.IsolationLevel{sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelSnapshot} {
		if _, err := t.DB.BeginTx(background, &sql.TxOptions{Isolation: level}); err == nil {
			t.Errorf("%v was accepted", level)
		}
	}
}

func transactionLock(t *T) {
	for _, lock := range []string{"deferred", "immediate", "exclusive"} {
		db := t.Open("?_txlock=" + lock)
		tx, err := db.Begin()
		t.ok(err)
		_, err = tx.Exec("CREATE TABLE t(a)")
		t.ok(err)
		t.ok(tx.Rollback())
	}
	_, err := sql.Open("sqlproxy", "?txlock=none")
	if err == nil {
		t.Error("txlock=none was accepted")
	}
}

func doesNotJoin(t *T) {
	t.exec("CREATE TABLE t(a)")
	other := t.Open("?busy_timeout=0")
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = other.Exec("INSERT INTO t VALUES ('joined')")
	t.is(err, driver.ErrBusy)
	_, err = other.Query("SELECT * FROM t")
	t.is(err, driver.ErrBusy)
	_, err = other.Begin()
	t.is(err, driver.ErrBusy)
	t.ok(tx.Rollback())
	_, err = other.Exec("INSERT INTO t VALUES ('after')")
	t.ok(err)

	// A second connection of the same sql.DB, too; it waits, and then says who is in the way.
	slow := t.Open("?busy_timeout=20")
	tx, err = slow.Begin()
	t.ok(err)
	_, err = slow.Exec("INSERT INTO t VALUES ('joined')")
	t.is(err, driver.ErrBusy)
	t.ok(tx.Rollback())
	t.equal(t.one("SELECT group_concat(a) FROM t"), "after")
}

func waits(t *T) {
	t.exec("CREATE TABLE t(a)")
	db := t.Open("?busy_timeout=60000")
	tx, err := db.Begin()
	t.ok(err)
	var wait sync.WaitGroup
	failures := make(chan error, 10)
	for i := range 5 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if _, err := db.Exec("INSERT INTO t VALUES (?)", i); err != nil {
				failures <- err
			}
		}()
	}
	time.Sleep(5 * time.Millisecond)
	_, err = tx.Exec("INSERT INTO t VALUES ('first')")
	t.ok(err)
	t.ok(tx.Commit())
	wait.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	t.equal(t.one("SELECT count(*) FROM t"), int64(6))
	t.equal(t.one("SELECT a FROM t LIMIT 1"), "first")

	// Who waits with a context stops waiting with it.
	tx, err = db.Begin()
	t.ok(err)
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(ctx, "INSERT INTO t VALUES ('never')")
	t.is(err, context.DeadlineExceeded)
	t.ok(tx.Rollback())
}

func contextEnds(t *T) {
	t.exec("CREATE TABLE t(a)")
	ctx, cancel := context.WithCancel(background)
	tx, err := t.DB.BeginTx(ctx, nil)
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.ok(err)
	cancel()
	if err := tx.Commit(); !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("got %v", err)
	}
	t.equal(t.one("SELECT count(*) FROM t"), int64(0))
}

func openRows(t *T) {
	t.exec("CREATE TABLE t(a)")
	fill(t, 500)
	rows, err := t.DB.Query("SELECT a FROM t")
	t.ok(err)
	defer rows.Close()
	t.equal(rows.Next(), true)
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("UPDATE t SET a = -a")
	t.ok(err)
	t.ok(tx.Commit())
	count := 1
	for rows.Next() {
		count++
	}
	t.ok(rows.Err())
	t.equal(count, 500)
}

func failedCommit(t *T) {
	t.exec("CREATE TABLE t(a)")
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.ok(err)
	// Rows of a statement that writes are not all read: SQLite cannot commit.
	rows, err := tx.Query(numbers("INSERT INTO t SELECT i FROM n RETURNING a", 100))
	t.ok(err)
	t.equal(rows.Next(), true)
	if err := tx.Commit(); err == nil {
		// database/sql closes rows before it commits, from Go 1.x on: then there is nothing in the way.
		t.equal(t.one("SELECT count(*) FROM t"), int64(101))
	} else {
		t.equal(t.one("SELECT count(*) FROM t"), int64(0))
	}
	rows.Close()
	tx, err = t.DB.Begin() // nothing is left open
	t.ok(err)
	t.ok(tx.Rollback())
}

func textTransactions(t *T) {
	t.exec("CREATE TABLE t(a)")
	conn, err := t.DB.Conn(background)
	t.ok(err)
	run := func(query string) error {
		_, err := conn.ExecContext(background, query)
		return err
	}
	t.ok(run("BEGIN IMMEDIATE"))
	t.ok(run("INSERT INTO t VALUES (1)"))
	other := t.Open("?busy_timeout=0")
	_, err = other.Exec("INSERT INTO t VALUES (2)")
	t.is(err, driver.ErrBusy)
	t.ok(run("ROLLBACK"))
	_, err = other.Exec("INSERT INTO t VALUES (3)")
	t.ok(err)
	t.is(run("COMMIT"), driver.ErrorCode("SQLITE_ERROR"))
	t.ok(run("BEGIN"))
	t.ok(run("INSERT INTO t VALUES (4)"))
	t.ok(run("END"))
	t.ok(conn.Close())
	t.equal(t.one("SELECT group_concat(a) FROM t"), "3,4")
}

// Its number goes with each request: nothing runs outside by accident.
func rolledBackBySQLite(t *T) {
	t.exec("CREATE TABLE t(a UNIQUE)")
	tx, err := t.DB.Begin()
	t.ok(err)
	_, err = tx.Exec("INSERT INTO t VALUES (1)")
	t.ok(err)
	_, err = tx.Exec("ROLLBACK")
	t.ok(err)
	if _, err = tx.Exec("INSERT INTO t VALUES (2)"); err == nil {
		t.Error("a statement ran outside of its transaction")
	}
	t.ok(tx.Rollback())
	t.equal(t.one("SELECT count(*) FROM t"), int64(0))
}
