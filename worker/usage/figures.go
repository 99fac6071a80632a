// Package usage counts calls, errors, latency and cost by server, tool and access
// key. An instance adds up in memory; the Directory keeps rolled-up buckets.
package usage

import "time"

// Figures add up what happened.
type Figures struct {
	Calls   int64   `json:"c,omitempty"`
	Errors  int64   `json:"e,omitempty"` // calls that failed, at the gateway or upstream; one whose client has left did not
	Denied  int64   `json:"d,omitempty"` // calls that policy refused; not among Calls
	SumMS   float64 `json:"s,omitempty"` // sum of latencies, milliseconds
	MaxMS   float64 `json:"m,omitempty"`
	Buckets []int64 `json:"h,omitempty"` // calls by latency: counts below each of Bounds, trailing zeros cut
	Cost    float64 `json:"x,omitempty"` // in the operator's currency
}

// Bounds are the upper bounds of the latency buckets in milliseconds; one bucket
// more holds what is slower. A percentile is exact to its bucket's width.
var Bounds = [...]float64{1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 10000, 30000}

// Observe adds one call.
func (f *Figures) Observe(latency time.Duration, failed bool, cost float64) {
	ms := float64(latency) / float64(time.Millisecond)
	f.Calls++
	if failed {
		f.Errors++
	}
	f.SumMS += ms
	f.MaxMS = max(f.MaxMS, ms)
	f.Cost += cost
	i := 0
	for i < len(Bounds) && ms > Bounds[i] {
		i++
	}
	f.grow(i + 1)
	f.Buckets[i]++
}

func (f *Figures) grow(n int) {
	for len(f.Buckets) < n {
		f.Buckets = append(f.Buckets, 0)
	}
}

// Add adds other figures.
func (f *Figures) Add(g Figures) {
	f.Calls += g.Calls
	f.Errors += g.Errors
	f.Denied += g.Denied
	f.SumMS += g.SumMS
	f.MaxMS = max(f.MaxMS, g.MaxMS)
	f.Cost += g.Cost
	n := min(len(g.Buckets), len(Bounds)+1)
	f.grow(n)
	for i := range n {
		f.Buckets[i] += g.Buckets[i]
	}
}

// Mean is the mean latency in milliseconds.
func (f *Figures) Mean() float64 {
	if f.Calls == 0 {
		return 0
	}
	return f.SumMS / float64(f.Calls)
}

// Percentile estimates the latency in milliseconds that a part p of the calls did
// not exceed, evenly within its bucket.
func (f *Figures) Percentile(p float64) float64 {
	var total int64
	for _, n := range f.Buckets {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank := p * float64(total)
	var below float64
	for i, n := range f.Buckets {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		low, high := 0.0, f.MaxMS
		if i > 0 {
			low = Bounds[i-1]
		}
		if i < len(Bounds) {
			high = min(high, Bounds[i])
		}
		return low + max(0, high-low)*(rank-below)/float64(n)
	}
	return f.MaxMS
}
