package driver

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// rows are the rows of a query: one batch of them at a time, decoded from the answer as they are asked
// for.
type rows struct {
	conn      *conn
	ctx       context.Context
	statement *statement
	shape     *shape
	answer    answer
	left      int // rows of this batch
	fetch     int // rows of the next batch
	cursor    int64
	request   uint64
	cells     []wire.Value // of this row, where they are scanned one by one

	// What is left of a text of several statements.
	rest  []*statement
	args  []driver.NamedValue
	total int
}

var (
	_ driver.Rows                           = (*rows)(nil)
	_ driver.RowsNextResultSet              = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
)

// The first batch is small, because often a row is all that is wanted; the next ones grow.
const (
	firstBatch = 32
	growth     = 8
)

// open runs a query: its columns and first rows are one request.
func (r *rows) open(s *statement, args []driver.NamedValue) error {
	c := r.conn
	bound, err := c.bind(r.ctx, s, args)
	if err != nil {
		return err
	}
	r.statement = s
	r.fetch = min(firstBatch, c.options.batch)
	if s.query == nil {
		s.query = c.prefix(&command{name: "query", sql: s.sql, fetch: r.fetch})
	}
	r.answer, err = c.send(r.ctx, &command{prefix: s.query, entries: 3, values: bound})
	if err != nil {
		return err
	}
	r.request = currentRequest()
	if err := r.head(); err != nil {
		return err
	}
	c.noticed(s)
	return nil
}

// head reads an answer up to its rows.
func (r *rows) head() error {
	a := &r.answer
	if known := r.statement.shape; known != nil && bytes.HasPrefix(a.Bytes[a.At:], known.head) {
		r.shape = known
		a.At += len(known.head)
		a.left -= 2
	} else if err := r.newShape(); err != nil {
		return r.conn.malformed(err)
	}
	return r.batch()
}

func (r *rows) newShape() error {
	a, found := &r.answer, &shape{}
	start := a.At
	for _, part := range []struct {
		key  string
		read func(*wire.Reader) error
	}{{"columns", found.setColumns}, {"decltypes", found.setTypes}} {
		key, err := a.Text()
		if err != nil {
			return err
		}
		if string(key) != part.key {
			return errMalformed
		}
		if err := part.read(&a.Reader); err != nil {
			return err
		}
		a.left--
	}
	if len(found.columns) != len(found.types) {
		return errMalformed
	}
	found.head = bytes.Clone(a.Bytes[start:a.At])
	r.shape, r.statement.shape = found, found
	return nil
}

// batch reads the head of the rows, which come next.
func (r *rows) batch() error {
	a := &r.answer
	const rows = "\xa4rows\xdd"
	if rest := a.Bytes[a.At:]; len(rest) >= len(rows)+4 && string(rest[:len(rows)]) == rows {
		a.At += len(rows) - 1 // as the host writes it
		a.left--
		var err error
		if r.left, err = a.List(); err != nil {
			return r.conn.malformed(err)
		}
		return nil
	}
	key, err := a.Text()
	if err == nil && string(key) != "rows" {
		err = errMalformed
	}
	if err == nil {
		a.left--
		r.left, err = a.List()
	}
	if err != nil {
		return r.conn.malformed(err)
	}
	return nil
}

// tail reads what comes after the rows: whether there are more.
func (r *rows) tail() error {
	return r.conn.entries(&r.answer, func(key string) (known bool, err error) {
		switch key {
		case "cursor_id":
			r.cursor, err = r.answer.Int()
			return true, err
		case "done":
			done, err := r.answer.Bool()
			if done {
				r.cursor = 0
			}
			return true, err
		}
		return false, nil
	})
}

// more gets the next batch; io.EOF if there is none.
func (r *rows) more() error {
	if err := r.tail(); err != nil {
		return err
	}
	if r.cursor == 0 {
		return io.EOF
	}
	if r.request != currentRequest() {
		return errors.New("sqlproxy: the rows were closed when the request ended in which they were asked for")
	}
	if r.ctx.Done() != nil {
		runtime.Gosched() // so that who cancels gets a chance: a guest has one thread
	}
	r.fetch = min(r.fetch*growth, r.conn.options.batch)
	r.conn.release(&r.answer)
	next, err := r.conn.once(r.ctx, &command{name: "fetch", cursor: r.cursor, fetch: r.fetch})
	if err != nil {
		var failure *Error
		if errors.As(err, &failure) {
			r.cursor = 0 // an error closes it
		}
		return err
	}
	r.answer = next
	return r.batch()
}

func (r *rows) Columns() []string {
	if r.shape == nil {
		return nil
	}
	return r.shape.columns
}

// Next decodes a row.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.nextRow(len(dest)); err != nil {
		return err
	}
	for i := range dest {
		value, err := r.value()
		if err != nil {
			return r.conn.malformed(err)
		}
		dest[i] = value
	}
	if !r.shape.plain {
		for i := range dest {
			if column := &r.shape.types[i]; column.converts != asStored {
				dest[i] = column.convert(dest[i], r.conn.options.times)
			}
		}
	}
	return nil
}

