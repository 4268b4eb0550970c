//go:build go1.27

package driver

import (
	"database/sql"
	"database/sql/driver"
	"math"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// From Go 1.27 on, values go from the answer into the program's variables without a detour.
var _ driver.RowsColumnScanner = (*rows)(nil)

// NextRow goes to the next row and finds its values.
func (r *rows) NextRow() error {
	columns := len(r.Columns())
	if err := r.nextRow(columns); err != nil {
		return err
	}
	if cap(r.cells) < columns {
		r.cells = make([]wire.Value, columns)
	}
	r.cells = r.cells[:columns]
	for i := range r.cells {
		cell, err := r.answer.Reader.Next()
		if err != nil {
			return r.conn.malformed(err)
		}
		if cell.Kind >= wire.List {
			return r.conn.malformed(errMalformed)
		}
		r.cells[i] = cell
	}
	return nil
}

// ScanColumn has the same results as database/sql's conversion of what Next gives; what is not done
// here is left to that.
func (r *rows) ScanColumn(scanContext driver.ScanContext, index int, dest any) error {
	cell := &r.cells[index]
	if r.shape.types[index].converts == asStored && r.assign(cell, dest) {
		return nil
	}
	value, err := r.ofCell(cell)
	if err != nil {
		return err
	}
	if column := &r.shape.types[index]; column.converts != asStored {
		value = column.convert(value, r.conn.options.times)
	}
	return sql.ConvertAssign(scanContext, dest, value)
}

// assign does what needs no conversion.
func (r *rows) assign(cell *wire.Value, dest any) bool {
	switch d := dest.(type) {
	case *int64:
		if d != nil && cell.Kind == wire.Int {
			*d = cell.Int
			return true
		}
	case *int:
		if d != nil && cell.Kind == wire.Int && cell.Int >= math.MinInt && cell.Int <= math.MaxInt {
			*d = int(cell.Int)
			return true
		}
	case *float64:
		if d != nil && cell.Kind == wire.Float {
			*d = cell.Float
			return true
		}
	case *string:
		if d != nil && cell.Kind == wire.Text {
			*d = r.conn.boxes.string(cell.Bytes)
			return true
		}
	case *[]byte:
		if d != nil && (cell.Kind == wire.Blob || cell.Kind == wire.Text) {
			*d = append([]byte{}, cell.Bytes...)
			return true
		}
	}
	return false
}
