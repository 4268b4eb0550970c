package wire

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// FromJSON makes MessagePack of an answer in JSON, with the tags $int, $float, $bytes and $text
// resolved, and appends it to out. So there is one reader of answers.
func FromJSON(out, text []byte) ([]byte, error) {
	t := translator{text: text, out: out}
	if err := t.value(0); err != nil {
		return nil, err
	}
	t.space()
	if t.at != len(text) {
		return nil, fmt.Errorf("there is more after its end, at %d", t.at)
	}
	return t.out, nil
}

type translator struct {
	text []byte
	at   int
	out  []byte
	buf  []byte
}

func (t *translator) value(depth int) error {
	if depth > deepest {
		return fmt.Errorf("lists and objects are nested more than %d deep", deepest)
	}
	t.space()
	switch c := t.peek(); {
	case c == '{':
		return t.object(depth)
	case c == '[':
		return t.list(depth)
	case c == '"':
		text, err := t.string()
		if err != nil {
			return err
		}
		t.pack(func(e *Encoder) { e.String(string(text)) })
		return nil
	case c == '-' || c >= '0' && c <= '9':
		return t.number()
	case t.word("null"):
		t.out = append(t.out, 0xc0)
		return nil
	case t.word("false"):
		t.out = append(t.out, 0xc2)
		return nil
	case t.word("true"):
		t.out = append(t.out, 0xc3)
		return nil
	}
	return t.wrong("a value")
}

func (t *translator) object(depth int) error {
	start := len(t.out)
	t.out = append(t.out, 0xdf, 0, 0, 0, 0)
	count, err := t.entries('}', func() error {
		t.space()
		key, err := t.string()
		if err != nil {
			return err
		}
		t.space()
		if !t.take(':') {
			return t.wrong("a colon")
		}
		if len(key) > 0 && key[0] == '$' {
			return t.tagged(string(key), start)
		}
		t.pack(func(e *Encoder) { e.String(string(key)) })
		return t.value(depth + 1)
	})
	if err == nil && t.out[start] == 0xdf {
		t.count(start, count)
	} else if err == nil && count != 1 {
		return fmt.Errorf("a tagged value has more than its tag, before %d", t.at)
	}
	return err
}

func (t *translator) list(depth int) error {
	start := len(t.out)
	t.out = append(t.out, 0xdd, 0, 0, 0, 0)
	count, err := t.entries(']', func() error { return t.value(depth + 1) })
	if err == nil {
		t.count(start, count)
	}
	return err
}

// entries reads what is between brackets; the first of them is next.
func (t *translator) entries(end byte, entry func() error) (int, error) {
	t.at++
	t.space()
	if t.take(end) {
		return 0, nil
	}
	for count := 1; ; count++ {
		if err := entry(); err != nil {
			return 0, err
		}
		t.space()
		if t.take(end) {
			return count, nil
		}
		if !t.take(',') {
			return 0, t.wrong("a comma")
		}
	}
}

