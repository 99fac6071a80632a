package directory

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
)

// index remembers of every server and key what lists are filtered and sorted by,
// about 500 bytes each, so that a page of a list reads only its own records. It is
// read from the storage once in the object's life and then follows each change.
type index struct {
	mu            sync.Mutex
	servers, keys shelf
}

func newIndex() *index {
	return &index{servers: shelf{prefix: keyServer, summarise: readServer}, keys: shelf{prefix: keyKey, summarise: readKeySummary}}
}

// shelf is one kind of record as of a sequence number.
type shelf struct {
	prefix    string
	summarise func(stored []byte) (*summary, error)
	loaded    bool
	seq       int64
	byID      map[string]*summary
	sorted    map[string][]*summary // by the field sorted by; made when it is first asked for
}

// summary is what is known of a record without reading it. The exported fields
// make a cursor: all that any order looks at.
type summary struct {
	ID, Slug         string
	Name             string // in lower case
	Created, Updated time.Time

	text     string // all that is searched, in lower case
	groups   []string
	disabled bool

	authType, flow string   // of a server
	sealedBy       []string // ids of the keys that sealed its secrets

	role       access.Role // of an access key
	allServers bool
	servers    []string
	restricted []string // servers with a tool list of their own
	expires    *time.Time
}

// text joins what is searched. A line break keeps a search from matching across fields.
func text(fields ...string) string { return strings.ToLower(strings.Join(fields, "\n")) }

func summariseServer(r *registry.Record) *summary {
	s := &summary{
		ID: r.ServerID, Slug: r.Slug, Name: strings.ToLower(r.ServerName), Created: r.CreatedAt, Updated: r.UpdatedAt,
		text:   text(r.Slug, r.ServerName, r.Alias, r.URL, r.Description, r.ServerID),
		groups: r.Groups, disabled: r.Disabled, authType: string(r.AuthType), flow: string(r.OAuth2Flow),
	}
	for _, secret := range r.Secrets {
		s.sealedBy = append(s.sealedBy, seal.KeyIDOf(secret.Sealed))
	}
	return s
}

func readServer(stored []byte) (*summary, error) {
	r, err := registry.Decode(stored)
	if err != nil {
		return nil, err
	}
	return summariseServer(r), nil
}

func summariseKey(k *access.Key) *summary {
	return &summary{
		ID: k.ID, Name: strings.ToLower(k.Name), Created: k.CreatedAt, text: text(k.Name, k.Owner, k.ID, k.Prefix), groups: k.Groups, disabled: k.Disabled,
		role: k.Role, allServers: k.AllServers, servers: k.Servers, restricted: slices.Collect(maps.Keys(k.Tools)), expires: k.ExpiresAt,
	}
}

func readKeySummary(stored []byte) (*summary, error) {
	k := &access.Key{}
	err := json.Unmarshal(stored, k)
	return summariseKey(k), err
}

// orders are by the fields that lists are sorted by; equal ones by id, so that a
// page is stable.
var orders = map[string]func(a, b *summary) int{
	"slug":        func(a, b *summary) int { return strings.Compare(a.Slug, b.Slug) },
	"server_name": func(a, b *summary) int { return strings.Compare(a.Name, b.Name) },
	"name":        func(a, b *summary) int { return strings.Compare(a.Name, b.Name) },
	"created_at":  func(a, b *summary) int { return a.Created.Compare(b.Created) },
	"updated_at":  func(a, b *summary) int { return a.Updated.Compare(b.Updated) },
}

func orderBy(field string) func(a, b *summary) int {
	by := orders[field]
	return func(a, b *summary) int { return cmp.Or(by(a, b), strings.Compare(a.ID, b.ID)) }
}

// load reads the shelf if it is not as of now. The index's mu is held.
func (s *shelf) load(ctx context.Context, st platform.Storage) error {
	seq, err := readSeq(ctx, st)
	if err != nil || s.loaded && s.seq == seq {
		return err
	}
	byID := map[string]*summary{}
	err = scan(ctx, st, platform.ListOptions{Prefix: s.prefix}, 500, func(_ string, value []byte) error {
		sum, err := s.summarise(value)
		if err == nil {
			byID[sum.ID] = sum
		}
		return err
	})
	if err != nil {
		return err
	}
	s.byID, s.sorted, s.seq, s.loaded = byID, map[string][]*summary{}, seq, true
	return nil
}

// put takes a record's summary in the place of the one before; nil: it is gone.
func (s *shelf) put(id string, next *summary) {
	old := s.byID[id]
	for field, list := range s.sorted {
		order := orderBy(field)
		if old != nil {
			if i, found := slices.BinarySearchFunc(list, old, order); found {
				list = slices.Delete(list, i, i+1)
			}
		}
		if next != nil {
			i, _ := slices.BinarySearchFunc(list, next, order)
			list = slices.Insert(list, i, next)
		}
		s.sorted[field] = list
	}
	if s.byID[id] = next; next == nil {
		delete(s.byID, id)
	}
}

