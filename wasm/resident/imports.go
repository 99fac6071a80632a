//go:build js && wasm

package resident

import (
	"unsafe"

	"github.com/grantway/grantway/wasm/abi"
)

//go:wasmimport grantway abi
func hostABI() int32

//go:wasmimport grantway take
func hostTake(id int32, ptr unsafe.Pointer, n int32)

//go:wasmimport grantway sync
func hostSync(code, req, arg int32, meta unsafe.Pointer, metaLen int32, body unsafe.Pointer, bodyLen int32) int32

//go:wasmimport grantway op
func hostOp(code, req, call int32, meta unsafe.Pointer, metaLen int32, body unsafe.Pointer, bodyLen int32)

// Offered reports whether the host offers this package's version of the ABI.
func Offered() bool {
	v := hostABI()
	return v>>8 == abi.Version && abi.Mode(v&0xff) == abi.ModeResident
}

func sync(code abi.SyncOp, req, arg int32, meta, body []byte) int32 {
	return hostSync(int32(code), req, arg,
		unsafe.Pointer(unsafe.SliceData(meta)), int32(len(meta)),
		unsafe.Pointer(unsafe.SliceData(body)), int32(len(body)))
}

// text makes a string of b without copying; b must not change afterwards.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