// tagged puts a value in the place of the map that began at start.
func (t *translator) tagged(tag string, start int) error {
	if len(t.out) != start+5 {
		return fmt.Errorf("the key %q is among others, before %d", tag, t.at)
	}
	t.space()
	content, err := t.string()
	if err != nil {
		return err
	}
	t.out = t.out[:start]
	switch tag {
	case "$int":
		value, err := strconv.ParseInt(string(content), 10, 64)
		if err != nil {
			return fmt.Errorf("$int %q is no integer", content)
		}
		t.pack(func(e *Encoder) { e.Int(value) })
	case "$float":
		value, ok := map[string]float64{"Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "NaN": math.NaN()}[string(content)]
		if !ok {
			return fmt.Errorf("$float %q is not known", content)
		}
		t.pack(func(e *Encoder) { e.Float(value) })
	case "$bytes", "$text":
		bytes, err := base64.StdEncoding.AppendDecode(nil, content)
		if err != nil {
			return fmt.Errorf("%s has no base64: %w", tag, err)
		}
		if tag == "$bytes" {
			t.pack(func(e *Encoder) { e.Blob(bytes) })
		} else {
			t.pack(func(e *Encoder) { e.String(string(bytes)) })
		}
	default:
		return fmt.Errorf("the tag %s is not known", tag)
	}
	return nil
}

func (t *translator) number() error {
	start, whole := t.at, true
	for ; t.at < len(t.text); t.at++ {
		switch c := t.text[t.at]; {
		case c >= '0' && c <= '9' || c == '-' && t.at == start:
		case c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-':
			whole = false
		default:
			return t.finish(start, whole)
		}
	}
	return t.finish(start, whole)
}

func (t *translator) finish(start int, whole bool) error {
	digits := string(t.text[start:t.at])
	if whole {
		if value, err := strconv.ParseInt(digits, 10, 64); err == nil {
			t.pack(func(e *Encoder) { e.Int(value) })
			return nil
		}
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return fmt.Errorf("%q at %d is no number", digits, start)
	}
	t.pack(func(e *Encoder) { e.Float(value) })
	return nil
}

// string reads a string; the result is valid until the next.
func (t *translator) string() ([]byte, error) {
	if !t.take('"') {
		return nil, t.wrong("a string")
	}
	t.buf = t.buf[:0]
	for t.at < len(t.text) {
		c := t.text[t.at]
		t.at++
		switch {
		case c == '"':
			return t.buf, nil
		case c < 0x20:
			return nil, fmt.Errorf("a string has a control character at %d", t.at-1)
		case c != '\\':
			t.buf = append(t.buf, c)
		default:
			if err := t.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, t.wrong("the end of a string")
}

func (t *translator) escape() error {
	c := t.peek()
	t.at++
	switch c {
	case '"', '\\', '/':
		t.buf = append(t.buf, c)
	case 'b':
		t.buf = append(t.buf, '\b')
	case 'f':
		t.buf = append(t.buf, '\f')
	case 'n':
		t.buf = append(t.buf, '\n')
	case 'r':
		t.buf = append(t.buf, '\r')
	case 't':
		t.buf = append(t.buf, '\t')
	case 'u':
		r, err := t.hex()
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(r) {
			if !t.take('\\') || !t.take('u') {
				return t.wrong("the second half of a character")
			}
			low, err := t.hex()
			if err != nil {
				return err
			}
			r = utf16.DecodeRune(r, low)
		}
		t.buf = utf8.AppendRune(t.buf, r)
	default:
		return fmt.Errorf("the escape \\%c at %d is not known", c, t.at-1)
	}
	return nil
}

func (t *translator) hex() (rune, error) {
	if t.at+4 > len(t.text) {
		return 0, t.wrong("four digits")
	}
	value, err := strconv.ParseUint(string(t.text[t.at:t.at+4]), 16, 32)
	if err != nil {
		return 0, t.wrong("four digits")
	}
	t.at += 4
	return rune(value), nil
}

func (t *translator) pack(write func(*Encoder)) {
	e := Encoder{buf: t.out}
	write(&e)
	t.out = e.buf
}

func (t *translator) count(start, count int) {
	for i := range 4 {
		t.out[start+1+i] = byte(count >> (24 - 8*i))
	}
}

func (t *translator) space() {
	for t.at < len(t.text) {
		switch t.text[t.at] {
		case ' ', '\t', '\r', '\n':
			t.at++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (t *translator) peek() byte {
	if t.at < len(t.text) {
		return t.text[t.at]
	}
	return 0
}

func (t *translator) take(c byte) bool {
	if t.peek() != c || t.at >= len(t.text) {
		return false
	}
	t.at++
	return true
}

func (t *translator) word(word string) bool {
	if len(t.text)-t.at < len(word) || string(t.text[t.at:t.at+len(word)]) != word {
		return false
	}
	t.at += len(word)
	return true
}

func (t *translator) wrong(expected string) error {
	return fmt.Errorf("%s was expected at %d", expected, t.at)
}
