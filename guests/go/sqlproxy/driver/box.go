package driver

import (
	"database/sql/driver"
	"unsafe"
)

// boxes make driver.Values of numbers and short texts without an allocation for each. Go allocates
// for every value that becomes an interface; in WebAssembly that is most of what a row costs. Here
// values share a block: one that is kept keeps a block of 512 bytes, no more.
type boxes struct {
	ints   []int64
	floats []float64
	texts  []string
	bytes  []byte
}

const block = 512

// word is how Go has an interface in memory: its type, and where its value is. A value in an interface
// never changes: each of a block is written once, before it is handed out.
type word struct {
	kind  unsafe.Pointer
	value unsafe.Pointer
}

var kindInt, kindFloat, kindText = kindOf(int64(0)), kindOf(float64(0)), kindOf("")

func kindOf(value any) unsafe.Pointer { return (*word)(unsafe.Pointer(&value)).kind }

func boxed(kind, value unsafe.Pointer) (out driver.Value) {
	*(*word)(unsafe.Pointer(&out)) = word{kind, value}
	return out
}

func (b *boxes) int(n int64) driver.Value {
	if n >= 0 && n < 256 {
		return n // Go has these ready
	}
	if len(b.ints) == 0 {
		b.ints = make([]int64, block/8)
	}
	place := &b.ints[0]
	b.ints = b.ints[1:]
	*place = n
	return boxed(kindInt, unsafe.Pointer(place))
}

func (b *boxes) float(x float64) driver.Value {
	if len(b.floats) == 0 {
		b.floats = make([]float64, block/8)
	}
	place := &b.floats[0]
	b.floats = b.floats[1:]
	*place = x
	return boxed(kindFloat, unsafe.Pointer(place))
}

func (b *boxes) text(bytes []byte) driver.Value {
	if len(b.texts) == 0 {
		b.texts = make([]string, block/16)
	}
	place := &b.texts[0]
	b.texts = b.texts[1:]
	*place = b.string(bytes)
	return boxed(kindText, unsafe.Pointer(place))
}

// string copies bytes; short ones go into a block that is only ever appended to.
func (b *boxes) string(bytes []byte) string {
	if len(bytes) == 0 {
		return ""
	}
	if len(bytes) > block/8 {
		return string(bytes)
	}
	if cap(b.bytes)-len(b.bytes) < len(bytes) {
		b.bytes = make([]byte, 0, block)
	}
	start := len(b.bytes)
	b.bytes = append(b.bytes, bytes...)
	return unsafe.String(&b.bytes[start], len(bytes))
}
