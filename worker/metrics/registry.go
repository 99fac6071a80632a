// Package metrics counts what the gateway does and shows it as Prometheus text
// (exposition format 0.0.4). Labels are few and bounded: never a URL, a key or a
// caller.
package metrics

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Registry holds the metrics of one instance. The zero value is not usable; use New.
type Registry struct {
	mu       sync.Mutex
	families map[string]*family
}

// New makes an empty registry.
func New() *Registry { return &Registry{families: map[string]*family{}} }

// maxSeries bounds the label combinations of one name; further ones are counted
// in one that has no labels.
const maxSeries = 500

type family struct {
	name, help, kind string
	series           map[string]metric
}

type metric interface {
	write(b *bytes.Buffer, name, labels string)
}

// Counter only grows.
type Counter struct {
	n        atomic.Int64
	reported int64 // what Changes has told of it; under the registry's lock
}

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n, which must not be negative.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Value answers the count.
func (c *Counter) Value() int64 { return c.n.Load() }

// Histogram counts observations, in seconds, in buckets.
type Histogram struct {
	mu     sync.Mutex
	bounds []float64
	counts []int64 // one more than bounds
	sum    float64
}

// Latency are the buckets of a histogram of durations, in seconds.
var Latency = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Observe counts one value.
func (h *Histogram) Observe(x float64) {
	i, _ := slices.BinarySearch(h.bounds, x)
	h.mu.Lock()
	h.counts[i]++
	h.sum += x
	h.mu.Unlock()
}

// Counter answers the counter with this name and these labels (name, value, name,
// value …), and makes it when it is asked for first. Keep the result: the look-up costs more
// than the counting.
func (r *Registry) Counter(name string, labels ...string) *Counter {
	return series(r, name, "counter", labels, func() *Counter { return &Counter{} })
}

// Histogram answers the histogram of durations with this name and these labels.
func (r *Registry) Histogram(name string, labels ...string) *Histogram {
	return series(r, name, "histogram", labels, func() *Histogram {
		return &Histogram{bounds: Latency, counts: make([]int64, len(Latency)+1)}
	})
}

// Describe sets the help text of a name.
func (r *Registry) Describe(name, help string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.family(name, "untyped").help = help
}

func (r *Registry) family(name, kind string) *family {
	f := r.families[name]
	if f == nil {
		f = &family{name: name, series: map[string]metric{}}
		r.families[name] = f
	}
	if f.kind == "" || f.kind == "untyped" {
		f.kind = kind
	}
	return f
}

func series[M metric](r *Registry, name, kind string, labels []string, fresh func() M) M {
	text := labelText(labels)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.family(name, kind)
	m, ok := f.series[text].(M)
	if !ok && len(f.series) >= maxSeries {
		m, ok = f.series[""].(M)
		text = ""
	}
	if !ok {
		m = fresh()
		f.series[text] = m
	}
	return m
}

// Change is by how much a counter grew since Changes last told of it.
type Change struct {
	Name   string
	Labels string // as in Text
	By     int64
}

// Changes answers up to limit counters that grew, by name and labels, and counts them as told.
// It is for stores that add up, such as Workers Analytics Engine.
func (r *Registry) Changes(limit int) []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(r.families)) {
		f := r.families[name]
		for _, labels := range slices.Sorted(maps.Keys(f.series)) {
			c, ok := f.series[labels].(*Counter)
			if !ok || len(out) == limit {
				continue
			}
			if n := c.n.Load(); n > c.reported {
				out = append(out, Change{name, labels, n - c.reported})
				c.reported = n
			}
		}
	}
	return out
}

// labelText writes label pairs as they stand between the braces.
func labelText(pairs []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[i])
		b.WriteString(`="`)
		_, _ = escape.WriteString(&b, pairs[i+1])
		b.WriteByte('"')
	}
	return b.String()
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Text answers all metrics in Prometheus' text format, ordered by name.
func (r *Registry) Text() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b bytes.Buffer
	names := make([]string, 0, len(r.families))
	for name := range r.families {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := r.families[name]
		if len(f.series) == 0 {
			continue
		}
		if f.help != "" {
			b.WriteString("# HELP " + name + " " + f.help + "\n")
		}
		b.WriteString("# TYPE " + name + " " + f.kind + "\n")
		labels := make([]string, 0, len(f.series))
		for l := range f.series {
			labels = append(labels, l)
		}
		slices.Sort(labels)
		for _, l := range labels {
			f.series[l].write(&b, name, l)
		}
	}
	return b.Bytes()
}

func (c *Counter) write(b *bytes.Buffer, name, labels string) {
	line(b, name, labels, strconv.FormatInt(c.n.Load(), 10))
}

func (h *Histogram) write(b *bytes.Buffer, name, labels string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var total int64
	for i, n := range h.counts {
		total += n
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		le := `le="` + bound + `"`
		if labels != "" {
			le = labels + "," + le
		}
		line(b, name+"_bucket", le, strconv.FormatInt(total, 10))
	}
	line(b, name+"_sum", labels, strconv.FormatFloat(h.sum, 'g', -1, 64))
	line(b, name+"_count", labels, strconv.FormatInt(total, 10))
}

func line(b *bytes.Buffer, name, labels, value string) {
	b.WriteString(name)
	if labels != "" {
		b.WriteString("{" + labels + "}")
	}
	b.WriteString(" " + value + "\n")
}

// ServeHTTP answers Text.
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(r.Text())
}
