package wire

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// Every value that is written is read again, in both encodings.
func TestThereAndBack(t *testing.T) {
	for _, json := range []bool{false, true} {
		for _, n := range []int64{0, 1, -1, 127, 128, -32, -33, 1 << 15, -1 << 15, 1<<31 - 1, 1 << 31, -1<<31 - 1, 1 << 53, math.MaxInt64, math.MinInt64} {
			if v := back(t, json, func(e *Encoder) { e.Int(n) }); v.Kind != Int || v.Int != n {
				t.Errorf("json=%v: %d became %+v", json, n, v)
			}
		}
		for _, x := range []float64{0, 1, -2.5, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
			v := back(t, json, func(e *Encoder) { e.Float(x) })
			if v.Kind != Float || math.Float64bits(v.Float) != math.Float64bits(x) && x == x {
				t.Errorf("json=%v: %v became %+v", json, x, v)
			}
		}
		for _, s := range []string{"", "a", "\"\\\n\x00\x1f", "ä\U0001F600", "\xff\xfe", strings.Repeat("x", 40), strings.Repeat("x", 300), strings.Repeat("x", 70000)} {
			if v := back(t, json, func(e *Encoder) { e.String(s) }); v.Kind != Text || string(v.Bytes) != s {
				t.Errorf("json=%v: %.20q became %v %.20q", json, s, v.Kind, v.Bytes)
			}
			if v := back(t, json, func(e *Encoder) { e.Blob([]byte(s)) }); v.Kind != Blob || string(v.Bytes) != s {
				t.Errorf("json=%v: the blob %.20q became %v %.20q", json, s, v.Kind, v.Bytes)
			}
		}
		for _, b := range []bool{true, false} {
			if v := back(t, json, func(e *Encoder) { e.Bool(b) }); v.Kind != Bool || (v.Int == 1) != b {
				t.Errorf("json=%v: %v became %+v", json, b, v)
			}
		}
		if v := back(t, json, (*Encoder).Null); v.Kind != Null {
			t.Errorf("json=%v: null became %+v", json, v)
		}
	}
}

func back(t *testing.T, json bool, write func(*Encoder)) Value {
	t.Helper()
	var e Encoder
	e.Start(json)
	mark := e.BeginMap()
	e.Key("list")
	e.BeginList(1)
	write(&e)
	e.EndList()
	e.EndMap(mark, 1)
	packed := e.Bytes()
	if json {
		var err error
		if packed, err = FromJSON(nil, packed); err != nil {
			t.Fatal(err)
		}
	}
	r := Reader{Bytes: packed}
	if n, err := r.Map(); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if key, err := r.Text(); string(key) != "list" || err != nil {
		t.Fatal(key, err)
	}
	if n, err := r.List(); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	v, err := r.Next()
	if err != nil || r.At != len(packed) {
		t.Fatal(err, r.At, len(packed))
	}
	return v
}

func TestWrongBytesAreErrors(t *testing.T) {
	for _, wrong := range []string{"", "\xc1", "\xa5abc", "\xdb\xff\xff\xff\xff", "\xdd\x00\x00\x00\x09\xc0", "\x82\xa1a", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
		"\xd4\x05x", "\xc7\x09\x01x", "\xcb\x00", strings.Repeat("\x91", 100) + "\xc0"} {
		if err := (&Reader{Bytes: []byte(wrong)}).Skip(); err == nil {
			t.Errorf("%q was read", wrong)
		}
	}
	for _, wrong := range []string{"", "{", "[1,]", `{"a" 1}`, `{"a":1,}`, "nul", "1 2", `"\x"`, `"\u12"`, `"\ud800"`, "\"\n\"", `{"$int":"x"}`, `{"$int":5}`,
		`{"$bytes":"?"}`, `{"$what":"x"}`, `{"$int":"1","a":2}`, `{"a":2,"$int":"1"}`, "-", "1e", strings.Repeat("[", 100)} {
		if out, err := FromJSON(nil, []byte(wrong)); err == nil {
			t.Errorf("%q became %x", wrong, out)
		}
	}
}

