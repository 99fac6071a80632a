package directory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/platform/memory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/uuid"
)

// world is the stores, and a process on them that can be killed and started anew.
type world struct {
	*memory.Platform
	client *directory.Client

	mu     sync.Mutex
	object *directory.Object
	left   int // operations until the process dies; negative: it lives
	dead   bool
}

var errDead = &platform.Error{Op: "test", Code: platform.CodeGone, Message: "the process is dead"}

func newWorld() *world {
	w := &world{Platform: memory.New(nil), left: -1}
	w.Fault = func(op, _, _ string) error {
		if op == "object" {
			return nil
		}
		return w.step()
	}
	w.Objects = w
	w.restart()
	return w
}

func (w *world) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.object, w.dead, w.left = directory.NewObject(w.Platform, nil), false, -1
	w.client = directory.NewClient(w.Platform)
}

// dieAfter lets n more operations on the stores happen.
func (w *world) dieAfter(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = n
}

// step counts an operation and answers whether the process still lives.
func (w *world) step() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 {
		w.dead = true
	}
	if w.dead {
		return errDead
	}
	if w.left > 0 {
		w.left--
	}
	return nil
}

func (w *world) ServeObject(rw http.ResponseWriter, r *http.Request, a platform.Actor) {
	a.Storage = mortal{a.Storage, w}
	w.object.ServeObject(rw, r, a)
}

// mortal is storage that stops answering when the process has died.
type mortal struct {
	platform.Storage
	w *world
}

func (m mortal) Get(ctx context.Context, key string) ([]byte, error) {
	if err := m.w.step(); err != nil {
		return nil, err
	}
	return m.Storage.Get(ctx, key)
}

func (m mortal) List(ctx context.Context, o platform.ListOptions) ([]platform.Entry, error) {
	if err := m.w.step(); err != nil {
		return nil, err
	}
	return m.Storage.List(ctx, o)
}

func (m mortal) Transact(ctx context.Context, steps ...platform.Step) (bool, error) {
	if err := m.w.step(); err != nil {
		return false, err
	}
	return m.Storage.Transact(ctx, steps...)
}

func record(name string) *registry.Record {
	return &registry.Record{ServerID: uuid.New(), ServerName: name, Slug: strings.ToLower(name), URL: "https://" + name + ".test/mcp", Transport: "http", AuthType: registry.AuthNone}
}

// large is a record that fills a part of the catalogue by itself.
func large(name string) *registry.Record {
	r := record(name)
	r.Description = strings.Repeat("x", 66<<10)
	return r
}

// nobody is an origin that is not there: KV must do.
type nobody struct{}

func (nobody) FindServer(context.Context, string) (*registry.Record, error) { return nil, errDead }

func (nobody) AllServers(context.Context) ([]*registry.Record, int64, error) { return nil, 0, errDead }

func row(action, target string) audit.Entry {
	return audit.Entry{Action: action, Actor: audit.Actor{ID: "test"}, Target: audit.Target{Type: "server", ID: target}, Outcome: audit.OK}
}

