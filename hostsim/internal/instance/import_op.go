package instance

import (
	"strings"
	"time"

	"github.com/grantway/grantway/wasm/abi"
)

// call is an asynchronous operation that has not settled.
type call struct {
	owner  *Request
	cancel func() // stops its work; nil if there is nothing to stop
}

// params are the parameters of an operation. meta is a copy; body aliases the
// guest's memory and is valid only until the operation returns.
type params struct {
	call  int32
	owner *Request
	meta  string
	body  []byte
}

// operations by code. Each is called on the loop while the guest is on the stack:
// it must not block and must not settle synchronously.
var operations [128]func(in *Instance, c *call, p params)

func init() {
	operations[abi.OpWrite] = (*Instance).opWrite
	operations[abi.OpRead] = (*Instance).opRead
	operations[abi.OpFetch] = (*Instance).opFetch
	operations[abi.OpEnded] = (*Instance).opEnded
	operations[abi.OpForward] = (*Instance).opForward
	operations[abi.OpKVGet] = (*Instance).opKVGet
	operations[abi.OpKVPut] = (*Instance).opKVPut
	operations[abi.OpKVDelete] = (*Instance).opKVDelete
	operations[abi.OpKVList] = (*Instance).opKVList
	operations[abi.OpStorageGet] = (*Instance).opStorageGet
	operations[abi.OpStoragePut] = (*Instance).opStoragePut
	operations[abi.OpStorageDelete] = (*Instance).opStorageDelete
	operations[abi.OpStorageList] = (*Instance).opStorageList
	operations[abi.OpStorageTransact] = (*Instance).opStorageTransact
	operations[abi.OpSign] = (*Instance).opSign
	operations[abi.OpVerify] = (*Instance).opVerify
	operations[abi.OpDigest] = (*Instance).opDigest
	operations[abi.OpGenerate] = (*Instance).opGenerate
	operations[abi.OpBackground] = (*Instance).opBackground
	operations[abi.OpRateLimit] = (*Instance).opRateLimit
	operations[abi.OpDataPoint] = (*Instance).opDataPoint
}

// dispatchOp is the import op(code, req, call, metaPtr, metaLen, bodyPtr, bodyLen).
//
// It fails with "gone" for an unknown request, "limit" for a meta above
// [abi.MaxMeta], "unsupported" for an unknown code, "conflict" never: a call id that
// is still pending is the guest's own fault, and the second use is ignored.
func dispatchOp(in *Instance, s []uint64) {
	code, req, id := int32(s[0]), int32(s[1]), int32(s[2])
	if in.calls[id] != nil {
		in.Log.Host(8, "the guest used a call id that is pending", "instance", in.number, "call", id)
		return
	}
	owner := in.self
	if req != 0 {
		owner = in.requests[req]
	}
	c := &call{owner: owner}
	if owner == nil {
		c.owner = in.self
	}
	in.calls[id] = c
	c.owner.pending++
	switch {
	case owner == nil:
		in.failLocal(id, abi.ErrGone, "no such request")
	case uint32(s[4]) > abi.MaxMeta:
		in.failLocal(id, abi.ErrLimit, "meta")
	case !known(code):
		in.failLocal(id, abi.ErrUnsupported, "unknown operation")
	default:
		operations[code](in, c, params{
			call:  id,
			owner: owner,
			meta:  string(in.bytes(uint32(s[3]), uint32(s[4]))),
			body:  in.bytes(uint32(s[5]), uint32(s[6])),
		})
	}
}

func known(code int32) bool {
	return code >= 0 && int(code) < len(operations) && operations[code] != nil
}

// line cuts the first line off rest.
func line(rest *string) string {
	first, after, _ := strings.Cut(*rest, "\n")
	*rest = after
	return first
}

// clean reports whether a name or key has no control character.
func clean(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// faulted lets an injected fault decide about an operation first. do is called, on
// the loop's goroutine, with the value to be read in place of the stored one, or nil.
func (in *Instance) faulted(id int32, op, target, key string, do func(replace *[]byte)) {
	if in.Fault == nil {
		do(nil)
		return
	}
	f := in.Fault(op, target, key)
	then := func() {
		switch {
		case f.Code != "":
			in.fail(id, f.Code, "injected fault")
		case f.Replace:
			do(&f.Value)
		default:
			do(nil)
		}
	}
	if f.Delay > 0 {
		time.AfterFunc(f.Delay, func() { in.post(event{kind: eventRun, run: then}) })
		return
	}
	then()
}
