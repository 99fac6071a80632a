package interactive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
)

// ObjectName is the Durable Object of class MINTER that keeps what is under way. Its
// storage holds, sealed:
//
//	once/<kind>/<SHA-256 of the ticket>  a thing that is taken once, or replaced, until it expires
//	client/<SHA-256>                     a client that the gateway has registered
const ObjectName = "interactive"

// sweepAtOnce is how many things are looked at when a new one comes, to clear expired
// ones away.
const sweepAtOnce = 50

// kind tells the things apart that are taken once.
type kind string

const (
	kindFlow    kind = "flow"
	kindCode    kind = "code"    // of the relay
	kindRefresh kind = "refresh" // of the relay
)

// errNone means that there is no such thing: never was, taken, expired, or another
// browser's.
var errNone = errors.New("interactive: nothing under this ticket")

// store speaks to the object.
type store struct {
	object  http.RoundTripper
	keyring *seal.Keyring
}

// message is a request to the object and what it keeps.
type message struct {
	Key     string `json:"key"`
	Value   []byte `json:"value,omitempty"`
	Binding string `json:"binding,omitempty"` // SHA-256 of the browser's half
	Expires int64  `json:"expires,omitempty"` // Unix ms; 0: never

	Next     string `json:"next,omitempty"`     // binding after a replacement
	Replaced int64  `json:"replaced,omitempty"` // Unix ms, the last time
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func onceKey(k kind, ticket string) string { return "once/" + string(k) + "/" + digest(ticket) }

// put keeps v under a ticket until life has passed; it is taken with the same binding.
func (s *store) put(ctx context.Context, k kind, ticket, binding string, v any, life time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	key := onceKey(k, ticket)
	return s.call(ctx, "put", message{Key: key, Value: s.keyring.Seal(b, "interactive", key), Binding: digest(binding), Expires: time.Now().Add(life).UnixMilli()}, nil)
}

// take answers what is kept under a ticket, once.
func (s *store) take(ctx context.Context, k kind, ticket, binding string, v any) error {
	key := onceKey(k, ticket)
	var m message
	if err := s.call(ctx, "take", message{Key: key, Binding: digest(binding)}, &m); err != nil {
		return err
	}
	return s.open(m, v)
}

// read answers what is kept under a ticket and leaves it there. Whoever reads must ask to
// replace it before relying on it: only then is the binding looked at.
func (s *store) read(ctx context.Context, k kind, ticket string, v any) error {
	var m message
	if err := s.call(ctx, "get", message{Key: onceKey(k, ticket)}, &m); err != nil {
		return err
	}
	if time.Now().UnixMilli() >= m.Expires {
		return errNone
	}
	return s.open(m, v)
}

// replace puts v in the place of what is kept under a ticket with this binding; from then on
// it is another binding's. A binding of before ends the whole (RFC 9700 §4.14.2): of two who
// hold the same thing one is a thief, and nobody knows which.
func (s *store) replace(ctx context.Context, k kind, ticket, binding, next string, v any, life time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	key := onceKey(k, ticket)
	return s.call(ctx, "replace", message{
		Key: key, Value: s.keyring.Seal(b, "interactive", key), Binding: digest(binding), Next: digest(next), Expires: time.Now().Add(life).UnixMilli(),
	}, nil)
}

// client answers a registered client; errNone if there is none.
func (s *store) client(ctx context.Context, name string, v any) error {
	var m message
	if err := s.call(ctx, "get", message{Key: "client/" + digest(name)}, &m); err != nil {
		return err
	}
	return s.open(m, v)
}

func (s *store) putClient(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	key := "client/" + digest(name)
	return s.call(ctx, "put", message{Key: key, Value: s.keyring.Seal(b, "interactive", key)}, nil)
}

func (s *store) open(m message, v any) error {
	b, err := s.keyring.Open(m.Value, "interactive", m.Key)
	if err != nil {
		return errNone // sealed with a key that is gone: as good as nothing
	}
	return json.Unmarshal(b, v)
}

func (s *store) call(ctx context.Context, op string, in message, out *message) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://interactive.invalid/"+op, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.object.RoundTrip(r)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return errNone
	case err != nil || resp.StatusCode != http.StatusOK:
		return unavailable(err)
	case out == nil:
		return nil
	}
	return json.Unmarshal(b, out)
}

func unavailable(err error) error {
	p := problem.New(http.StatusServiceUnavailable, "flow_unavailable", "The state of the authorization cannot be kept or read now; try again.")
	p.RetryAfter = 2
	return p.Because(err)
}

// maxMessage bounds a message in either direction, in bytes.
const maxMessage = 128 << 10

