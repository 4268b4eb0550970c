package driver

import (
	"database/sql/driver"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

// shape is what the rows of a statement look like. It does not change; a statement whose tables have
// changed gets another.
type shape struct {
	head    []byte // columns and decltypes, as they stand in the answer
	columns []string
	types   []columnType
	plain   bool // no column has values to be converted
}

// columnType is what a column is declared as.
type columnType struct {
	name     string // in upper case, without what is in brackets
	numbers  []int64
	converts conversion
}

// conversion is what the declared type asks for beyond what SQLite stores.
type conversion byte

const (
	asStored conversion = iota
	toBool
	toTime
)

func (s *shape) setColumns(r *wire.Reader) error {
	count, err := r.List()
	if err != nil {
		return err
	}
	s.columns = make([]string, count)
	for i := range s.columns {
		name, err := r.Text()
		if err != nil {
			return err
		}
		s.columns[i] = string(name)
	}
	return nil
}

func (s *shape) setTypes(r *wire.Reader) error {
	count, err := r.List()
	if err != nil {
		return err
	}
	s.types = make([]columnType, count)
	s.plain = true
	for i := range s.types {
		value, err := r.Next()
		if err != nil {
			return err
		}
		if value.Kind == wire.Text {
			s.types[i] = declared(string(value.Bytes))
		} else if value.Kind != wire.Null {
			return errMalformed
		}
		s.plain = s.plain && s.types[i].converts == asStored
	}
	return nil
}

// declared reads a declaration such as `VARCHAR(255)` or `decimal(10, 2)`.
func declared(declaration string) columnType {
	name, rest, _ := strings.Cut(declaration, "(")
	t := columnType{name: strings.ToUpper(strings.TrimSpace(name))}
	if inside, _, ok := strings.Cut(rest, ")"); ok {
		for _, part := range strings.Split(inside, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
			if err != nil {
				t.numbers = nil
				break
			}
			t.numbers = append(t.numbers, n)
		}
	}
	switch {
	case t.name == "BOOLEAN" || t.name == "BOOL":
		t.converts = toBool
	case t.name == "DATE" || t.name == "DATETIME" || strings.HasPrefix(t.name, "TIMESTAMP"):
		t.converts = toTime
	}
	return t
}

// convert makes of a stored value what its column is declared as, where that is what it is.
func (t *columnType) convert(value driver.Value, times timeFormat) driver.Value {
	switch v := value.(type) {
	case int64:
		if t.converts == toTime {
			return times.ofInt(v)
		}
		if v == 0 || v == 1 {
			return v == 1
		}
	case float64:
		if at, ok := ofFloat(v); ok && t.converts == toTime {
			return at
		}
	case string:
		if t.converts != toTime {
			break
		}
		if at, ok := ofText(v); ok {
			return at
		}
	}
	return value
}

var (
	typeInt   = reflect.TypeFor[int64]()
	typeFloat = reflect.TypeFor[float64]()
	typeText  = reflect.TypeFor[string]()
	typeBlob  = reflect.TypeFor[[]byte]()
	typeBool  = reflect.TypeFor[bool]()
	typeTime  = reflect.TypeFor[time.Time]()
	typeAny   = reflect.TypeFor[any]()
)

// scanType goes by the rules for a column's affinity, https://www.sqlite.org/datatype3.html.
func (t *columnType) scanType() reflect.Type {
	switch {
	case t.converts == toBool:
		return typeBool
	case t.converts == toTime:
		return typeTime
	case t.name == "":
		return typeAny
	case strings.Contains(t.name, "INT"):
		return typeInt
	case t.isText():
		return typeText
	case strings.Contains(t.name, "BLOB"):
		return typeBlob
	case strings.Contains(t.name, "REAL") || strings.Contains(t.name, "FLOA") || strings.Contains(t.name, "DOUB"):
		return typeFloat
	}
	return typeAny // NUMERIC: an integer if it is one
}

func (t *columnType) isText() bool {
	return strings.Contains(t.name, "CHAR") || strings.Contains(t.name, "CLOB") || strings.Contains(t.name, "TEXT")
}

// length is what a text or blob was declared with. There is none without: SQLite has no types with a
// limit, and GORM takes any number for one.
func (t *columnType) length() (int64, bool) {
	if len(t.numbers) != 1 || !t.isText() && !strings.Contains(t.name, "BLOB") {
		return 0, false
	}
	return t.numbers[0], true
}

func (t *columnType) precisionScale() (precision, scale int64, ok bool) {
	if t.isText() || len(t.numbers) == 0 || len(t.numbers) > 2 {
		return 0, 0, false
	}
	if len(t.numbers) == 2 {
		scale = t.numbers[1]
	}
	return t.numbers[0], scale, true
}