// nextRow goes to the first value of the next row.
func (r *rows) nextRow(columns int) error {
	for r.left == 0 {
		if r.shape == nil {
			return io.EOF
		}
		if err := r.more(); err != nil {
			return err
		}
	}
	r.left--
	a := &r.answer
	if rest := a.Bytes[a.At:]; len(rest) > 5 && rest[0] == 0xdd && binary.BigEndian.Uint32(rest[1:]) == uint32(columns) {
		a.At += 5 // as the host writes it
		return nil
	}
	count, err := a.List()
	if err == nil && count != columns {
		err = errMalformed
	}
	if err != nil {
		return r.conn.malformed(err)
	}
	return nil
}

// value decodes a value. The forms that are met all the time come first.
func (r *rows) value() (driver.Value, error) {
	a := &r.answer
	if a.At < len(a.Bytes) {
		first, left := a.Bytes[a.At], a.Bytes[a.At+1:]
		switch {
		case first < 0x80:
			a.At++
			return int64(first), nil
		case first >= 0xa0 && first < 0xc0 && int(first&0x1f) <= len(left):
			length := int(first & 0x1f)
			a.At += 1 + length
			return r.conn.boxes.text(left[:length]), nil
		case first == 0xc0:
			a.At++
			return nil, nil
		case first == 0xcb && len(left) >= 8:
			a.At += 9
			return r.conn.boxes.float(math.Float64frombits(binary.BigEndian.Uint64(left))), nil
		case first == 0xce && len(left) >= 4:
			a.At += 5
			return r.conn.boxes.int(int64(binary.BigEndian.Uint32(left))), nil
		}
	}
	value, err := a.Reader.Next()
	if err != nil {
		return nil, err
	}
	return r.ofCell(&value)
}

func (r *rows) ofCell(value *wire.Value) (driver.Value, error) {
	switch value.Kind {
	case wire.Null:
		return nil, nil
	case wire.Int:
		return r.conn.boxes.int(value.Int), nil
	case wire.Bool:
		return value.Int == 1, nil
	case wire.Float:
		return r.conn.boxes.float(value.Float), nil
	case wire.Text:
		return r.conn.boxes.text(value.Bytes), nil
	case wire.Blob:
		return append([]byte{}, value.Bytes...), nil
	}
	return nil, errMalformed
}

// Close closes the host's cursor. Statements of the text that were not come to are not run.
func (r *rows) Close() error {
	r.rest = nil
	return r.close()
}

func (r *rows) close() error {
	if r.answer.buffer == nil {
		return nil
	}
	err := r.skip()
	r.conn.release(&r.answer)
	cursor := r.cursor
	r.cursor, r.left, r.shape = 0, 0, nil
	if err != nil || cursor == 0 || r.request != currentRequest() || r.conn.broken {
		return err
	}
	closed, err := r.conn.once(context.Background(), &command{name: "close_rows", cursor: cursor})
	r.conn.release(&closed)
	return err
}

// skip goes behind the rows that are not asked for, if there is something.
func (r *rows) skip() error {
	if r.answer.left == 0 {
		return nil
	}
	for ; r.left > 0; r.left-- {
		if err := r.answer.Skip(); err != nil {
			return r.conn.malformed(err)
		}
	}
	return r.tail()
}

// HasNextResultSet: whether statements are left. They may turn out to have no rows.
func (r *rows) HasNextResultSet() bool { return len(r.rest) > 0 }

// NextResultSet runs statements up to the next one that has columns.
func (r *rows) NextResultSet() error {
	if len(r.rest) == 0 {
		return io.EOF
	}
	if err := r.advance(); err != nil {
		return err
	}
	if r.shape == nil {
		return io.EOF
	}
	return nil
}

func (r *rows) advance() error {
	for len(r.rest) > 0 {
		if err := r.close(); err != nil {
			return err
		}
		s, number := r.rest[0], r.total-len(r.rest)+1
		mine, rest, err := r.conn.share(r.ctx, s, r.args)
		if err == nil {
			r.rest, r.args = r.rest[1:], rest
			err = r.open(s, mine)
		}
		if err != nil {
			return inStatement(err, number)
		}
		if len(r.shape.columns) > 0 {
			return nil
		}
	}
	err := leftOver(r.args)
	return errors.Join(err, r.close())
}

func (r *rows) ColumnTypeDatabaseTypeName(index int) string { return r.shape.types[index].name }

func (r *rows) ColumnTypeLength(index int) (int64, bool) { return r.shape.types[index].length() }

// ColumnTypeNullable: the host does not say.
func (r *rows) ColumnTypeNullable(int) (nullable, ok bool) { return true, false }

func (r *rows) ColumnTypePrecisionScale(index int) (precision, scale int64, ok bool) {
	return r.shape.types[index].precisionScale()
}

// ColumnTypeScanType goes by the declaration.
func (r *rows) ColumnTypeScanType(index int) reflect.Type { return r.shape.types[index].scanType() }
