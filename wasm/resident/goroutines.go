//go:build js && wasm

package resident

import "context"

// job is an event with its context.
type job struct {
	ctx   context.Context
	event event
}

// maxIdle is how many goroutines wait for their next event.
const maxIdle = 64

// idle are the goroutines that wait, the last to have worked on top. A goroutine
// that has served before has a stack of the size that a request needs; a new one
// grows there by copying, which is an eighth of a request's time.
var idle []chan job

// start serves an event on a goroutine of its own. It does not block.
func start(j job) {
	tables.Lock()
	var next chan job
	if n := len(idle); n > 0 {
		next, idle = idle[n-1], idle[:n-1]
	}
	tables.Unlock()
	if next == nil {
		go work(j)
		return
	}
	next <- j
}

// work serves one event after another.
func work(j job) {
	next := make(chan job, 1)
	for {
		serve(j.ctx, j.event)
		tables.Lock()
		full := len(idle) >= maxIdle
		if !full {
			idle = append(idle, next)
		}
		tables.Unlock()
		if full {
			return
		}
		j = <-next
	}
}
