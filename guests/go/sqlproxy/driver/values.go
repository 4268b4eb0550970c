package driver

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/sqlbridge/sqlbridge/guests/go/internal/wire"
)

func itoa(n int) string { return strconv.Itoa(n) }

// checkValue takes the values of Go's own types as they are, so that nothing is lost on the way; the
// others (pointers, driver.Valuer, types of one's own) are left to database/sql.
func checkValue(value *driver.NamedValue) error {
	switch v := value.Value.(type) {
	case nil, int64, float64, bool, string, []byte, time.Time, Many, Each:
		return nil
	case int:
		value.Value = int64(v)
	case uint64:
		if v > math.MaxInt64 {
			return fmt.Errorf("sqlproxy: %d is beyond SQLite's integers; pass it as text, or as int64(x)", v)
		}
		value.Value = int64(v)
	case sql.Out:
		return fmt.Errorf("sqlproxy: SQLite has no output parameters")
	default:
		return driver.ErrSkip
	}
	return nil
}

// values are what is bound to the parameters of one statement.
type values struct {
	list  []driver.NamedValue
	named bool
}

// write appends them to a request.
func (v values) write(e *wire.Encoder, times timeFormat) error {
	if v.named {
		e.BeginValues(len(v.list))
		for i := range v.list {
			e.NameKey(v.list[i].Name)
			if err := writeValue(e, v.list[i].Value, times); err != nil {
				return err
			}
		}
		e.EndValues()
		return nil
	}
	e.BeginList(len(v.list))
	for i := range v.list {
		if err := writeValue(e, v.list[i].Value, times); err != nil {
			return err
		}
	}
	e.EndList()
	return nil
}

func writeValue(e *wire.Encoder, value driver.Value, times timeFormat) error {
	switch v := value.(type) {
	case nil:
		e.Null()
	case int64:
		e.Int(v)
	case float64:
		e.Float(v)
	case bool:
		e.Bool(v)
	case string:
		e.String(v)
	case []byte:
		if v == nil {
			e.Null()
		} else {
			e.Blob(v)
		}
	case time.Time:
		times.write(e, v)
	case Many, Each:
		return fmt.Errorf("sqlproxy: a %T is for Exec, as its last value, with a text of one statement", value)
	default:
		return fmt.Errorf("sqlproxy: a value of the type %T cannot be bound", value)
	}
	return nil
}

// isNamed tells whether all values have names, or none.
func isNamed(list []driver.NamedValue) (named, mixed bool) {
	count := 0
	for i := range list {
		if list[i].Name != "" {
			count++
		}
	}
	return count > 0, count > 0 && count < len(list)
}

// ordered puts values with and without names, as they come, into the order of the parameters: those
// without a name go by their number.
func (s *statement) ordered(list []driver.NamedValue) ([]driver.NamedValue, error) {
	out := make([]driver.NamedValue, s.input)
	given := make([]bool, s.input)
	for _, value := range list {
		found := false
		for i, name := range s.names {
			if value.Name == "" && i+1 == value.Ordinal || value.Name != "" && matches(name, value.Name) {
				out[i].Value, given[i], found = value.Value, true, true
			}
		}
		if !found {
			return nil, rangeError("the statement has no parameter for the value %d (%s)", value.Ordinal, value.Name)
		}
	}
	for i := range given {
		if !given[i] {
			return nil, rangeError("there is no value for the parameter %d (%s)", i+1, s.names[i])
		}
	}
	return out, nil
}

// share takes from list what the statement has parameters for, where a text has several statements:
// as many as it has, or those with its names.
func (s *statement) share(list []driver.NamedValue) (mine, rest []driver.NamedValue, err error) {
	named, mixed := isNamed(list)
	if mixed {
		return nil, nil, rangeError("values with and without names cannot be shared among several statements")
	}
	if !named {
		if len(list) < s.input {
			return nil, nil, rangeError("the statement has %d parameters, and %d values are left", s.input, len(list))
		}
		return list[:s.input], list[s.input:], nil
	}
	for _, value := range list {
		for _, name := range s.names {
			if matches(name, value.Name) {
				mine = append(mine, value)
				break
			}
		}
	}
	return mine, list, nil
}

// matches compares the name of a parameter, which begins with a mark, with that of a value.
func matches(parameter, value string) bool {
	return len(parameter) > 1 && parameter[1:] == value || parameter != "" && parameter == value
}

func rangeError(format string, arguments ...any) error {
	return &Error{Code: ErrRange, Extended: 25, Message: fmt.Sprintf(format, arguments...)}
}
