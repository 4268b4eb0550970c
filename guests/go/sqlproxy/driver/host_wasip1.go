//go:build wasip1

package driver

import (
	"fmt"
	"math/bits"
	"runtime"
	"unsafe"
)

//go:wasmimport sqlproxy host_db_query
func hostDBQuery(request unsafe.Pointer, length uint32) int32

//go:wasmimport sqlproxy host_copy_result
func hostCopyResult(result unsafe.Pointer, most uint32) int32

// builtin are the handlers that are there by themselves: the host that runs this program.
func builtin() map[string]*host {
	return map[string]*host{"": {answer: ask}}
}

// ask has the host answer a request, and copies the answer out. The host is given addresses for the
// time of a call only, and never calls back.
func ask(request, buffer []byte) ([]byte, error) {
	length := hostDBQuery(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request)))
	runtime.KeepAlive(request)
	if length < 0 {
		return nil, fmt.Errorf("sqlproxy: the host refused the request (%d)", length)
	}
	if int(length) > cap(buffer) {
		buffer = make([]byte, 1<<bits.Len32(uint32(length)))
	}
	buffer = buffer[:cap(buffer)]
	copied := hostCopyResult(unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer)))
	if copied != length {
		return nil, fmt.Errorf("sqlproxy: the host announced an answer of %d bytes and gave %d", length, copied)
	}
	return buffer[:copied], nil
}
