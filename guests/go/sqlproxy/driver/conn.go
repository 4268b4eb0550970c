package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// conn is one of the program's connections. All run on the one connection of the host: while one has a
// transaction open, the others wait.
type conn struct {
	host    *host
	options options
	id      int64
	texts   texts
	tx      *tx
	broken  bool
	out     wire.Encoder
	spare   []byte // for an answer
	boxes   boxes
}

var (
	_ driver.Conn               = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

func newConn(host *host, options options) *conn {
	return &conn{host: host, options: options, id: host.newID(), texts: texts{most: options.texts}}
}

// Ping asks the host for its version.
func (c *conn) Ping(ctx context.Context) error {
	answered, err := c.send(ctx, &command{name: "ping"})
	if err != nil {
		return err
	}
	version := int64(0)
	err = c.entries(&answered, func(key string) (known bool, err error) {
		if key == "version" {
			version, err = answered.Int()
			return true, err
		}
		return false, nil
	})
	c.release(&answered)
	if err == nil && version < 1 {
		return fmt.Errorf("sqlproxy: the host interface has the version %d, and 1 is needed", version)
	}
	return err
}

func (c *conn) CheckNamedValue(value *driver.NamedValue) error { return checkValue(value) }

// ExecContext runs all statements of a text. The result is that of the last one.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	statements := c.texts.find(query).statements
	if len(statements) == 1 {
		return c.exec(ctx, statements[0], args)
	}
	var last driver.Result = result{}
	for i, s := range statements {
		mine, rest, err := c.share(ctx, s, args)
		if err == nil {
			args = rest
			last, err = c.exec(ctx, s, mine)
		}
		if err != nil {
			return nil, inStatement(err, i+1)
		}
	}
	return last, leftOver(args)
}

// QueryContext runs the statements of a text up to the first that has rows; Rows.NextResultSet goes on
// from there.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	statements := c.texts.find(query).statements
	r := &rows{conn: c, ctx: ctx}
	if len(statements) == 1 {
		if err := r.open(statements[0], args); err != nil {
			return nil, err
		}
		return r, nil
	}
	r.rest, r.args, r.total = statements, args, len(statements)
	if err := r.advance(); err != nil {
		return nil, err
	}
	return r, nil
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext asks the host what the statement takes and gives. The host keeps it compiled by its
// text: there is nothing to keep by a number, which would end with the host's request.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	statements := c.texts.find(query).statements
	if len(statements) != 1 {
		return nil, fmt.Errorf("sqlproxy: a prepared statement is one statement; the text has %d", len(statements))
	}
	if err := c.describe(ctx, statements[0]); err != nil {
		return nil, err
	}
	return &stmt{conn: c, statement: statements[0]}, nil
}

func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx maps isolation levels as ncruces/go-sqlite3 does. All transactions of SQLite are serializable;
// the level says how early others are kept out.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	cmd := &command{name: "begin_tx", readOnly: options.ReadOnly}
	switch sql.IsolationLevel(options.Isolation) {
	case sql.LevelDefault:
		cmd.mode = c.options.lock
		if options.ReadOnly {
			cmd.mode = "deferred"
		}
	case sql.LevelSerializable:
		cmd.mode = "immediate"
	case sql.LevelLinearizable:
		cmd.mode = "exclusive"
	default:
		return nil, fmt.Errorf("sqlproxy: SQLite has no isolation level %q; there are Default, Serializable (takes the lock for writing "+
			"at once) and Linearizable (keeps readers out, too)", sql.IsolationLevel(options.Isolation))
	}
	if c.tx != nil {
		return nil, errors.New("sqlproxy: this connection is in a transaction already; for one inside, use SAVEPOINT")
	}
	answered, err := c.send(ctx, cmd)
	if err != nil {
		return nil, err
	}
	t := &tx{conn: c, request: currentRequest()}
	if t.id, err = c.readTx(&answered); err != nil {
		return nil, err
	}
	c.tx = t
	return t, nil
}

// readTx reads the number of a transaction that was begun.
func (c *conn) readTx(answered *answer) (id int64, err error) {
	err = c.entries(answered, func(key string) (known bool, err error) {
		if key == "tx_id" {
			id, err = answered.Int()
			return true, err
		}
		return false, nil
	})
	c.release(answered)
	if err == nil && id == 0 {
		err = c.malformed(errMalformed)
	}
	return id, err
}

// ResetSession is called before the connection is used again. A transaction that could not be rolled
// back is tried once more: it would be in everybody's way.
func (c *conn) ResetSession(context.Context) error {
	if c.tx != nil && c.tx.Rollback() != nil || c.broken {
		return driver.ErrBadConn
	}
	return nil
}

