package driver

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// Each is a value for Exec, the last one, that takes the statement's rows, one after the other, without
// the conversions of Rows.Scan.
//
//	_, err := db.Exec("SELECT id, name FROM users WHERE id > ?", 10, driver.Each(func(row *driver.RowReader) error {
//		users = append(users, user{id: row.Int(), name: row.Text()})
//		return nil
//	}))
//
// The text has one statement; a prepared one counts Each as one of its values, and so does not take it.
// An error of the function ends the statement and is Exec's. The function must not use the connection or
// transaction that Exec was called on. The result's RowsAffected are the rows read.
type Each func(row *RowReader) error

// RowReader gives the values of one row, in the order of the columns; those that are not asked for are
// passed over. It is valid during the call only. A value of another kind than is asked for ends Exec with
// an error, but for NULL, which is the zero value: see Null.
type RowReader struct {
	rows *rows
	left int // columns not read yet
	err  error
}

// Columns are the names of the columns.
func (r *RowReader) Columns() []string { return r.rows.shape.columns }

// Null tells whether the next value is NULL, without reading it.
func (r *RowReader) Null() bool {
	a := &r.rows.answer
	return r.left > 0 && a.At < len(a.Bytes) && a.Bytes[a.At] == 0xc0
}

// Int reads an INTEGER.
func (r *RowReader) Int() int64 {
	// The forms in which the host writes small numbers come first, here and below.
	if a := &r.rows.answer; r.left > 0 && a.At < len(a.Bytes) {
		first, left := a.Bytes[a.At], a.Bytes[a.At+1:]
		switch {
		case first < 0x80:
			a.At++
			r.left--
			return int64(first)
		case first == 0xd1 && len(left) >= 2:
			a.At += 3
			r.left--
			return int64(int16(binary.BigEndian.Uint16(left)))
		case first == 0xd2 && len(left) >= 4:
			a.At += 5
			r.left--
			return int64(int32(binary.BigEndian.Uint32(left)))
		}
	}
	value := r.next()
	if value.Kind != wire.Int && value.Kind != wire.Null {
		r.unexpected(&value, "an INTEGER")
	}
	return value.Int
}

// Float reads a REAL, or an INTEGER as one.
func (r *RowReader) Float() float64 {
	if a := &r.rows.answer; r.left > 0 && len(a.Bytes)-a.At >= 9 && a.Bytes[a.At] == 0xcb {
		bits := binary.BigEndian.Uint64(a.Bytes[a.At+1:])
		a.At += 9
		r.left--
		return math.Float64frombits(bits)
	}
	switch value := r.next(); value.Kind {
	case wire.Float, wire.Null:
		return value.Float
	case wire.Int:
		return float64(value.Int)
	default:
		r.unexpected(&value, "a REAL")
		return 0
	}
}

// Text reads a TEXT.
func (r *RowReader) Text() string { return r.rows.conn.boxes.string(r.bytes(wire.Text, "a TEXT")) }

// Blob reads a BLOB; nil is NULL. The bytes are valid until the function returns.
func (r *RowReader) Blob() []byte { return r.bytes(wire.Blob, "a BLOB") }

// Value reads any value, as Rows.Scan gives it to an *any.
func (r *RowReader) Value() driver.Value {
	column := len(r.rows.shape.types) - r.left
	cell := r.next()
	if r.err != nil {
		return nil
	}
	value, err := r.rows.ofCell(&cell)
	if err != nil {
		r.fail(r.rows.conn.malformed(err))
		return nil
	}
	if kind := &r.rows.shape.types[column]; kind.converts != asStored {
		return kind.convert(value, r.rows.conn.options.times)
	}
	return value
}

func (r *RowReader) bytes(kind wire.Kind, name string) []byte {
	if a := &r.rows.answer; kind == wire.Text && r.left > 0 && a.At < len(a.Bytes) {
		if first, left := a.Bytes[a.At], a.Bytes[a.At+1:]; first&0xe0 == 0xa0 && int(first&0x1f) <= len(left) {
			a.At += 1 + int(first&0x1f)
			r.left--
			return left[:first&0x1f]
		}
	}
	value := r.next()
	if value.Kind != kind && value.Kind != wire.Null {
		r.unexpected(&value, name)
		return nil
	}
	return value.Bytes
}

// next reads a value of whichever kind; NULL behind the last one.
func (r *RowReader) next() wire.Value {
	if r.err != nil {
		return wire.Value{}
	}
	if r.left == 0 {
		r.fail(fmt.Errorf("sqlproxy: a row has %d columns, and more were read", len(r.rows.shape.columns)))
		return wire.Value{}
	}
	value, err := r.rows.answer.Next()
	if err == nil && value.Kind >= wire.List {
		err = errMalformed
	}
	if err != nil {
		r.fail(r.rows.conn.malformed(err))
		return wire.Value{}
	}
	r.left--
	return value
}

func (r *RowReader) unexpected(value *wire.Value, wanted string) {
	column := len(r.rows.shape.columns) - r.left - 1
	name := map[wire.Kind]string{wire.Int: "an INTEGER", wire.Float: "a REAL", wire.Text: "a TEXT", wire.Blob: "a BLOB"}[value.Kind]
	r.fail(fmt.Errorf("sqlproxy: column %d (%s) has %s, not %s", column, r.rows.shape.columns[column], name, wanted))
}

func (r *RowReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// end passes over what was not read of the row.
func (r *RowReader) end() error {
	for ; r.left > 0; r.left-- {
		if err := r.rows.answer.Skip(); err != nil {
			r.fail(r.rows.conn.malformed(err))
			break
		}
	}
	return r.err
}

// each hands the rows of a statement to take.
func (c *conn) each(ctx context.Context, s *statement, args []driver.NamedValue, take Each) (done driver.Result, err error) {
	r := &rows{conn: c, ctx: ctx}
	if err := r.open(s, args); err != nil {
		return nil, err
	}
	reader := &RowReader{rows: r}
	defer func() {
		_ = reader.end() // after a panic: what comes behind the row is to be found
		if closed := r.Close(); err == nil {
			err = closed
		}
	}()
	columns := len(r.shape.columns)
	var count int64
	for ; ; count++ {
		if err := r.nextRow(columns); err == io.EOF {
			return result{changed: count}, nil
		} else if err != nil {
			return nil, err
		}
		reader.left = columns
		err := take(reader)
		if misread := reader.end(); err == nil {
			err = misread
		}
		if err != nil {
			return nil, err
		}
	}
}
