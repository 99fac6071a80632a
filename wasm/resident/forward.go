//go:build js && wasm

package resident

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/grantway/grantway/wasm/abi"
	"github.com/grantway/grantway/worker/platform"
)

// A request that the program can forward at once is dealt with while its event is delivered, and so is the end of it: no
// goroutine is started or woken, and the host need not resume the guest. Nothing here may wait.

// forwarder is the program if it and the host know forwarding; else nil.
var forwarder platform.Forwarder

// firstForward is the first call id of those of forwards; they are above all others.
const firstForward int32 = 1 << 30

// underway is a forward that has not settled.
type underway struct {
	event
	url       string
	secret    platform.Field
	forwarded platform.Forwarded // nil: the place is free
}

var (
	forwards []underway // by call id
	free     []int32    // places in it

	// What each forward uses anew.
	head    platform.Head
	out     platform.Forwarding
	scratch []byte
)

// stirred says that a goroutine may have been started or woken, so that the guest must be resumed.
var stirred bool

// idleEvents counts the events after which the guest was not resumed. The runtime's own goroutines, such as the garbage
// collector's, get a turn now and then.
var idleEvents int

const maxIdleEvents = 64

func idleAnswer() int32 {
	idleEvents++
	if stirred || idleEvents == maxIdleEvents {
		stirred, idleEvents = false, 0
		return abi.PushAccepted
	}
	return abi.PushIdle
}

// forward begins to forward the request of an event, or answers false and has done nothing.
func forward(e event) bool {
	if forwarder == nil {
		return false
	}
	first, rest := abi.NextLine(e.meta)
	_, rest = abi.NextLine(rest)
	_, rest = abi.NextLine(rest)
	head.Method, head.URL, _ = strings.Cut(first, " ")
	head.Body = e.body
	fields := head.Fields[:0]
	for rest != "" {
		var line string
		line, rest = abi.NextLine(rest)
		if i := strings.IndexByte(line, ':'); i > 0 {
			fields = append(fields, platform.Field{Name: line[:i], Value: line[i+1:]})
		}
	}
	head.Fields = fields
	out = platform.Forwarding{Header: out.Header[:0], Reply: out.Reply[:0]}
	if !forwarder.Forward(&head, &out) {
		return false
	}
	meta := append(append(scratch[:0], out.Method...), '\n')
	meta = append(append(meta, out.URL...), '\n')
	meta = append(strconv.AppendInt(meta, int64(out.Timeout/time.Millisecond), 10), '\n')
	meta = append(append(meta, out.Pass...), '\n')
	if out.Swap.Name != "" {
		meta = append(append(append(meta, out.Swap.Name...), ' '), out.Swap.Theirs...)
		meta = append(append(meta, ' '), out.Swap.Ours...)
	}
	meta = append(meta, '\n')
	meta = strconv.AppendInt(meta, int64(len(out.Reply)), 10)
	meta = appendFields(meta, out.Reply)
	if out.Secret.Name != "" {
		meta = appendField(meta, &out.Secret)
	}
	meta = appendFields(meta, out.Header)
	scratch = meta
	place := int32(len(forwards))
	if n := len(free); n > 0 {
		place, free = free[n-1], free[:n-1]
	} else {
		forwards = append(forwards, underway{})
	}
	forwards[place] = underway{e, out.URL, out.Secret, out.Forwarded}
	hostOp(int32(abi.OpForward), e.id, firstForward+place,
		unsafe.Pointer(unsafe.SliceData(meta)), int32(len(meta)),
		unsafe.Pointer(unsafe.SliceData(e.body)), int32(len(e.body)))
	return true
}

func appendFields(b []byte, fields []platform.Field) []byte {
	for i := range fields {
		b = appendField(b, &fields[i])
	}
	return b
}

func appendField(b []byte, f *platform.Field) []byte {
	b = append(append(b, '\n'), f.Name...)
	return append(append(b, ':'), f.Value...)
}

// settleForward ends a forward. An answer that was not passed on is the first one of the request, which is served now.
func settleForward(id int32, r result) int32 {
	place := id - firstForward
	if int(place) >= len(forwards) || forwards[place].forwarded == nil {
		return abi.PushAccepted
	}
	u := forwards[place]
	forwards[place] = underway{}
	free = append(free, place)
	if !r.failed && r.meta == "" {
		u.forwarded.Passed(int(r.n%1000), time.Duration(r.n/1000)*time.Millisecond)
		return idleAnswer()
	}
	u.forwarded.Kept()
	startEvent(&request{id: u.id, first: &answer{request: u.id, url: u.url, body: u.body, secret: u.secret, result: r}}, u.event)
	return abi.PushAccepted
}

// answer is what came of forwarding a request, when the host has not passed it on.
type answer struct {
	request int32
	url     string
	body    []byte
	secret  platform.Field
	result  result
	used    bool
}

func firstOf(ctx context.Context) *answer {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.first
	}
	return nil
}

// answers reports whether this is the answer to r, whose body this is. A refusal of another credential than r's is not: r
// was not tried.
func (a *answer) answers(r *http.Request, body []byte) bool {
	if a.used || r.Method != http.MethodPost || r.URL.String() != a.url || !bytes.Equal(body, a.body) {
		return false
	}
	refused := strings.HasPrefix(a.result.meta, "401") || strings.HasPrefix(a.result.meta, "403")
	return !refused || a.result.failed || r.Header.Get(a.secret.Name) == a.secret.Value
}
