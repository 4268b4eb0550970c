// Procedures in Go.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-s -o go.wasm .
package main

import (
	"strings"
	"unicode"
	"unsafe"
)

//go:wasmimport sqlbridge null
func null()

//go:wasmimport sqlbridge fail
func fail(sentence string)

// The host's blocks stay where they are: it keeps them and uses them again.
var blocks [][]uint64

//go:wasmexport sqlbridge_alloc
func alloc(size uint32) unsafe.Pointer {
	block := make([]uint64, size/8+1) // aligned to 8
	blocks = append(blocks, block)
	return unsafe.Pointer(&block[0])
}

// argument is a text argument; it is valid until the procedure returns.
func argument(address unsafe.Pointer, length uint32) string {
	return unsafe.String((*byte)(address), length)
}

// The last result lives until the next one.
var lent string

func result(text string) int64 {
	lent = text
	return int64(uintptr(unsafe.Pointer(unsafe.StringData(text))))<<32 | int64(len(text))
}

// slugify makes a name for a URL of a title.
//
//go:wasmexport slugify
func slugify(address unsafe.Pointer, length uint32) int64 {
	words := strings.FieldsFunc(argument(address, length), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if len(words) == 0 {
		fail("the title has neither letters nor digits")
	}
	return result(strings.ToLower(strings.Join(words, "-")))
}

// first_word is NULL where there is none.
//
//go:wasmexport first_word
func firstWord(address unsafe.Pointer, length uint32) int64 {
	words := strings.Fields(argument(address, length))
	if len(words) == 0 {
		null()
		return 0
	}
	return result(words[0])
}

//go:wasmexport gcd
func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func main() {}