// assertConsistent checks everything that must hold once housekeeping has run:
// indexes and published copies say what the records say, nothing waits in the outbox,
// the audit chain is whole.
func (w *world) assertConsistent(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	st := w.Storage(platform.Directory, "main")
	entries, err := st.List(ctx, platform.ListOptions{})
	require.NoError(t, err)
	stored := map[string]string{}
	for _, e := range entries {
		stored[e.Key] = string(e.Value)
		assert.False(t, strings.HasPrefix(e.Key, "outbox/"), e.Key)
	}
	kv := w.KV(platform.Config)
	keys, _, err := kv.List(ctx, "", 0, "")
	require.NoError(t, err)
	published := map[string]string{}
	for _, k := range keys {
		v, err := kv.Get(ctx, k)
		require.NoError(t, err)
		published[k] = string(v)
	}
	refs, copies, hashes := 0, 0, 0
	listed := map[string]string{}
	for key, value := range stored {
		if id, ok := strings.CutPrefix(key, "server/"); ok {
			rec, err := registry.Decode([]byte(value))
			require.NoError(t, err)
			for _, ref := range rec.Refs() {
				assert.Equal(t, id, stored["ref/"+ref])
				assert.Equal(t, value, published["server/"+ref])
				refs++
			}
			listed[id] = value
		}
		if _, ok := strings.CutPrefix(key, "key/"); ok {
			hashes++
		}
	}
	for key := range stored {
		if strings.HasPrefix(key, "ref/") {
			refs--
		}
		if strings.HasPrefix(key, "keyhash/") {
			hashes--
		}
	}
	for key := range published {
		if ref, ok := strings.CutPrefix(key, "server/"); ok {
			assert.Contains(t, stored, "ref/"+ref)
			copies++
		}
		if hash, ok := strings.CutPrefix(key, "key/"); ok {
			assert.Contains(t, stored, "keyhash/"+hash)
		}
	}
	all, err := registry.NewSource(w.Platform, nobody{}).All(ctx)
	require.NoError(t, err)
	for _, r := range all {
		b, err := registry.Encode(r)
		require.NoError(t, err)
		assert.Equal(t, listed[r.ServerID], string(b), "the catalogue")
		delete(listed, r.ServerID)
	}
	assert.Empty(t, listed, "not in the catalogue")
	var parts []struct{ Start string }
	if b := stored["catalog"]; b != "" {
		require.NoError(t, json.Unmarshal([]byte(b), &parts))
	}
	for key := range published {
		if start, ok := strings.CutPrefix(key, registry.KVPart); ok {
			assert.True(t, len(parts) > 1 && slices.ContainsFunc(parts, func(p struct{ Start string }) bool { return registry.PartName(p.Start) == start }), "%s is left", key)
		}
	}
	assert.Zero(t, refs, "references without a server")
	assert.Zero(t, hashes, "hashes without a key")
	v, err := w.client.VerifyAudit(ctx)
	require.NoError(t, err)
	assert.True(t, v.OK, v.Reason)
}

// TestKilledAtEveryPointOfAWrite kills the process after each number of operations
// that a change takes, starts it anew and lets housekeeping run once.
func TestKilledAtEveryPointOfAWrite(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, c *directory.Client, a, b *registry.Record, k *access.Key) error{
		"create": func(ctx context.Context, c *directory.Client, _, _ *registry.Record, _ *access.Key) error {
			_, err := c.WriteServers(ctx, []directory.ServerWrite{{Record: record("New")}}, row("server.create", "new"))
			return err
		},
		"rename": func(ctx context.Context, c *directory.Client, a, _ *registry.Record, _ *access.Key) error {
			next := a.Clone()
			next.Slug, next.ServerName = "renamed", "Renamed"
			_, err := c.WriteServers(ctx, []directory.ServerWrite{{Record: next, Expect: a.Version}}, row("server.update", a.ServerID))
			return err
		},
		"delete with grants": func(ctx context.Context, c *directory.Client, a, _ *registry.Record, _ *access.Key) error {
			_, err := c.DeleteServers(ctx, []directory.Deletion{{ID: a.ServerID}}, row("server.delete", a.ServerID))
			return err
		},
		"import": func(ctx context.Context, c *directory.Client, a, b *registry.Record, k *access.Key) error {
			next, key := b.Clone(), *k
			next.Slug, key.Name = "a", "changed" // takes over the name of the one that goes
			next.ServerName = "A"
			_, err := c.Write(ctx, directory.Batch{
				Servers: []directory.ServerWrite{{Record: next, Expect: b.Version}, {Record: record("New")}}, Delete: []directory.Deletion{{ID: a.ServerID, Expect: a.Version}},
				Keys: []directory.KeyWrite{{Key: &key, Expect: k.Version}}, Audit: []audit.Entry{row("import.apply", "")},
			})
			return err
		},
		"grow into parts": func(ctx context.Context, c *directory.Client, _, _ *registry.Record, _ *access.Key) error {
			_, err := c.Write(ctx, directory.Batch{Servers: []directory.ServerWrite{{Record: large("C")}}})
			return err
		},
		"rotate key": func(ctx context.Context, c *directory.Client, _, _ *registry.Record, k *access.Key) error {
			key := *k
			key.SetSecret(access.NewSecret(), 0, k.CreatedAt)
			_, err := c.WriteKeys(ctx, []directory.KeyWrite{{Key: &key, Expect: k.Version}}, row("key.rotate", k.ID))
			return err
		},
		"revoke key": func(ctx context.Context, c *directory.Client, _, _ *registry.Record, k *access.Key) error {
			_, err := c.DeleteKey(ctx, k.ID, 0, row("key.revoke", k.ID))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for point, survived := 0, false; !survived; point++ {
				require.Less(t, point, 200)
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					ctx := t.Context()
					a, b := record("A"), record("B")
					k := &access.Key{ID: uuid.New(), Name: "k", Role: access.RoleCaller, Servers: []string{a.ServerID, b.ServerID}}
					k.SetSecret(access.NewSecret(), 0, k.CreatedAt)
					written, err := w.client.Write(ctx, directory.Batch{
						Servers: []directory.ServerWrite{{Record: a}, {Record: b}}, Keys: []directory.KeyWrite{{Key: k}}, Audit: []audit.Entry{row("setup", "")},
					})
					require.NoError(t, err)
					w.Wait()
					before := w.snapshot(t)
					w.dieAfter(point)
					err = change(ctx, w.client, written.Changes[0].After, written.Changes[1].After, written.KeysAfter[0])
					w.Wait()
					w.mu.Lock()
					survived = !w.dead
					w.mu.Unlock()

					w.restart()
					require.NoError(t, w.client.Keep(ctx))
					w.Wait()
					w.assertConsistent(t)
					if after := w.snapshot(t); err != nil && after == before {
						return // nothing was done, and the caller was told
					}
					recs, _, rerr := w.client.AllServers(ctx)
					require.NoError(t, rerr)
					assert.NotEqual(t, before, w.snapshot(t), "what was acknowledged is there: %d servers", len(recs))
				})
			}
		})
	}
}

