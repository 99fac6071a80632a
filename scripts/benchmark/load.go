package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is a closed loop: each connection sends its next request when it has the whole answer to the last one.
type load struct {
	address     string   // host:port
	requests    [][]byte // whole HTTP/1.1 requests, sent as they are; connections take turns, and keep to one
	connections int
	duration    time.Duration
	total       int // stop after so many in all; 0: after duration
}

// result of a load.
type result struct {
	requests  int
	failures  int // answers without status 200, and broken connections
	elapsed   time.Duration
	latencies []time.Duration // sorted
	processor time.Duration   // time of the target's processes meanwhile; 0: not looked at
	failure   string          // the first one
}

func (r result) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

// processorPerRequest is the time of the target's processes.
func (r result) processorPerRequest() time.Duration { return r.processor / time.Duration(r.requests) }

// quantile by the nearest rank; 0 without answers.
func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

func (l load) run(ctx context.Context) (result, error) {
	if l.total == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.duration)
		defer cancel()
	}
	var total result
	var mu sync.Mutex
	var group sync.WaitGroup
	begin := time.Now()
	for i := range l.connections {
		share := 0
		if l.total > 0 {
			share = l.total / l.connections
			if i < l.total%l.connections {
				share++
			}
		}
		group.Go(func() {
			one := l.connection(ctx, l.requests[i%len(l.requests)], share)
			mu.Lock()
			defer mu.Unlock()
			total.requests += one.requests
			total.failures += one.failures
			total.latencies = append(total.latencies, one.latencies...)
			if total.failure == "" {
				total.failure = one.failure
			}
		})
	}
	group.Wait()
	total.elapsed = time.Since(begin)
	slices.Sort(total.latencies)
	if total.requests == 0 {
		return total, fmt.Errorf("no request succeeded: %s", total.failure)
	}
	return total, nil
}

// connection sends a request share times, or as often as fits before ctx ends.
func (l load) connection(ctx context.Context, request []byte, share int) (r result) {
	var conn net.Conn
	var reader *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for n := 0; (share == 0 || n < share) && ctx.Err() == nil; n++ {
		if conn == nil {
			var err error
			conn, err = net.Dial("tcp", l.address)
			if err != nil {
				r.fail(err.Error())
				time.Sleep(10 * time.Millisecond)
				continue
			}
			reader = bufio.NewReaderSize(conn, 16<<10)
		}
		begin := time.Now()
		status, keep, err := exchange(conn, reader, request)
		switch {
		case err != nil:
			r.fail(err.Error())
			keep = false
		case status != 200:
			r.fail("status " + strconv.Itoa(status))
		default:
			r.requests++
			r.latencies = append(r.latencies, time.Since(begin))
		}
		if !keep {
			conn.Close()
			conn = nil
		}
	}
	return r
}

func (r *result) fail(why string) {
	r.failures++
	if r.failure == "" {
		r.failure = why
	}
}

// exchangeTimeout is for one request.
const exchangeTimeout = 30 * time.Second

// exchange sends a request and reads the whole answer. net/http would spend more time on it than the fastest target does.
func exchange(conn net.Conn, reader *bufio.Reader, request []byte) (status int, keep bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, false, err
	}
	if _, err := conn.Write(request); err != nil {
		return 0, false, err
	}
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, errors.New("not an HTTP/1.1 answer")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, err
	}
	keep = true
	length, chunked := int64(-1), false
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(string(name)) {
		case "content-length":
			if length, err = strconv.ParseInt(textproto.TrimString(string(value)), 10, 64); err != nil {
				return 0, false, err
			}
		case "transfer-encoding":
			chunked = true
		case "connection":
			keep = !strings.EqualFold(textproto.TrimString(string(value)), "close")
		}
	}
	switch {
	case chunked:
		err = discardChunks(reader)
	case length >= 0:
		_, err = io.CopyN(io.Discard, reader, length)
	default:
		_, err = io.Copy(io.Discard, reader)
		keep = false
	}
	return status, keep, err
}

func discardChunks(reader *bufio.Reader) error {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), ";")
		n, err := strconv.ParseInt(size, 16, 64)
		if err != nil {
			return err
		}
		if _, err := reader.Discard(int(n) + 2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}
