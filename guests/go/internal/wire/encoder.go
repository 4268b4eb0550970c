// Package wire reads and writes the bytes of the host interface: requests and answers in
// MessagePack or JSON, as docs/host-interface.md describes them.
//
//	encoder.go  requests
//	reader.go   answers, in MessagePack
//	json.go     answers in JSON, made MessagePack
//
// Nothing here uses reflection, and buffers are the caller's to use again: in a guest, garbage is
// the dearest part of a query.
package wire

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// ExtText is the MessagePack extension of text that is not UTF-8.
const ExtText = 1

// exactInJSON is the largest integer that every reader of JSON has exactly.
const exactInJSON = 1<<53 - 1

// Encoder writes one request. The zero value writes MessagePack.
//
// Maps have at most 15 entries, lists at most 2^32-1. A map is a call of BeginMap, a Key before
// each value, and EndMap with what BeginMap returned; a list likewise, without keys.
type Encoder struct {
	buf   []byte
	json  bool
	comma bool
}

// Start forgets what was written, and keeps its room.
func (e *Encoder) Start(json bool) {
	e.buf = e.buf[:0]
	e.json = json
	e.comma = false
}

// Continue starts with what another encoder wrote, at the end of whose map more is to come.
func (e *Encoder) Continue(json bool, written []byte) {
	e.buf = append(e.buf[:0], written...)
	e.json = json
	e.comma = json
}

// Bytes is what was written; valid until the next Start.
func (e *Encoder) Bytes() []byte { return e.buf }

// Here is the place of what is written next.
func (e *Encoder) Here() Mark { return Mark(len(e.buf)) }

// BackTo takes back what was begun at a place, at the end of a list.
func (e *Encoder) BackTo(mark Mark) { e.buf = e.buf[:mark] }

// Mark is the place of a map's or a list's head.
type Mark int

// BeginMap opens a map.
func (e *Encoder) BeginMap() Mark {
	e.separate()
	mark := Mark(len(e.buf))
	if e.json {
		e.buf = append(e.buf, '{')
		e.comma = false
	} else {
		e.buf = append(e.buf, 0x80)
	}
	return mark
}

// EndMap closes the map that has count entries.
func (e *Encoder) EndMap(mark Mark, count int) {
	if e.json {
		e.buf = append(e.buf, '}')
		e.comma = true
		return
	}
	e.buf[mark] = 0x80 | byte(count)
}

// BeginValues opens a map of named values, of which there may be many.
func (e *Encoder) BeginValues(count int) {
	e.separate()
	if e.json {
		e.buf = append(e.buf, '{')
		e.comma = false
		return
	}
	e.head(count, 0x80, 16, 0, 0xde, 0xdf)
}

// EndValues closes what BeginValues opened.
func (e *Encoder) EndValues() {
	if e.json {
		e.buf = append(e.buf, '}')
		e.comma = true
	}
}

// BeginList opens a list of count values.
func (e *Encoder) BeginList(count int) {
	e.separate()
	if e.json {
		e.buf = append(e.buf, '[')
		e.comma = false
		return
	}
	e.head(count, 0x90, 16, 0, 0xdc, 0xdd)
}

// BeginLong opens a list of values whose number is not known yet; EndLong with what it returned closes
// it.
func (e *Encoder) BeginLong() Mark {
	if e.json {
		e.BeginList(0)
		return 0
	}
	mark := Mark(len(e.buf))
	e.buf = append(e.buf, 0xdd, 0, 0, 0, 0)
	return mark
}

// EndLong closes a list of count values.
func (e *Encoder) EndLong(mark Mark, count int) {
	if e.json {
		e.EndList()
		return
	}
	binary.BigEndian.PutUint32(e.buf[mark+1:], uint32(count))
}

// EndList closes a list.
func (e *Encoder) EndList() {
	if e.json {
		e.buf = append(e.buf, ']')
		e.comma = true
	}
}

// Key is the name of the value that comes next: one of the interface's own, of less than 32 letters.
func (e *Encoder) Key(name string) {
	if e.json {
		e.NameKey(name)
		return
	}
	e.buf = append(e.buf, 0xa0|byte(len(name)))
	e.buf = append(e.buf, name...)
}

// NameKey is the name of the value that comes next, whatever it is.
func (e *Encoder) NameKey(name string) {
	e.String(name)
	if e.json {
		e.buf = append(e.buf, ':')
		e.comma = false
	}
}

// Null is SQL's NULL.
func (e *Encoder) Null() {
	e.separate()
	if e.json {
		e.buf = append(e.buf, "null"...)
	} else {
		e.buf = append(e.buf, 0xc0)
	}
}

// Bool is the integer 1 or 0 for SQLite.
func (e *Encoder) Bool(value bool) {
	e.separate()
	switch {
	case e.json:
		e.buf = strconv.AppendBool(e.buf, value)
	case value:
		e.buf = append(e.buf, 0xc3)
	default:
		e.buf = append(e.buf, 0xc2)
	}
}