// Object serves the Durable Object.
type Object struct{}

// ServeObject serves one operation.
func (Object) ServeObject(w http.ResponseWriter, r *http.Request, a platform.Actor) {
	var m message
	b, err := io.ReadAll(io.LimitReader(r.Body, maxMessage))
	if err != nil || json.Unmarshal(b, &m) != nil || m.Key == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	status := http.StatusOK
	switch strings.TrimPrefix(r.URL.Path, "/") {
	case "put":
		err = putOnce(ctx, a.Storage, m)
	case "take":
		m, status, err = takeOnce(ctx, a.Storage, m)
	case "replace":
		m, status, err = replaceOnce(ctx, a.Storage, m)
	case "get":
		var raw []byte
		if raw, err = a.Storage.Get(ctx, m.Key); err == nil {
			err = json.Unmarshal(raw, &m)
		}
	default:
		status = http.StatusBadRequest
	}
	switch {
	case errors.Is(err, platform.ErrNotFound):
		status = http.StatusNotFound
	case err != nil:
		status = http.StatusInternalServerError
	}
	if status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	out, err := json.Marshal(m)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(out)
}

func putOnce(ctx context.Context, st platform.Storage, m message) error {
	if strings.HasPrefix(m.Key, "once/") {
		prefix := m.Key[:strings.LastIndexByte(m.Key, '/')+1]
		if err := sweep(ctx, st, prefix); err != nil {
			return err
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return st.Put(ctx, m.Key, b)
}

// stored answers what is kept under a key, and its bytes.
func stored(ctx context.Context, st platform.Storage, key string) (m message, raw []byte, err error) {
	if raw, err = st.Get(ctx, key); err == nil {
		err = json.Unmarshal(raw, &m)
	}
	return m, raw, err
}

func (m *message) boundAs(want message) bool {
	return subtle.ConstantTimeCompare([]byte(m.Binding), []byte(want.Binding)) == 1
}

// takeOnce answers and removes, in one step: of two at once one gets it. The wrong browser
// neither gets it nor spoils it.
func takeOnce(ctx context.Context, st platform.Storage, want message) (message, int, error) {
	m, raw, err := stored(ctx, st, want.Key)
	if err != nil {
		return want, 0, err
	}
	if !m.boundAs(want) {
		return want, http.StatusNotFound, nil
	}
	done, err := st.Transact(ctx, platform.Expect(want.Key, raw), platform.Delete(want.Key))
	if err != nil {
		return want, 0, err
	}
	if !done || time.Now().UnixMilli() >= m.Expires {
		return want, http.StatusNotFound, nil
	}
	return m, http.StatusOK, nil
}

// replaceGrace is how long after a replacement the binding of before is refused and nothing
// more: two processes of one client may have come at once.
const replaceGrace = 30 * time.Second

func replaceOnce(ctx context.Context, st platform.Storage, want message) (message, int, error) {
	m, raw, err := stored(ctx, st, want.Key)
	if err != nil {
		return want, 0, err
	}
	now := time.Now().UnixMilli()
	ours := m.boundAs(want)
	switch {
	case now >= m.Expires:
		return want, http.StatusNotFound, nil
	case !ours && now-m.Replaced < replaceGrace.Milliseconds():
		return want, http.StatusNotFound, nil
	case !ours:
		_, err := st.Transact(ctx, platform.Expect(want.Key, raw), platform.Delete(want.Key))
		return want, http.StatusNotFound, err
	}
	want.Binding, want.Next, want.Replaced = want.Next, "", now
	b, err := json.Marshal(want)
	if err != nil {
		return want, 0, err
	}
	done, err := st.Transact(ctx, platform.Expect(want.Key, raw), platform.Put(want.Key, b))
	if err != nil {
		return want, 0, err
	}
	if !done {
		return want, http.StatusNotFound, nil
	}
	return message{}, http.StatusOK, nil
}

// sweep clears expired things of a kind away: of a few, at a random place, so that a
// change costs little and all are looked at in time.
func sweep(ctx context.Context, st platform.Storage, prefix string) error {
	page, err := st.List(ctx, platform.ListOptions{Prefix: prefix, Start: prefix + digest(random())[:3], Limit: sweepAtOnce})
	if err == nil && len(page) < sweepAtOnce {
		page, err = st.List(ctx, platform.ListOptions{Prefix: prefix, Limit: sweepAtOnce})
	}
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	for _, e := range page {
		var m message
		if json.Unmarshal(e.Value, &m) != nil || m.Expires != 0 && now >= m.Expires {
			if err := st.Delete(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

func isNotFound(err error) bool { return errors.Is(err, registry.ErrNotFound) }