// each calls f with every summary.
func (x *index) each(ctx context.Context, st platform.Storage, s *shelf, f func(*summary)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.load(ctx, st); err != nil {
		return err
	}
	for _, sum := range s.byID {
		f(sum)
	}
	return nil
}

// page answers the ids of a page, the cursor of the next one ("": none), and how many
// match on all pages. sort may have a "-" before it: descending. matches nil: everything.
func (x *index) page(ctx context.Context, st platform.Storage, s *shelf, sort, cursor string, limit int, matches func(*summary) bool) (ids []string, next string, total int, err error) {
	field, descending := strings.CutPrefix(sort, "-")
	if orders[field] == nil || limit < 1 || limit > MaxPage {
		return nil, "", 0, problem.New(http.StatusBadRequest, "invalid_query", "The list's sort or limit is not valid.")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.load(ctx, st); err != nil {
		return nil, "", 0, err
	}
	order := orderBy(field)
	list := s.sorted[field]
	if list == nil {
		list = slices.SortedFunc(maps.Values(s.byID), order)
		s.sorted[field] = list
	}
	start := 0
	if cursor != "" {
		last, err := decodeCursor(cursor)
		if err != nil {
			return nil, "", 0, err
		}
		i, found := slices.BinarySearchFunc(list, last, order)
		switch {
		case descending:
			i = len(list) - i
		case found:
			i++
		}
		start = i
	}
	from := 0
	if matches == nil {
		from, total = start, len(list)
	}
	var last *summary
	for i := from; i < len(list); i++ {
		sum := list[i]
		if descending {
			sum = list[len(list)-1-i]
		}
		if matches != nil {
			if !matches(sum) {
				continue
			}
			total++
		}
		if i < start {
			continue
		}
		if len(ids) < limit {
			ids, last = append(ids, sum.ID), sum
			continue
		}
		if next == "" {
			next = encodeCursor(last)
		}
		if matches == nil {
			break
		}
	}
	return ids, next, total, nil
}

// A cursor is the last entry of the page, as far as it is sorted by, so that
// entries that come and go neither repeat nor hide others.
func encodeCursor(s *summary) string {
	b, _ := json.Marshal(s)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(c string) (*summary, error) {
	s := &summary{}
	b, err := base64.RawURLEncoding.DecodeString(c)
	if err == nil {
		err = json.Unmarshal(b, s)
	}
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_cursor", "The cursor is not one that a list answered.").Because(err)
	}
	return s, nil
}

// change is what one transaction did.
type change struct {
	written     []*registry.Record
	deleted     []string
	keysWritten []*access.Key
	keysDeleted []string
}

// applied brings a change into the shelves that were exactly one change behind it;
// the others read everything at their next list.
func (x *index) applied(seq int64, ch *change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.servers.follows(seq) {
		for _, id := range ch.deleted {
			x.servers.put(id, nil)
		}
		for _, r := range ch.written {
			x.servers.put(r.ServerID, summariseServer(r))
		}
	}
	if x.keys.follows(seq) {
		for _, k := range ch.keysWritten {
			x.keys.put(k.ID, summariseKey(k))
		}
		for _, id := range ch.keysDeleted {
			x.keys.put(id, nil)
		}
	}
}

func (s *shelf) follows(seq int64) bool {
	s.loaded = s.loaded && s.seq == seq-1
	s.seq = seq
	return s.loaded
}

// matcher answers what selects the servers of a query; nil: everything.
func (q ServerQuery) matcher() func(*summary) bool {
	want := strings.ToLower(q.Text)
	if want == "" && q.AuthType == "" && q.Flow == "" && q.Group == "" && q.Disabled == nil {
		return nil
	}
	return func(s *summary) bool {
		return (q.AuthType == "" || s.authType == q.AuthType) && (q.Flow == "" || s.flow == q.Flow) && (q.Group == "" || slices.Contains(s.groups, q.Group)) &&
			(q.Disabled == nil || s.disabled == *q.Disabled) && strings.Contains(s.text, want)
	}
}

// matcher answers what selects the keys of a query; nil: everything.
func (q KeyQuery) matcher() func(*summary) bool {
	want := strings.ToLower(q.Text)
	if want == "" && q.Role == "" && q.ServerID == "" {
		return nil
	}
	return func(k *summary) bool {
		return (q.Role == "" || k.role == q.Role) &&
			(q.ServerID == "" || k.allServers || k.role == access.RoleAdmin || slices.Contains(k.servers, q.ServerID) ||
				slices.ContainsFunc(k.groups, func(g string) bool { return slices.Contains(q.Groups, g) })) &&
			strings.Contains(k.text, want)
	}
}