// snapshot is the configuration in the storage as one text.
func (w *world) snapshot(t *testing.T) string {
	t.Helper()
	entries, err := w.Storage(platform.Directory, "main").List(t.Context(), platform.ListOptions{})
	require.NoError(t, err)
	var b strings.Builder
	for _, e := range entries {
		if strings.HasPrefix(e.Key, "server/") || strings.HasPrefix(e.Key, "key/") || strings.HasPrefix(e.Key, "audit/") {
			fmt.Fprintf(&b, "%s=%s\n", e.Key, e.Value)
		}
	}
	return b.String()
}

// TestTheCatalogueFollowsTheServers makes, changes and deletes servers of many sizes, so
// that its parts are split and joined.
func TestTheCatalogueFollowsTheServers(t *testing.T) {
	w := newWorld()
	ctx := t.Context()
	random := rand.New(rand.NewPCG(1, 2))
	most := 0
	var have []*registry.Record
	for i := range 150 {
		size := []int{0, 0, 2 << 10, 20 << 10, 70 << 10}[random.IntN(5)]
		growing := i < 70 || i > 110 && i < 125
		switch n := random.IntN(10); {
		case len(have) == 0 || growing && n < 6:
			r := record(fmt.Sprintf("s%d", i))
			r.Description = strings.Repeat("x", size)
			written, err := w.client.WriteServers(ctx, []directory.ServerWrite{{Record: r}})
			require.NoError(t, err)
			have = append(have, written.Changes[0].After)
		case growing && n < 8:
			at := random.IntN(len(have))
			r := have[at].Clone()
			r.Description = strings.Repeat("y", size)
			written, err := w.client.WriteServers(ctx, []directory.ServerWrite{{Record: r, Expect: r.Version}})
			require.NoError(t, err)
			have[at] = written.Changes[0].After
		default:
			have = w.deleteOne(t, have, random)
		}
		if i%7 == 0 {
			w.Wait()
			w.assertConsistent(t)
			b, err := w.Storage(platform.Directory, "main").Get(ctx, "catalog")
			require.NoError(t, err)
			most = max(most, strings.Count(string(b), "start"))
		}
	}
	assert.Greater(t, most, 10, "parts")
	_, _, err := w.client.Republish(ctx)
	require.NoError(t, err)
	w.Wait()
	w.assertConsistent(t)
}

// deleteOne deletes one of these servers and answers the rest.
func (w *world) deleteOne(t *testing.T, have []*registry.Record, random *rand.Rand) []*registry.Record {
	t.Helper()
	at := random.IntN(len(have))
	_, err := w.client.DeleteServers(t.Context(), []directory.Deletion{{ID: have[at].ServerID}})
	require.NoError(t, err)
	return slices.Delete(have, at, at+1)
}

