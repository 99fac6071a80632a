//go:build js && wasm

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/wasm/abi"
)

// hits counts requests of this instance: how a test sees which instance it reached.
var hits int

// perObject counts requests by object: state that is single only if an object has one home.
var perObject = map[string]int{}

func main() {
	if hostABI() != abi.Version<<8|int32(abi.ModeResident) {
		fmt.Println("no resident host")
		os.Exit(3)
	}
	if env()["GRANTWAY_TEST_EXIT"] != "" {
		fmt.Println("told to exit")
		os.Exit(4)
	}
	if env()["GRANTWAY_TEST_DEAF"] == "" {
		serving = serve
	}
	select {}
}

func env() map[string]string {
	n := doSync(abi.SyncEnv, 0, 0, "", nil)
	b := make([]byte, n)
	hostTake(0, ptr(b), n)
	frames, err := abi.Frames(b)
	if err != nil {
		panic(err)
	}
	out := map[string]string{}
	for i := 0; i+1 < len(frames); i += 2 {
		out[string(frames[i])] = string(frames[i+1])
	}
	return out
}

// serve does what the path says.
func serve(r *request) {
	hits++
	u, err := url.Parse(r.url)
	if err != nil {
		r.respond(400, "", nil)
		return
	}
	q := u.Query()
	switch r.kind {
	case abi.KindScheduled:
		do(abi.OpKVPut, r.id, "CONFIG\nscheduled\n0\n", []byte(r.url+" "+strings.Join(r.header, ",")))
		return
	case abi.KindObject:
		perObject[r.object]++
	}
	switch u.Path {
	case "/hello":
		r.respond(200, "Content-Type:text/plain", []byte("hello"))
	case "/echo":
		r.json(map[string]any{"method": r.method, "url": r.url, "object": r.object, "ip": r.ip, "header": r.header,
			"body": string(r.body), "handle": r.handle > 0, "hits": hits, "per_object": perObject[r.object]})
	case "/metrics":
		if q.Get("key") != "" {
			r.respond(401, "Www-Authenticate:Bearer", []byte("no"))
			return
		}
		r.respond(200, "Content-Type:text/plain", fmt.Appendf(nil, "# TYPE hits counter\nhits %d\n", hits))
	case "/alive": // how many requests this instance has, this one included
		r.respond(200, "", []byte(strconv.Itoa(len(alive))))
	case "/env":
		r.json(env())
	case "/op": // one operation with any parameters: the body is the operation's body
		code, _ := strconv.Atoi(q.Get("code"))
		var metas []string
		for _, m := range q["meta"] {
			metas = append(metas, m)
		}
		req := r.id
		if v := q.Get("req"); v != "" {
			n, _ := strconv.Atoi(v)
			req = int32(n)
		}
		r.json(do(abi.Op(code), req, strings.Join(metas, "\n"), r.body))
	case "/sync":
		code, _ := strconv.Atoi(q.Get("code"))
		arg, _ := strconv.Atoi(q.Get("arg"))
		req, _ := strconv.Atoi(q.Get("req"))
		r.json(doSync(abi.SyncOp(code), int32(req), int32(arg), q.Get("meta"), r.body))
	case "/proxy": // fetch and pass the body on
		res := do(abi.OpFetch, r.id, r.method+"\nnet\n"+q.Get("to")+lines(q["h"]), r.body)
		if res.Code != "" {
			r.json(res)
			return
		}
		if res.N == 0 {
			doSync(abi.SyncRespond, r.id, abi.BodyBytes, res.Meta, nil)
			return
		}
		doSync(abi.SyncRespond, r.id, res.N, res.Meta, nil)
	case "/fetch": // fetch and read the body
		target := q.Get("target")
		if target == "" {
			target = "net"
		}
		method := q.Get("method")
		if method == "" {
			method = "GET"
		}
		res := do(abi.OpFetch, r.id, method+"\n"+target+"\n"+q.Get("to")+lines(q["h"]), r.body)
		if res.Code == "" {
			res.Body = r.readAll(res.N)
		}
		r.json(res)
	case "/abort": // fetch and give it up after a while
		ms, _ := strconv.Atoi(q.Get("ms"))
		target := q.Get("target")
		if target == "" {
			target = "net"
		}
		id, done := begin(abi.OpFetch, r.id, "GET\n"+target+"\n"+q.Get("to"), nil)
		select {
		case res := <-done:
			r.json(res)
		case <-time.After(time.Duration(ms) * time.Millisecond):
			n := doSync(abi.SyncAbort, r.id, id, "", nil)
			delete(pending, id)
			r.json(map[string]any{"aborted": n})
		}
	case "/object": // pass a request on to an object
		path := q.Get("path")
		res := do(abi.OpFetch, r.id, r.method+"\n"+q.Get("target")+"\nhttps://object.invalid"+path, append(r.body, r.readAll(r.handle)...))
		if res.Code != "" {
			r.respond(502, "X-Code:"+res.Code, []byte(res.Meta))
			return
		}
		if res.N == 0 {
			doSync(abi.SyncRespond, r.id, abi.BodyBytes, res.Meta, nil)
			return
		}
		doSync(abi.SyncRespond, r.id, res.N, res.Meta, nil)
	case "/sleep-then-count":
		ms, _ := strconv.Atoi(q.Get("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		res := do(abi.OpStoragePut, r.id, "n", []byte("100"))
		do(abi.OpKVPut, r.id, "CONFIG\nafter-reset\n0\n", []byte(res.Code))
	case "/count": // in an object: a counter by storage.transact
		for {
			got := do(abi.OpStorageGet, r.id, "n", nil)
			n, _ := strconv.Atoi(string(got.Body))
			next := []byte(strconv.Itoa(n + 1))
			var res reply
			if got.N == 0 {
				res = do(abi.OpStorageTransact, r.id, "absent n\nput n", abi.AppendFrame(nil, next))
			} else {
				res = do(abi.OpStorageTransact, r.id, "expect n\nput n", abi.AppendFrame(abi.AppendFrame(nil, got.Body), next))
			}
			if res.Code != "" {
				r.json(res)
				return
			}
			if res.N == 1 {
				r.respond(200, "", next)
				return
			}
		}
	case "/read": // the request body through its handle
		b := r.readAll(r.handle)
		if q.Has("wait") { // until the client leaves
			<-r.canceled
			return
		}
		r.respond(200, "", b)
	case "/stream": // pieces from Go
		count, _ := strconv.Atoi(q.Get("count"))
		ms, _ := strconv.Atoi(q.Get("ms"))
		doSync(abi.SyncRespond, r.id, abi.BodyStream, "200\nContent-Type:text/event-stream", nil)
		for i := 0; i < count; i++ {
			if res := do(abi.OpWrite, r.id, "", fmt.Appendf(nil, "data: %d\n\n", i)); res.Code != "" {
				do(abi.OpKVPut, r.id, "CONFIG\nstream-ended\n0\n", []byte(res.Code))
				return
			}
			if ms > 0 {
				time.Sleep(time.Duration(ms) * time.Millisecond)
			}
		}
	case "/wait": // until the client leaves
		<-r.canceled
		do(abi.OpKVPut, r.id, "CONFIG\ncanceled\n0\n", []byte("yes"))
	case "/sleep":
		ms, _ := strconv.Atoi(q.Get("ms"))
		begin := time.Now()
		time.Sleep(time.Duration(ms) * time.Millisecond)
		r.json(map[string]any{"slept_ms": time.Since(begin).Milliseconds(), "now": time.Now().Unix()})
	case "/background": // answers first, writes later
		owner := do(abi.OpBackground, r.id, "", nil).N
		go func() {
			time.Sleep(20 * time.Millisecond)
			do(abi.OpKVPut, owner, "CONFIG\nbackground\n0\n", []byte("done"))
			doSync(abi.SyncDone, owner, 0, "", nil)
		}()
		r.respond(202, "", nil)
	case "/compute": // loops, calls, maps and allocation, some tens of milliseconds
		values := map[string]int{}
		digest := sha256.New()
		for i := range 2000 {
			b, _ := json.Marshal(map[string]any{"n": i, "s": strconv.Itoa(i), "list": []int{i, i, i}})
			_, _ = digest.Write(b)
			values[string(b)] = fib(i % 12)
		}
		r.respond(200, "", fmt.Appendf(nil, "%x %d", digest.Sum(nil), len(values)))
	case "/spin": // never yields
		for {
			hits++
		}
	case "/spin-scheduler": // yields, but never to the host
		for {
			runtime.Gosched()
		}
	case "/spin-callback": // the loop is in a function that only calls
		for step(func() bool { hits++; return true }) {
		}
	case "/spin-goto":
	again:
		hits++
		if hits >= 0 {
			goto again
		}
	case "/recurse": // never yields and has no loop
		r.json(fib(90))
	case "/recurse-mutually":
		r.json(even(90) + odd(90))
	case "/recurse-indirectly":
		var f func(int) int
		f = func(n int) int {
			if n < 2 {
				return n
			}
			return f(n-1) + f(n-2)
		}
		r.json(f(90))
	case "/exit":
		os.Exit(7)
	case "/panic":
		panic("told to")
	case "/nothing": // ends without a response
	case "/respond-twice":
		a := r.respond(200, "", []byte("first"))
		b := r.respond(200, "", nil)
		do(abi.OpKVPut, r.id, "CONFIG\ntwice\n0\n", fmt.Appendf(nil, "%d %d", a, b))
	case "/grow":
		n, _ := strconv.Atoi(q.Get("mib"))
		b := make([]byte, n<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		r.json(len(b))
		runtime.KeepAlive(b)
	case "/log":
		doSync(abi.SyncLog, 0, 4, `{"level":"WARN","msg":"from the guest","answer":42}`, nil)
		fmt.Println("from standard output")
		r.respond(200, "", nil)
	default:
		r.respond(404, "", nil)
	}
}

//go:noinline
func step(f func() bool) bool { return f() }

func even(n int) int {
	if n < 2 {
		return n
	}
	return odd(n-1) + odd(n-2)
}

func odd(n int) int {
	if n < 2 {
		return 1 - n
	}
	return even(n-1) + even(n-2)
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func (r *request) json(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	r.respond(200, "Content-Type:application/json", b)
}

func (r *request) readAll(handle int32) []byte {
	var out []byte
	for handle > 0 {
		res := do(abi.OpRead, r.id, strconv.Itoa(int(handle)), nil)
		if res.Code != "" {
			return append(out, "!"+res.Code...)
		}
		out = append(out, res.Body...)
		if res.N == 1 {
			break
		}
	}
	return out
}

func lines(h []string) string {
	if len(h) == 0 {
		return ""
	}
	return "\n" + strings.Join(h, "\n")
}
