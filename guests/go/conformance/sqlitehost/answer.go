package sqlitehost

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ncruces/go-sqlite3"
	"github.com/vmihailenco/msgpack/v5"
)

// object is a map whose order is kept.
type object []field

type field struct {
	key   string
	value any
}

// wrong is an error of the interface's own.
type wrong struct {
	code    int
	message string
}

func (w *wrong) Error() string { return w.message }

// inRow is an error in one of many rows of values, counted from 1.
type inRow struct {
	err error
	row int64
}

func (r *inRow) Error() string { return r.err.Error() }

// names are SQLite's, by number.
var names = map[int]string{
	1: "SQLITE_ERROR", 5: "SQLITE_BUSY", 6: "SQLITE_LOCKED", 8: "SQLITE_READONLY", 9: "SQLITE_INTERRUPT", 18: "SQLITE_TOOBIG",
	19: "SQLITE_CONSTRAINT", 20: "SQLITE_MISMATCH", 21: "SQLITE_MISUSE", 25: "SQLITE_RANGE",
	275: "SQLITE_CONSTRAINT_CHECK", 787: "SQLITE_CONSTRAINT_FOREIGNKEY", 1299: "SQLITE_CONSTRAINT_NOTNULL",
	1555: "SQLITE_CONSTRAINT_PRIMARYKEY", 1811: "SQLITE_CONSTRAINT_TRIGGER", 2067: "SQLITE_CONSTRAINT_UNIQUE",
	3091: "SQLITE_CONSTRAINT_DATATYPE", 517: "SQLITE_BUSY_SNAPSHOT",
}

func failure(err error) object {
	var row *inRow
	errors.As(err, &row)
	if row != nil {
		err = row.err
	}
	code, message := 1, err.Error()
	var ours *wrong
	var theirs *sqlite3.Error
	switch {
	case errors.As(err, &ours):
		code = ours.code
	case errors.As(err, &theirs):
		code = int(theirs.ExtendedCode())
		message = strings.TrimPrefix(message, "sqlite3: ")
		if _, rest, ok := strings.Cut(message, ": "); ok {
			message = rest
		}
	default:
		var plain sqlite3.ErrorCode
		var extended sqlite3.ExtendedErrorCode
		if errors.As(err, &extended) {
			code = int(extended)
		} else if errors.As(err, &plain) {
			code = int(plain)
		}
	}
	name, ok := names[code]
	if !ok {
		name = names[code&0xff]
	}
	if name == "" {
		name = "SQLITE_ERROR"
	}
	fields := object{{"code", name}, {"extended", int64(code)}, {"message", message}}
	if row != nil {
		fields = append(fields, field{"row", row.row})
	}
	return object{{"error", fields}}
}

func encode(out object, isJSON bool) ([]byte, error) {
	var buffer bytes.Buffer
	var err error
	if isJSON {
		err = writeJSON(&buffer, out)
	} else {
		err = writePack(msgpack.NewEncoder(&buffer), &buffer, out)
	}
	return buffer.Bytes(), err
}

func writePack(e *msgpack.Encoder, buffer *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case object:
		if err := e.EncodeMapLen(len(v)); err != nil {
			return err
		}
		for _, f := range v {
			if err := e.EncodeString(f.key); err != nil {
				return err
			}
			if err := writePack(e, buffer, f.value); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if err := e.EncodeArrayLen(len(v)); err != nil {
			return err
		}
		for _, item := range v {
			if err := writePack(e, buffer, item); err != nil {
				return err
			}
		}
		return nil
	case string:
		if utf8.ValidString(v) {
			return e.EncodeString(v)
		}
		if err := e.EncodeExtHeader(1, len(v)); err != nil {
			return err
		}
		_, err := buffer.WriteString(v)
		return err
	case int64:
		return e.EncodeInt(v)
	}
	return e.Encode(value)
}

func writeJSON(b *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case object:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, f.key); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := writeJSON(b, f.value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case int64:
		if v > 1<<53-1 || v < -(1<<53-1) {
			return writeJSON(b, object{{"$int", strconv.FormatInt(v, 10)}})
		}
	case float64:
		switch {
		case math.IsInf(v, 1):
			return writeJSON(b, object{{"$float", "Infinity"}})
		case math.IsInf(v, -1):
			return writeJSON(b, object{{"$float", "-Infinity"}})
		}
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		b.WriteString(text)
		return nil
	case []byte:
		return writeJSON(b, object{{"$bytes", base64.StdEncoding.EncodeToString(v)}})
	case string:
		if !utf8.ValidString(v) {
			return writeJSON(b, object{{"$text", base64.StdEncoding.EncodeToString([]byte(v))}})
		}
	}
	text, err := json.Marshal(value)
	b.Write(text)
	return err
}
