package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/usage"
)

// Storage keys of usage: + begin of the bucket (Unix seconds, 10 digits), "/",
// server id.
const (
	keyUsageSlice = "usage/s/" // five minutes: figures of the server
	keyUsageHour  = "usage/h/" // an hour: bucket
	keyUsageDay   = "usage/d/" // a day (UTC): bucket
)

// Retention of usage; days are kept as the settings say.
const (
	keepSlices = 2 * time.Hour
	keepHours  = 35 * 24 * time.Hour
)

// maxNames bounds the tools, and the keys, that one bucket tells apart.
const maxNames = 200

// otherName collects the tools and keys beyond maxNames.
const otherName = "(other)"

// bucket is the figures of one server in one interval.
type bucket struct {
	Total usage.Figures             `json:"t"`
	Tools map[string]*usage.Figures `json:"tools,omitempty"`
	Keys  map[string]*usage.Figures `json:"keys,omitempty"`
}

func addNamed(m *map[string]*usage.Figures, name string, f usage.Figures) {
	if name == "" {
		return
	}
	if *m == nil {
		*m = map[string]*usage.Figures{}
	}
	have := (*m)[name]
	if have == nil {
		if len(*m) >= maxNames {
			name = otherName
			have = (*m)[name]
		}
		if have == nil {
			have = &usage.Figures{}
			(*m)[name] = have
		}
	}
	have.Add(f)
}

type (
	usageIn struct {
		Deltas   []*usage.Delta
		LastUsed map[string]time.Time
	}
	usageOut struct {
		Groups []usage.Group
		Total  usage.Figures
	}
	sparkIn  struct{ Now int64 }
	sparkOut struct{ Servers map[string]usage.Spark }
)

// AddUsage adds figures, and the last uses of keys, to what is kept.
func (c *Client) AddUsage(ctx context.Context, deltas []*usage.Delta, lastUsed map[string]time.Time) error {
	_, err := call[struct{}](ctx, c, "usage.add", false, usageIn{deltas, lastUsed})
	return err
}

// Usage answers grouped figures.
func (c *Client) Usage(ctx context.Context, q usage.Query) ([]usage.Group, usage.Figures, error) {
	out, err := call[usageOut](ctx, c, "usage.get", true, q)
	return out.Groups, out.Total, err
}

// Sparks answers the last hour of every server with calls.
func (c *Client) Sparks(ctx context.Context) (map[string]usage.Spark, error) {
	out, err := call[sparkOut](ctx, c, "usage.spark", true, sparkIn{time.Now().Unix()})
	return out.Servers, err
}

func usageKey(prefix string, at int64, server string) string {
	return fmt.Sprintf("%s%010d/%s", prefix, at, server)
}

// maxDeltas bounds the servers × intervals of one flush by the size of a transaction.
const maxDeltas = 2000

func (o *Object) addUsage(ctx context.Context, st platform.Storage, in usageIn) (struct{}, error) {
	if len(in.Deltas) > maxDeltas {
		return struct{}{}, problem.New(http.StatusBadRequest, "too_many_writes", "Too many figures at once.")
	}
	// A transaction holds the buckets of some servers, so that it stays small.
	slices.SortFunc(in.Deltas, func(a, b *usage.Delta) int { return strings.Compare(a.ServerID, b.ServerID) })
	for len(in.Deltas) > 0 {
		n, servers := 0, 0
		for n < len(in.Deltas) && servers < 100 {
			if n == 0 || in.Deltas[n].ServerID != in.Deltas[n-1].ServerID {
				servers++
			}
			n++
		}
		for n < len(in.Deltas) && in.Deltas[n].ServerID == in.Deltas[n-1].ServerID {
			n++
		}
		part := in.Deltas[:n]
		if err := o.transact(ctx, st, func(t *transaction) error { return t.addUsage(ctx, part) }); err != nil {
			return struct{}{}, err
		}
		in.Deltas = in.Deltas[n:]
	}
	return struct{}{}, o.noteLastUsed(ctx, st, in.LastUsed)
}

func (t *transaction) addUsage(ctx context.Context, deltas []*usage.Delta) error {
	buckets := map[string]*bucket{}
	var order []string
	for _, d := range deltas {
		if strings.ContainsRune(d.ServerID, '/') || d.At <= 0 {
			continue
		}
		for _, level := range [...]struct {
			prefix string
			width  int64
		}{{keyUsageSlice, int64(usage.Slice / time.Second)}, {keyUsageHour, 3600}, {keyUsageDay, 86400}} {
			key := usageKey(level.prefix, d.At-d.At%level.width, d.ServerID)
			b := buckets[key]
			if b == nil {
				b = &bucket{}
				raw, err := t.guarded(ctx, key)
				if err != nil {
					return err
				}
				if raw != nil {
					if err := json.Unmarshal(raw, b); err != nil {
						return fmt.Errorf("directory: %s: %w", key, err)
					}
				}
				buckets[key], order = b, append(order, key)
			}
			b.Total.Add(d.Figures)
			if level.prefix != keyUsageSlice {
				addNamed(&b.Tools, d.Tool, d.Figures)
				addNamed(&b.Keys, d.KeyID, d.Figures)
			}
		}
	}
	for _, key := range order {
		raw, err := json.Marshal(buckets[key])
		if err != nil {
			return err
		}
		t.put(key, raw)
	}
	return nil
}

// noteLastUsed is no transaction with the keys: a note of a revoked key is
// harmless and goes with the next revocation of that id, which never comes; so it is
// written only while the key exists.
func (o *Object) noteLastUsed(ctx context.Context, st platform.Storage, used map[string]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	return o.transact(ctx, st, func(t *transaction) error {
		for id, at := range used {
			k, err := t.get(ctx, keyKey+id)
			if err != nil {
				return err
			}
			if k != nil {
				t.put(keyLastUsed+id, []byte(at.UTC().Format(time.RFC3339)))
			}
		}
		return nil
	})
}

