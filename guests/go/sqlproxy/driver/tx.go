package driver

import (
	"context"
	"database/sql/driver"
	"errors"
)

// tx is a transaction of one connection. Its number goes with each request, so that nothing runs
// outside of it by accident, should SQLite have rolled it back.
type tx struct {
	conn    *conn
	id      int64
	request uint64
	nested  bool // savepoints were made as SQL text: the innermost has another number then
}

var _ driver.Tx = (*tx)(nil)

// alive: what the host has open ends with the request that it serves.
func (t *tx) alive() error {
	if t == nil || t.request == currentRequest() {
		return nil
	}
	return errors.New("sqlproxy: the transaction was rolled back when the request ended in which it was begun")
}

// named is the number to send; 0 for none.
func (t *tx) named() int64 {
	if t == nil || t.nested {
		return 0
	}
	return t.id
}

// Commit ends savepoints inside, too. If it fails the transaction is rolled back, because database/sql
// takes it for ended and hands its connection on.
func (t *tx) Commit() error {
	c := t.conn
	cmd := &command{name: "commit"}
	if t.nested {
		cmd = &command{name: "exec", sql: "COMMIT"}
	}
	answered, err := c.once(context.Background(), cmd)
	c.release(&answered)
	if err != nil {
		return errors.Join(err, t.Rollback())
	}
	t.ended()
	return nil
}

// Rollback undoes the transaction. One that SQLite has rolled back already is none of an error.
func (t *tx) Rollback() error {
	c := t.conn
	if t.alive() != nil {
		t.ended()
		return nil
	}
	t.nested = false
	answered, err := c.once(context.Background(), &command{name: "rollback"})
	c.release(&answered)
	var failure *Error
	if errors.As(err, &failure) && failure.Extended == codeMisuse {
		err = nil
	}
	if err == nil {
		t.ended()
	}
	return err
}

func (t *tx) ended() {
	if t.conn.tx == t {
		t.conn.tx = nil
	}
	t.conn.host.released()
}
