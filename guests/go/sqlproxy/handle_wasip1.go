//go:build wasip1

package sqlproxy

import (
	"context"
	"runtime"
	"unsafe"
)

//go:wasmimport sqlproxy host_copy_request
func hostCopyRequest(request unsafe.Pointer, most uint32) int32

//go:wasmimport sqlproxy host_respond
func hostRespond(kind int32, answer unsafe.Pointer, length uint32)

//go:wasmexport sqlproxy_handle
func handle(length int32) {
	body := make([]byte, length)
	if hostCopyRequest(unsafe.Pointer(unsafe.SliceData(body)), uint32(len(body))) != length {
		respond(kindError, []byte("the request could not be copied"))
		return
	}
	respond(serving.respond(context.Background(), body))
}

func respond(kind int32, answer []byte) {
	hostRespond(kind, unsafe.Pointer(unsafe.SliceData(answer)), uint32(len(answer)))
	runtime.KeepAlive(answer)
}