// FuzzReader: no bytes make it panic or read beyond them; what it takes has an end, and is the same
// whether it is skipped or read piece by piece.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\xdf\x00\x00\x00\x01\xa4rows\xdd\x00\x00\x00\x01\xdd\x00\x00\x00\x02\x07\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x81\xa5error\x83\xa4code\xacSQLITE_ERROR\xa8extended\x01\xa7message\xa1x"))
	f.Add([]byte("\xc7\x02\x01\xff\xfe"))
	f.Add([]byte("\x98\xcc\xff\xcd\x01\x00\xce\x00\x01\x00\x00\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xd0\x80\xd1\x80\x00\xc5\x00\x01\x07\xd5\x01ab"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Reader{Bytes: data}
		if err := r.Skip(); err != nil {
			if err.Error() == "" {
				t.Fatal("an error without a sentence")
			}
			return
		}
		if r.At > len(data) {
			t.Fatal("read beyond the end")
		}
		pieces := Reader{Bytes: data}
		for left := 1; left > 0; left-- {
			v, err := pieces.Next()
			if err != nil {
				t.Fatalf("%x was skipped, and is %v", data, err)
			}
			if v.Kind == Map {
				v.Count *= 2
			}
			if v.Kind >= List {
				left += v.Count
			}
		}
		if pieces.At != r.At {
			t.Fatalf("%x ends at %d and at %d", data, r.At, pieces.At)
		}
		// Cut off, it is no value.
		if cut := (Reader{Bytes: data[:r.At-1]}); cut.Skip() == nil {
			t.Fatalf("%x is whole without its last byte", data[:r.At])
		}
	})
}

// FuzzJSON: what is taken becomes MessagePack that can be read to its end.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"columns": ["a"], "rows": [[1, -2.5e3, "x\u00e4", {"$bytes": "AP8="}, {"$int": "9223372036854775807"}, {"$float": "NaN"}, null]], "done": true}`))
	f.Add([]byte(`{"error": {"code": "SQLITE_ERROR", "extended": 1, "message": "\ud83d\ude00"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		packed, err := FromJSON(nil, data)
		if err != nil {
			return
		}
		r := Reader{Bytes: packed}
		if err := r.Skip(); err != nil || r.At != len(packed) {
			t.Fatalf("%q became %x: %v", data, packed, err)
		}
		again, _ := FromJSON(nil, data)
		if !bytes.Equal(again, packed) {
			t.Fatal("twice the same, twice different")
		}
	})
}

// FuzzRequest: what is written in JSON is, made MessagePack, what is written in MessagePack.
func FuzzRequest(f *testing.F) {
	f.Add(int64(1)<<53, 1.5, "it\"s\n", []byte{0, 255})
	f.Add(int64(-1), math.Inf(-1), "\xff\xfe", []byte{})
	f.Add(int64(math.MinInt64), math.NaN(), "\u2028", bytes.Repeat([]byte{7}, 300))
	f.Fuzz(func(t *testing.T, n int64, x float64, text string, blob []byte) {
		for _, write := range []func(*Encoder){
			func(e *Encoder) { e.Int(n) },
			func(e *Encoder) { e.Float(x) },
			func(e *Encoder) { e.String(text) },
			func(e *Encoder) { e.Blob(blob) },
		} {
			one, other := back(t, false, write), back(t, true, write)
			if x != x && one.Kind == Float {
				one.Float, other.Float = 0, 0
			}
			if one.Kind != other.Kind || one.Int != other.Int || one.Float != other.Float || !bytes.Equal(one.Bytes, other.Bytes) {
				t.Fatalf("%+v in MessagePack, %+v in JSON", one, other)
			}
		}
	})
}
