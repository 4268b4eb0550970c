package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// Many is a value for Exec that stands for many rows of values: the statement runs once for each of
// them, and all are kept or none. A call of database/sql costs a guest several microseconds; this is
// one call.
//
//	_, err := tx.Exec("INSERT INTO users(id, name) VALUES (?, ?)", driver.Many(func(rows *driver.RowWriter) error {
//		for _, user := range users {
//			rows.Int(user.ID)
//			rows.Text(user.Name)
//			if err := rows.End(); err != nil {
//				return err
//			}
//		}
//		return nil
//	}))
//
// It is the only value, with a text of one statement; a prepared statement takes it if it has one
// parameter, because database/sql counts. An error that the function returns undoes all, and so does a panic.
// The function must not use the connection or transaction that Exec was called on. The result has
// the rows changed by all, and the last rowid.
type Many func(rows *RowWriter) error

// RowWriter takes the values of a row in the order of the statement's parameters, then End. What goes
// wrong is told by the next End.
type RowWriter struct {
	conn      *conn
	ctx       context.Context
	statement *statement
	out       wire.Encoder
	list      wire.Mark // where the list of rows begins
	row       wire.Mark // where this row begins
	values    int       // of this row
	rows      int       // in out, without this one
	sent      int       // before
	tx        int64
	done      result
	err       error
}

// Rows are sent when there are so many bytes.
const largestPiece = 64 << 10

var errManyAlone = errors.New("sqlproxy: driver.Many is the only value of a statement, and the statement the only one of its text")

// Int adds an INTEGER.
func (w *RowWriter) Int(value int64) {
	w.values++
	w.out.Int(value)
}

// Float adds a REAL.
func (w *RowWriter) Float(value float64) {
	w.values++
	w.out.Float(value)
}

// Text adds a TEXT.
func (w *RowWriter) Text(value string) {
	w.values++
	w.out.String(value)
}

// Blob adds a BLOB, also of a nil slice.
func (w *RowWriter) Blob(value []byte) {
	w.values++
	w.out.Blob(value)
}

// Null adds a NULL.
func (w *RowWriter) Null() {
	w.values++
	w.out.Null()
}

// Time adds a time in the format of the option timefmt.
func (w *RowWriter) Time(value time.Time) {
	w.values++
	w.conn.options.times.write(&w.out, value)
}

// Value adds what Exec would take for one parameter.
func (w *RowWriter) Value(value any) {
	w.values++
	named := driver.NamedValue{Value: value}
	err := checkValue(&named)
	if err == driver.ErrSkip {
		named.Value, err = driver.DefaultParameterConverter.ConvertValue(value)
	}
	if err == nil {
		err = writeValue(&w.out, named.Value, w.conn.options.times)
	}
	if err != nil {
		w.out.Null()
		w.fail(err)
	}
}

// End ends a row.
func (w *RowWriter) End() error {
	if w.values != w.statement.input {
		w.fail(rangeError("row %d has %d values, and the statement %d parameters", w.sent+w.rows+1, w.values, w.statement.input))
	}
	w.out.EndList()
	w.values = 0
	w.rows++
	w.row = w.out.Here()
	if w.row >= largestPiece && w.err == nil {
		if w.tx == 0 {
			w.fail(w.begin())
		}
		if w.err == nil {
			w.fail(w.send())
		}
	} else {
		w.out.BeginList(w.statement.input)
	}
	return w.err
}

func (w *RowWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// execMany runs a statement for all rows that fill gives.
func (c *conn) execMany(ctx context.Context, s *statement, fill Many) (driver.Result, error) {
	if s.verb != other {
		return nil, errManyAlone
	}
	if err := c.describe(ctx, s); err != nil {
		return nil, err
	}
	w := &RowWriter{conn: c, ctx: ctx, statement: s}
	w.start()
	ended := false
	defer func() {
		if !ended { // a panic
			w.undo()
		}
	}()
	err := fill(w)
	if err == nil && w.values > 0 {
		err = errors.New("sqlproxy: the last row of driver.Many was not ended with End")
	}
	if err == nil {
		err = w.err
	}
	if err == nil && (w.rows > 0 || w.sent == 0) {
		err = w.send()
	}
	ended = true
	if err == nil && w.tx != 0 {
		err = w.end("commit")
	}
	if err != nil {
		w.undo()
		return nil, err
	}
	return w.done, nil
}

// start begins a request.
func (w *RowWriter) start() {
	w.out.Start(w.conn.options.json)
	w.out.BeginMap()
	w.out.Key("command")
	w.out.String("exec")
	w.out.Key("sql")
	w.out.String(w.statement.sql)
	w.out.Key("rows")
	w.list = w.out.BeginLong()
	w.rows = 0
	w.row = w.out.Here()
	w.out.BeginList(w.statement.input)
}

// send has the host run the statement for the rows so far.
func (w *RowWriter) send() error {
	w.out.BackTo(w.row)
	w.out.EndLong(w.list, w.rows)
	c := w.conn
	if err := c.finish(w.ctx, &w.out, &command{tx: w.tx}, 0, 3); err != nil {
		return err
	}
	answered, err := c.send(w.ctx, &command{request: w.out.Bytes()})
	if err != nil {
		var failure *Error
		if errors.As(err, &failure) && failure.Row > 0 {
			failure.Row += w.sent
		}
		return err
	}
	done, err := readResult(&answered)
	c.release(&answered)
	if err != nil {
		return c.malformed(err)
	}
	w.done = result{id: done.id, changed: w.done.changed + done.changed}
	w.sent += w.rows
	w.start()
	return nil
}

// begin begins the transaction that holds several requests together.
func (w *RowWriter) begin() error {
	answered, err := w.conn.send(w.ctx, &command{name: "begin_tx"})
	if err != nil {
		return err
	}
	w.tx, err = w.conn.readTx(&answered)
	return err
}

func (w *RowWriter) end(how string) error {
	answered, err := w.conn.once(context.Background(), &command{name: how, tx: w.tx})
	w.conn.release(&answered)
	if err == nil {
		w.tx = 0
		w.conn.host.released()
	}
	return err
}

// undo rolls back what was sent. If that cannot be done the host does it, at the end of its call.
func (w *RowWriter) undo() {
	if w.tx != 0 {
		_ = w.end("rollback")
	}
}
