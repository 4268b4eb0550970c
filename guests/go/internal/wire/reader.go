package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Kind is what a value is.
type Kind byte

// The kinds of values. An answer has no others.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Text
	Blob
	List
	Map
)

// Value is one value. Text and blobs are parts of the reader's bytes, not copies.
type Value struct {
	Kind  Kind
	Int   int64 // also a Bool: 0 or 1
	Float float64
	Bytes []byte // Text, Blob
	Count int    // entries of a List or a Map, which follow
}

// Reader reads MessagePack. No length is believed that the bytes there are do not bear out, and
// what is wrong is an error, not a panic.
type Reader struct {
	Bytes []byte
	At    int
}

// deepest is how deep lists and maps may be nested: the answer to a batch needs five.
const deepest = 32

// Next reads a value; of a list or a map, the head.
func (r *Reader) Next() (Value, error) {
	if r.At >= len(r.Bytes) {
		return Value{}, r.short()
	}
	first := r.Bytes[r.At]
	r.At++
	switch {
	case first < 0x80, first >= 0xe0:
		return Value{Kind: Int, Int: int64(int8(first))}, nil
	case first < 0x90:
		return r.entries(Map, int(first&0x0f))
	case first < 0xa0:
		return r.entries(List, int(first&0x0f))
	case first < 0xc0:
		return r.bytes(Text, int(first&0x1f))
	}
	switch first {
	case 0xc0:
		return Value{Kind: Null}, nil
	case 0xc2, 0xc3:
		return Value{Kind: Bool, Int: int64(first & 1)}, nil
	case 0xc4, 0xc5, 0xc6:
		return r.sized(Blob, first-0xc4)
	case 0xc7, 0xc8, 0xc9:
		return r.extension(first - 0xc7)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return r.extended(1 << (first - 0xd4))
	case 0xca:
		bits, err := r.bits(4)
		return Value{Kind: Float, Float: float64(math.Float32frombits(uint32(bits)))}, err
	case 0xcb:
		bits, err := r.bits(8)
		return Value{Kind: Float, Float: math.Float64frombits(bits)}, err
	case 0xcc, 0xcd, 0xce:
		bits, err := r.bits(1 << (first - 0xcc))
		return Value{Kind: Int, Int: int64(bits)}, err
	case 0xcf:
		bits, err := r.bits(8)
		if err == nil && bits > math.MaxInt64 {
			return Value{}, fmt.Errorf("the integer %d is beyond int64", bits)
		}
		return Value{Kind: Int, Int: int64(bits)}, err
	case 0xd0:
		bits, err := r.bits(1)
		return Value{Kind: Int, Int: int64(int8(bits))}, err
	case 0xd1:
		bits, err := r.bits(2)
		return Value{Kind: Int, Int: int64(int16(bits))}, err
	case 0xd2:
		bits, err := r.bits(4)
		return Value{Kind: Int, Int: int64(int32(bits))}, err
	case 0xd3:
		bits, err := r.bits(8)
		return Value{Kind: Int, Int: int64(bits)}, err
	case 0xd9, 0xda, 0xdb:
		return r.sized(Text, first-0xd9)
	case 0xdc, 0xdd:
		return r.sizedEntries(List, first-0xdb)
	case 0xde, 0xdf:
		return r.sizedEntries(Map, first-0xdd)
	}
	return Value{}, fmt.Errorf("the byte %#x at %d is no MessagePack", first, r.At-1)
}

// List reads the head of a list.
func (r *Reader) List() (int, error) { return r.expect(List, "a list") }

// Map reads the head of a map.
func (r *Reader) Map() (int, error) { return r.expect(Map, "a map") }

// Text reads a text; it is valid as long as the bytes.
func (r *Reader) Text() ([]byte, error) {
	value, err := r.Next()
	if err != nil {
		return nil, err
	}
	if value.Kind != Text {
		return nil, fmt.Errorf("a text was expected at %d", r.At)
	}
	return value.Bytes, nil
}

// Int reads an integer.
func (r *Reader) Int() (int64, error) {
	value, err := r.Next()
	if err != nil {
		return 0, err
	}
	if value.Kind != Int {
		return 0, fmt.Errorf("an integer was expected at %d", r.At)
	}
	return value.Int, nil
}

// Bool reads a boolean.
func (r *Reader) Bool() (bool, error) {
	value, err := r.Next()
	if err != nil {
		return false, err
	}
	if value.Kind != Bool {
		return false, fmt.Errorf("a boolean was expected at %d", r.At)
	}
	return value.Int == 1, nil
}

// Skip reads a value with all that is in it.
func (r *Reader) Skip() error { return r.skip(0) }

func (r *Reader) skip(depth int) error {
	value, err := r.Next()
	if err != nil || value.Kind < List {
		return err
	}
	if depth >= deepest {
		return fmt.Errorf("lists and maps are nested more than %d deep", deepest)
	}
	count := value.Count
	if value.Kind == Map {
		count *= 2
	}
	for range count {
		if err := r.skip(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) expect(kind Kind, name string) (int, error) {
	value, err := r.Next()
	if err != nil {
		return 0, err
	}
	if value.Kind != kind {
		return 0, fmt.Errorf("%s was expected at %d", name, r.At)
	}
	return value.Count, nil
}

func (r *Reader) entries(kind Kind, count int) (Value, error) {
	// Every entry has a byte at least, of a map two.
	if left := len(r.Bytes) - r.At; count > left || kind == Map && count > left/2 {
		return Value{}, fmt.Errorf("%d entries are announced at %d where %d bytes are left", count, r.At, left)
	}
	return Value{Kind: kind, Count: count}, nil
}

func (r *Reader) bytes(kind Kind, length int) (Value, error) {
	if length > len(r.Bytes)-r.At {
		return Value{}, r.short()
	}
	value := Value{Kind: kind, Bytes: r.Bytes[r.At : r.At+length : r.At+length]}
	r.At += length
	return value, nil
}

func (r *Reader) sized(kind Kind, form byte) (Value, error) {
	length, err := r.length(form)
	if err != nil {
		return Value{}, err
	}
	return r.bytes(kind, length)
}

func (r *Reader) sizedEntries(kind Kind, form byte) (Value, error) {
	count, err := r.length(form)
	if err != nil {
		return Value{}, err
	}
	return r.entries(kind, count)
}

func (r *Reader) extension(form byte) (Value, error) {
	length, err := r.length(form)
	if err != nil {
		return Value{}, err
	}
	return r.extended(length)
}

func (r *Reader) extended(length int) (Value, error) {
	kind, err := r.bits(1)
	if err != nil {
		return Value{}, err
	}
	if kind != ExtText {
		return Value{}, fmt.Errorf("the extension type %d is not known", int8(kind))
	}
	return r.bytes(Text, length)
}

// length has 1, 2 or 4 bytes (form 0, 1, 2).
func (r *Reader) length(form byte) (int, error) {
	bits, err := r.bits(1 << form)
	if bits > math.MaxInt32 {
		return 0, fmt.Errorf("the length %d at %d is beyond memory", bits, r.At)
	}
	return int(bits), err
}

func (r *Reader) bits(size int) (uint64, error) {
	if size > len(r.Bytes)-r.At {
		return 0, r.short()
	}
	b := r.Bytes[r.At:]
	r.At += size
	switch size {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	default:
		return binary.BigEndian.Uint64(b), nil
	}
}

func (r *Reader) short() error {
	return fmt.Errorf("it ends early, after %d bytes", len(r.Bytes))
}