// Housekeeping of a gateway that publishes in a new form writes everything anew.
func TestANewFormIsPublishedByItself(t *testing.T) {
	w := newWorld()
	ctx := t.Context()
	k := &access.Key{ID: uuid.New(), Name: "k", Role: access.RoleCaller}
	k.SetSecret(access.NewSecret(), 0, k.CreatedAt)
	_, err := w.client.Write(ctx, directory.Batch{Servers: []directory.ServerWrite{{Record: large("A")}, {Record: large("B")}}, Keys: []directory.KeyWrite{{Key: k}}})
	require.NoError(t, err)
	require.NoError(t, w.client.Keep(ctx))
	w.Wait()
	kv := w.KV(platform.Config)
	keys, _, err := kv.List(ctx, "", 0, "")
	require.NoError(t, err)
	for _, key := range keys {
		require.NoError(t, kv.Put(ctx, key, []byte("of an earlier form"), 0))
	}
	require.NoError(t, kv.Put(ctx, registry.KVPart+"of-an-earlier-form", []byte("x"), 0))
	require.NoError(t, w.Storage(platform.Directory, "main").Put(ctx, "published-form", []byte("1")))
	require.NoError(t, w.client.Keep(ctx))
	w.Wait()
	w.assertConsistent(t)
}

// Lists answer from what is kept in memory; it says the same as the storage whatever
// was changed.
func TestListsFollowTheServers(t *testing.T) {
	w := newWorld()
	ctx := t.Context()
	random := rand.New(rand.NewPCG(3, 4))
	names := func(sort string) (out []string) {
		for cursor := ""; ; {
			page, err := w.client.ListServers(ctx, directory.ServerQuery{Sort: sort, Limit: 7, Cursor: cursor})
			require.NoError(t, err)
			for _, r := range page.Records {
				out = append(out, r.ServerName+" "+r.Description)
			}
			if cursor = page.Next; cursor == "" {
				assert.Len(t, out, page.Total)
				return out
			}
		}
	}
	var have []*registry.Record
	for i := range 30 {
		switch n := random.IntN(3); {
		case n == 0 || len(have) < 3:
			r := record(fmt.Sprintf("s%02d", random.IntN(100)*100+i))
			r.UpdatedAt = time.Unix(int64(random.IntN(5)), 0).UTC()
			written, err := w.client.WriteServers(ctx, []directory.ServerWrite{{Record: r}})
			require.NoError(t, err)
			have = append(have, written.Changes[0].After)
		case n == 1:
			at := random.IntN(len(have))
			r := have[at].Clone()
			r.Description, r.UpdatedAt = fmt.Sprint(i), time.Unix(int64(random.IntN(5)), 0).UTC()
			r.ServerName, r.Slug = fmt.Sprintf("r%02d", i), fmt.Sprintf("r%02d", i)
			written, err := w.client.WriteServers(ctx, []directory.ServerWrite{{Record: r, Expect: r.Version}})
			require.NoError(t, err)
			have[at] = written.Changes[0].After
		default:
			have = w.deleteOne(t, have, random)
		}
		for _, sort := range []string{"slug", "-slug", "-updated_at", "server_name"} {
			followed, object := names(sort), w.object
			w.object = directory.NewObject(w.Platform, nil)
			assert.Equal(t, names(sort), followed, sort)
			assert.Len(t, followed, len(have))
			w.object = object
		}
	}
	w.Wait()
}

func TestAFullStorageChangesNothing(t *testing.T) {
	w := newWorld()
	full := &fullStorage{Platform: w.Platform}
	w.Objects = full
	full.object = w.object
	_, err := w.client.WriteServers(t.Context(), []directory.ServerWrite{{Record: record("A")}})
	requireCode(t, err, http.StatusInsufficientStorage, "storage_full")
	recs, _, err := w.client.AllServers(t.Context())
	require.NoError(t, err)
	assert.Empty(t, recs)
}

type fullStorage struct {
	*memory.Platform
	object *directory.Object
}

func (f *fullStorage) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	a.Storage = full{a.Storage}
	f.object.ServeObject(w, r, a)
}

type full struct{ platform.Storage }

func (full) Transact(context.Context, ...platform.Step) (bool, error) {
	return false, &platform.Error{Op: "storage.transact", Code: platform.CodeLimit, Message: "full"}
}

func requireCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	require.Error(t, err)
	p := problem.From(err)
	assert.Equal(t, code, p.Code)
	assert.Equal(t, status, p.Status)
}