// maxBuckets is how many stored buckets one query reads.
const maxBuckets = 50_000

func (o *Object) getUsage(ctx context.Context, st platform.Storage, q usage.Query) (usageOut, error) {
	prefix, width := keyUsageHour, int64(3600)
	if q.Interval != "hour" && q.To.Sub(q.From) > 3*24*time.Hour {
		prefix, width = keyUsageDay, 86400
	}
	step := map[string]int64{"hour": 3600, "day": 86400}[q.Interval]
	groups := map[string]*usage.Group{}
	out := usageOut{Groups: []usage.Group{}}
	add := func(id string, at int64, f usage.Figures) {
		g := groups[id]
		if g == nil {
			g = &usage.Group{ID: id}
			groups[id] = g
		}
		g.Total.Add(f)
		if step > 0 {
			at -= at % step
			if n := len(g.Series); n == 0 || g.Series[n-1].At != at {
				g.Series = append(g.Series, usage.Point{At: at})
			}
			g.Series[len(g.Series)-1].Figures.Add(f)
		}
	}
	read := 0
	start := usageKey(prefix, q.From.Unix()-q.From.Unix()%width, "")
	end := usageKey(prefix, q.To.Unix(), "")
	for {
		entries, err := st.List(ctx, platform.ListOptions{Prefix: prefix, Start: start, End: end, Limit: 500})
		if err != nil {
			return out, storageProblem(err)
		}
		for _, e := range entries {
			if read++; read > maxBuckets {
				return out, problem.New(http.StatusBadRequest, "invalid_query", "The time span holds too many figures: choose a shorter one, or interval day.")
			}
			atText, server, _ := strings.Cut(strings.TrimPrefix(e.Key, prefix), "/")
			at, err := strconv.ParseInt(atText, 10, 64)
			if err != nil || q.ServerID != "" && server != q.ServerID {
				continue
			}
			var b bucket
			if err := json.Unmarshal(e.Value, &b); err != nil {
				return out, fmt.Errorf("directory: %s: %w", e.Key, err)
			}
			out.Total.Add(b.Total)
			switch q.GroupBy {
			case "server":
				add(server, at, b.Total)
			case "tool":
				for name, f := range b.Tools {
					add(server+"/"+name, at, *f)
				}
			case "key":
				for id, f := range b.Keys {
					add(id, at, *f)
				}
			default:
				add("all", at, b.Total)
			}
		}
		if len(entries) < 500 {
			break
		}
		start = after(entries[len(entries)-1].Key)
	}
	sorted := slices.Collect(maps.Values(groups))
	slices.SortFunc(sorted, func(a, b *usage.Group) int {
		if a.Total.Calls != b.Total.Calls {
			return int(b.Total.Calls - a.Total.Calls)
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, g := range sorted {
		out.Groups = append(out.Groups, *g)
	}
	return out, nil
}

// sparkSlices is the length of a sparkline: an hour.
const sparkSlices = 12

func (o *Object) sparks(ctx context.Context, st platform.Storage, in sparkIn) (sparkOut, error) {
	width := int64(usage.Slice / time.Second)
	first := in.Now - in.Now%width - (sparkSlices-1)*width
	out := sparkOut{Servers: map[string]usage.Spark{}}
	sums := map[string]*usage.Figures{}
	start := usageKey(keyUsageSlice, first, "")
	for {
		entries, err := st.List(ctx, platform.ListOptions{Prefix: keyUsageSlice, Start: start, Limit: 500})
		if err != nil {
			return out, storageProblem(err)
		}
		for _, e := range entries {
			atText, server, _ := strings.Cut(strings.TrimPrefix(e.Key, keyUsageSlice), "/")
			at, err := strconv.ParseInt(atText, 10, 64)
			i := (at - first) / width
			var b bucket
			if err != nil || i < 0 || i >= sparkSlices || json.Unmarshal(e.Value, &b) != nil {
				continue
			}
			s, ok := out.Servers[server]
			if !ok {
				s = usage.Spark{Calls: make([]int64, sparkSlices), Errors: make([]int64, sparkSlices)}
				sums[server] = &usage.Figures{}
			}
			s.Calls[i], s.Errors[i] = b.Total.Calls, b.Total.Errors
			sums[server].Add(b.Total)
			s.P95 = sums[server].Percentile(0.95)
			out.Servers[server] = s
		}
		if len(entries) < 500 {
			return out, nil
		}
		start = after(entries[len(entries)-1].Key)
	}
}

// trimUsage deletes buckets that are older than their retention.
func (o *Object) trimUsage(ctx context.Context, st platform.Storage, now time.Time, keepDays time.Duration) error {
	for _, level := range [...]struct {
		prefix string
		keep   time.Duration
	}{{keyUsageSlice, keepSlices}, {keyUsageHour, keepHours}, {keyUsageDay, keepDays}} {
		end := usageKey(level.prefix, now.Add(-level.keep).Unix(), "")
		for {
			entries, err := st.List(ctx, platform.ListOptions{Prefix: level.prefix, End: end, Limit: 500})
			if err != nil {
				return storageProblem(err)
			}
			if len(entries) == 0 {
				break
			}
			steps := make([]platform.Step, len(entries))
			for i, e := range entries {
				steps[i] = platform.Delete(e.Key)
			}
			if _, err := st.Transact(ctx, steps...); err != nil {
				return storageProblem(err)
			}
		}
	}
	return nil
}