// Int is an INTEGER.
func (e *Encoder) Int(value int64) {
	switch {
	case e.json:
		e.digits(value)
	case value >= -32 && value <= 127:
		e.buf = append(e.buf, byte(value))
	case value >= math.MinInt16 && value <= math.MaxInt16:
		e.buf = append(e.buf, 0xd1, byte(value>>8), byte(value))
	case value >= math.MinInt32 && value <= math.MaxInt32:
		e.buf = append(e.buf, 0xd2, byte(value>>24), byte(value>>16), byte(value>>8), byte(value))
	default:
		e.eight(0xd3, uint64(value))
	}
}

func (e *Encoder) digits(value int64) {
	e.separate()
	if value > exactInJSON || value < -exactInJSON {
		e.buf = append(e.buf, `{"$int":"`...)
		e.buf = strconv.AppendInt(e.buf, value, 10)
		e.buf = append(e.buf, `"}`...)
		return
	}
	e.buf = strconv.AppendInt(e.buf, value, 10)
}

// Float is a REAL, also where it is whole; NaN, for which SQLite has NULL.
func (e *Encoder) Float(value float64) {
	if !e.json {
		e.eight(0xcb, math.Float64bits(value))
		return
	}
	e.separate()
	switch {
	case math.IsNaN(value):
		e.buf = append(e.buf, `{"$float":"NaN"}`...)
	case math.IsInf(value, 1):
		e.buf = append(e.buf, `{"$float":"Infinity"}`...)
	case math.IsInf(value, -1):
		e.buf = append(e.buf, `{"$float":"-Infinity"}`...)
	default:
		// A number with an exponent is a REAL.
		e.buf = strconv.AppendFloat(e.buf, value, 'e', -1, 64)
	}
}

// String is a TEXT, whatever its bytes.
func (e *Encoder) String(text string) {
	if !e.json && len(text) < 32 && isASCII(text) {
		e.buf = append(e.buf, 0xa0|byte(len(text)))
		e.buf = append(e.buf, text...)
		return
	}
	if !utf8.ValidString(text) {
		e.otherText(text)
		return
	}
	e.separate()
	if e.json {
		e.quoted(text)
		return
	}
	e.head(len(text), 0xa0, 32, 0xd9, 0xda, 0xdb)
	e.buf = append(e.buf, text...)
}

// Blob is a BLOB.
func (e *Encoder) Blob(bytes []byte) {
	e.separate()
	if e.json {
		e.tagged(`{"$bytes":"`, bytes)
		return
	}
	e.head(len(bytes), 0, 0, 0xc4, 0xc5, 0xc6)
	e.buf = append(e.buf, bytes...)
}

func (e *Encoder) otherText(text string) {
	e.separate()
	if e.json {
		e.tagged(`{"$text":"`, []byte(text))
		return
	}
	e.head(len(text), 0, 0, 0xc7, 0xc8, 0xc9)
	e.buf = append(e.buf, ExtText)
	e.buf = append(e.buf, text...)
}

func (e *Encoder) separate() {
	if !e.json {
		return
	}
	if e.comma {
		e.buf = append(e.buf, ',')
	}
	e.comma = true
}

// head is what MessagePack has before count bytes or entries: `small | count` where there are
// fewer than `few`, else the form with a length of 1 (if there is one), 2 or 4 bytes.
func (e *Encoder) head(count int, small byte, few int, one, two, four byte) {
	switch {
	case count < few:
		e.buf = append(e.buf, small|byte(count))
	case count <= math.MaxUint8 && one != 0:
		e.buf = append(e.buf, one, byte(count))
	case count <= math.MaxUint16:
		e.buf = append(e.buf, two, byte(count>>8), byte(count))
	default:
		e.buf = append(e.buf, four, byte(count>>24), byte(count>>16), byte(count>>8), byte(count))
	}
}

// eight writes a form and eight bytes. WebAssembly stores eight bytes at once, but only in its own order.
func (e *Encoder) eight(form byte, number uint64) {
	e.buf = binary.LittleEndian.AppendUint64(append(e.buf, form), bits.ReverseBytes64(number))
}

func isASCII(text string) bool {
	all := byte(0)
	for i := range len(text) {
		all |= text[i]
	}
	return all < utf8.RuneSelf
}

func (e *Encoder) tagged(head string, bytes []byte) {
	e.buf = append(e.buf, head...)
	e.buf = base64.StdEncoding.AppendEncode(e.buf, bytes)
	e.buf = append(e.buf, `"}`...)
}

func (e *Encoder) quoted(text string) {
	const hex = "0123456789abcdef"
	e.buf = append(e.buf, '"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			e.buf = append(e.buf, '\\', c)
		case c < 0x20:
			e.buf = append(e.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			e.buf = append(e.buf, c)
		}
	}
	e.buf = append(e.buf, '"')
}
