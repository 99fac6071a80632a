package instance

import (
	"strconv"
	"strings"

	"github.com/grantway/grantway/wasm/abi"
)

// Results of sync, beside those of the operations.
const (
	syncOK        = 0
	syncUnknown   = -1 // no such code
	syncNotFound  = -2 // no such request or handle
	syncMalformed = -3
)

// dispatchSync is the import sync(code, req, arg, metaPtr, metaLen, bodyPtr,
// bodyLen) → r.
func dispatchSync(in *Instance, s []uint64) {
	code, req, arg := abi.SyncOp(s[0]), int32(s[1]), int32(s[2])
	meta, body := in.bytes(uint32(s[3]), uint32(s[4])), in.bytes(uint32(s[5]), uint32(s[6]))
	r := int32(syncUnknown)
	switch {
	case len(meta) > abi.MaxMeta:
		r = syncMalformed
	case code == abi.SyncRespond:
		r = in.syncRespond(req, arg, meta, body)
	case code == abi.SyncDone:
		r = in.syncDone(req)
	case code == abi.SyncAbort:
		r = in.syncAbort(arg)
	case code == abi.SyncCancel:
		r = in.syncCancel(arg)
	case code == abi.SyncCurrent:
		r = 0 // this host has no current request: operations of request 0 belong to the instance
	case code == abi.SyncLog:
		in.Log.Guest(int(arg), string(meta))
		r = syncOK
	case code == abi.SyncEnv:
		in.inbox.environ = in.Environ
		r = int32(len(in.Environ))
	case code == abi.SyncSupports:
		if r = 0; known(arg) {
			r = 1
		}
	}
	s[0] = uint64(uint32(r))
}

// syncRespond sends the head of a response.
//
// # Parameters
//
//   - req: the request
//   - arg: [abi.BodyBytes], [abi.BodyStream], or a handle to pass on
//   - meta: line 1 the status (200 … 599), then headers
//   - body: the whole body, with [abi.BodyBytes]
//
// # Results
//
//   - 0: sent
//   - -2: no such request, a background owner, already responded, or no such handle
//   - -3: the status is not a number in that range
func (in *Instance) syncRespond(req, arg int32, meta, body []byte) int32 {
	r := in.requests[req]
	if r == nil || r.Client == nil || r.responded {
		return syncNotFound
	}
	first, header, _ := strings.Cut(string(meta), "\n")
	status, err := strconv.Atoi(first)
	if err != nil || status < 200 || status > 599 {
		return syncMalformed
	}
	res := Response{Status: status, Header: header}
	switch {
	case arg == abi.BodyStream:
		res.Streamed = true
	case arg < 0:
		res.Body = append([]byte(nil), body...)
	default:
		h := in.handles[arg]
		if h == nil || h.reading {
			return syncNotFound
		}
		delete(in.handles, arg)
		r.passed = &passed{Stream: h.stream}
		res.Stream = r.passed
	}
	r.responded, r.streaming = true, res.Streamed
	if r.client == nil { // broken off meanwhile
		if res.Stream != nil {
			_ = res.Stream.Close()
		}
		return syncOK
	}
	r.client.Respond(res)
	return syncOK
}

// syncDone ends a request's handler or a background owner. A streamed body ends with it.
//
//   - 0: ended
//   - -2: no such request
func (in *Instance) syncDone(req int32) int32 {
	r := in.requests[req]
	if r == nil || r.done {
		return syncNotFound
	}
	r.done = true
	if r.client != nil {
		r.client.End()
		r.client = nil
	}
	in.release(r)
	return syncOK
}

// syncAbort gives up a call: its work is stopped and it does not settle.
//
//   - 0: given up
//   - -2: no such call, or it has settled
func (in *Instance) syncAbort(id int32) int32 {
	c := in.calls[id]
	if c == nil {
		return syncNotFound
	}
	delete(in.calls, id)
	if c.cancel != nil {
		c.cancel()
	}
	c.owner.pending--
	in.release(c.owner)
	return syncOK
}

// syncCancel closes a stream handle unread.
//
//   - 0: closed
//   - -2: no such handle
func (in *Instance) syncCancel(id int32) int32 {
	h := in.handles[id]
	if h == nil {
		return syncNotFound
	}
	in.close(h)
	return syncOK
}
