package driver

import (
	"context"
	"database/sql/driver"
	"errors"
)

// stmt is a prepared statement: a text whose parameters are known.
type stmt struct {
	conn      *conn
	statement *statement
	closed    bool
}

var (
	_ driver.Stmt              = (*stmt)(nil)
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

var errClosed = errors.New("sqlproxy: the statement is closed")

func (s *stmt) Close() error {
	s.closed = true
	return nil
}

// NumInput is the number of parameters.
func (s *stmt) NumInput() int { return s.statement.input }

func (s *stmt) CheckNamedValue(value *driver.NamedValue) error { return checkValue(value) }

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.closed {
		return nil, errClosed
	}
	return s.conn.exec(ctx, s.statement, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.closed {
		return nil, errClosed
	}
	r := &rows{conn: s.conn, ctx: ctx}
	if err := r.open(s.statement, args); err != nil {
		return nil, err
	}
	return r, nil
}

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), numbered(args))
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), numbered(args))
}

func numbered(args []driver.Value) []driver.NamedValue {
	list := make([]driver.NamedValue, len(args))
	for i, value := range args {
		list[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	return list
}