func (c *conn) IsValid() bool { return !c.broken }

// Close has the host roll back and close what is open.
func (c *conn) Close() error {
	if c.broken {
		return nil
	}
	c.tx = nil
	answered, err := c.once(context.Background(), &command{name: "close_conn"})
	c.release(&answered)
	c.broken = true
	c.host.released()
	return err
}

// exec runs a statement to its end.
func (c *conn) exec(ctx context.Context, s *statement, args []driver.NamedValue) (driver.Result, error) {
	if last := len(args) - 1; last >= 0 {
		switch f := args[last].Value.(type) {
		case Each:
			return c.each(ctx, s, args[:last], f)
		case Many:
			if last > 0 {
				return nil, errManyAlone
			}
			return c.execMany(ctx, s, f)
		}
	}
	bound, err := c.bind(ctx, s, args)
	if err != nil {
		return nil, err
	}
	if s.exec == nil {
		s.exec = c.prefix(&command{name: "exec", sql: s.sql})
	}
	answered, err := c.send(ctx, &command{prefix: s.exec, entries: 2, values: bound})
	if err != nil {
		return nil, err
	}
	done, err := readResult(&answered)
	c.release(&answered)
	if err != nil {
		return nil, c.malformed(err)
	}
	c.noticed(s)
	return done, nil
}

func readResult(a *answer) (done result, err error) {
	for ; a.left > 0 && err == nil; a.left-- {
		var key []byte
		if key, err = a.Text(); err != nil {
			break
		}
		switch string(key) {
		case "last_insert_id":
			done.id, err = a.Int()
		case "rows_affected":
			done.changed, err = a.Int()
		default:
			err = a.Skip()
		}
	}
	return done, err
}

// bind brings values into the form in which they are sent.
func (c *conn) bind(ctx context.Context, s *statement, args []driver.NamedValue) (values, error) {
	named, mixed := isNamed(args)
	if !mixed {
		return values{list: args, named: named}, nil
	}
	if err := c.describe(ctx, s); err != nil {
		return values{}, err
	}
	list, err := s.ordered(args)
	return values{list: list}, err
}

// share is what a statement, one of several, takes of the values.
func (c *conn) share(ctx context.Context, s *statement, args []driver.NamedValue) (mine, rest []driver.NamedValue, err error) {
	if len(args) == 0 {
		return nil, nil, nil
	}
	if err := c.describe(ctx, s); err != nil {
		return nil, nil, err
	}
	return s.share(args)
}

// leftOver is the error for values that no statement of a text took.
func leftOver(args []driver.NamedValue) error {
	if named, _ := isNamed(args); len(args) > 0 && !named {
		return rangeError("%d values more than the statements have parameters", len(args))
	}
	return nil
}

// inStatement says which of several statements failed.
func inStatement(err error, number int) error {
	if failure, ok := err.(*Error); ok {
		failure.Statement = number
	}
	return err
}

// describe asks for the parameters of a statement, once.
func (c *conn) describe(ctx context.Context, s *statement) error {
	if s.input >= 0 {
		return nil
	}
	answered, err := c.send(ctx, &command{name: "prepare", sql: s.sql})
	if err != nil {
		return err
	}
	id, input := int64(0), int64(-1)
	var names []string
	err = c.entries(&answered, func(key string) (known bool, err error) {
		switch key {
		case "stmt_id":
			id, err = answered.Int()
		case "num_input":
			input, err = answered.Int()
		case "parameters":
			names, err = readNames(&answered.Reader)
		default:
			return false, nil
		}
		return true, err
	})
	c.release(&answered)
	if err == nil && (input < 0 || int64(len(names)) != input) {
		err = c.malformed(errMalformed)
	}
	if err != nil {
		return err
	}
	s.input, s.names = int(input), names
	closed, err := c.once(ctx, &command{name: "close_stmt", id: id})
	c.release(&closed)
	return err
}

func readNames(r *wire.Reader) ([]string, error) {
	count, err := r.List()
	if err != nil {
		return nil, err
	}
	names := make([]string, count)
	for i := range names {
		value, err := r.Next()
		if err != nil {
			return nil, err
		}
		names[i] = string(value.Bytes)
	}
	return names, nil
}

// noticed follows transaction commands that are given as SQL texts.
func (c *conn) noticed(s *statement) {
	if s.verb == other {
		return
	}
	if s.verb == savepoint && c.tx != nil {
		c.tx.nested = true
	}
	c.host.released()
}

type result struct{ id, changed int64 }

func (r result) LastInsertId() (int64, error) { return r.id, nil }
func (r result) RowsAffected() (int64, error) { return r.changed, nil }
