package admin

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/schema"
	"github.com/grantway/grantway/worker/uuid"
)

// keyAnswer is an access key as the API shows it.
type keyAnswer struct {
	ID                string              `json:"id"`
	Key               string              `json:"key,omitempty"` // the secret: only in answers to create and rotate
	Prefix            string              `json:"prefix"`
	Name              string              `json:"name"`
	Owner             string              `json:"owner,omitempty"`
	Role              access.Role         `json:"role"`
	Status            string              `json:"status"`
	Disabled          bool                `json:"disabled"`
	ExpiresAt         *time.Time          `json:"expires_at"`
	AllServers        bool                `json:"all_servers"`
	Servers           []string            `json:"servers"`
	Groups            []string            `json:"groups"`
	Tools             map[string][]string `json:"tools"`
	RequestsPerMinute int                 `json:"requests_per_minute"`
	ReadOnly          bool                `json:"read_only,omitempty"`
	Version           int64               `json:"version"`
	CreatedAt         time.Time           `json:"created_at"`
	CreatedBy         string              `json:"created_by,omitempty"`
	UpdatedAt         time.Time           `json:"updated_at"`
	LastUsedAt        *time.Time          `json:"last_used_at"`
	PreviousExpiresAt *time.Time          `json:"previous_expires_at"`
}

func shownKey(k *access.Key, used *time.Time) keyAnswer {
	now := time.Now()
	a := keyAnswer{
		ID: k.ID, Prefix: k.Prefix, Name: k.Name, Owner: k.Owner, Role: k.Role, Status: k.Status(now), Disabled: k.Disabled, ExpiresAt: k.ExpiresAt,
		AllServers: k.AllServers, Servers: append([]string{}, k.Servers...), Groups: append([]string{}, k.Groups...), Tools: k.Tools,
		RequestsPerMinute: k.RequestsPerMinute, ReadOnly: k.ReadOnly, Version: k.Version, CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy,
		UpdatedAt: k.UpdatedAt, LastUsedAt: used,
	}
	if a.Tools == nil {
		a.Tools = map[string][]string{}
	}
	if k.PreviousExpiresAt != nil && now.Before(*k.PreviousExpiresAt) {
		a.PreviousExpiresAt = k.PreviousExpiresAt
	}
	return a
}

func (a *API) listKeys(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	dq := directory.KeyQuery{
		Text: q.text("q"), ServerID: q.text("server_id"), Sort: q.oneOf("sort", "created_at", "name", "-name", "created_at", "-created_at"),
		Role:  access.Role(q.oneOf("role", "", "admin", "viewer", "caller")),
		Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if err := q.done(); err != nil {
		return err
	}
	if dq.ServerID != "" {
		rec, err := a.find(r, dq.ServerID)
		if err != nil {
			return err
		}
		dq.ServerID, dq.Groups = rec.ServerID, rec.Groups
	}
	page, err := a.Directory.ListKeys(r.Context(), dq)
	if err != nil {
		return err
	}
	out := newList[keyAnswer](page.Next, page.Total)
	for i, k := range page.Keys {
		out.Data = append(out.Data, shownKey(k, page.LastUsed[i]))
	}
	return answer(w, http.StatusOK, out)
}

func (a *API) createKey(w http.ResponseWriter, r *http.Request) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	k, err := a.composeKey(r.Context(), nil, body)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	k.ID, k.CreatedAt, k.CreatedBy, k.UpdatedAt = uuid.New(), now, actorOf(r), now
	secret := access.NewSecret()
	k.SetSecret(secret, 0, now)
	e, err := changed(entry(r, "key.create", keyTarget(k)), nil, shownKey(k, nil))
	if err != nil {
		return err
	}
	written, err := a.Directory.WriteKeys(r.Context(), []directory.KeyWrite{{Key: k}}, e)
	if err != nil {
		return err
	}
	k = written.After[0]
	a.Keys.Edited(nil, k, written.Seq)
	shown := shownKey(k, nil)
	shown.Key = secret
	w.Header().Set("Location", "/v1/keys/"+k.ID)
	return answerVersion(w, http.StatusCreated, k.Version, shown)
}

func (a *API) getKey(w http.ResponseWriter, r *http.Request) error {
	k, used, err := a.findKey(r)
	if err != nil {
		return err
	}
	return answerVersion(w, http.StatusOK, k.Version, shownKey(k, used))
}

func (a *API) findKey(r *http.Request) (*access.Key, *time.Time, error) {
	id := r.PathValue("id")
	if !uuid.Valid(id) {
		return nil, nil, keyNotFound()
	}
	k, used, err := a.Directory.GetKey(r.Context(), id)
	if errors.Is(err, access.ErrNoKey) {
		err = keyNotFound()
	}
	return k, used, err
}

func keyNotFound() error {
	return problem.New(http.StatusNotFound, "key_not_found", "There is no such access key.")
}

func readOnlyKey() error {
	return problem.New(http.StatusConflict, "read_only", "This key comes from the configuration file of record; change it there.")
}

func (a *API) updateKey(w http.ResponseWriter, r *http.Request) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	return a.editKey(w, r, "key.update", func(old *access.Key) (*access.Key, string, error) {
		k, err := a.composeKey(r.Context(), old, body)
		return k, "", err
	})
}

// defaultOverlap is how long a rotated key still works.
const defaultOverlap = time.Hour

func (a *API) rotateKey(w http.ResponseWriter, r *http.Request) error {
	in := struct {
		Overlap *int `json:"overlap_seconds"`
	}{}
	body, err := readOptionalJSON(r)
	if err != nil {
		return err
	}
	if problems := openapi.Schemas().Check("RotateRequest", body, schema.Whole); len(problems) > 0 {
		return invalid(problems)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	overlap := defaultOverlap
	if in.Overlap != nil {
		overlap = time.Duration(*in.Overlap) * time.Second
	}
	return a.editKey(w, r, "key.rotate", func(old *access.Key) (*access.Key, string, error) {
		k := *old
		secret := access.NewSecret()
		k.SetSecret(secret, overlap, time.Now().UTC())
		return &k, secret, nil
	})
}

// editKey changes a key, again if somebody else's change came in between and the
// request has no If-Match.
func (a *API) editKey(w http.ResponseWriter, r *http.Request, action string, edit func(old *access.Key) (*access.Key, string, error)) error {
	for try := 1; ; try++ {
		old, used, err := a.findKey(r)
		if err != nil {
			return err
		}
		conditional, err := ifMatch(r, old.Version)
		if err != nil {
			return err
		}
		if old.ReadOnly {
			return readOnlyKey()
		}
		k, secret, err := edit(old)
		if err != nil {
			return err
		}
		k.UpdatedAt = time.Now().UTC()
		e, err := changed(entry(r, action, keyTarget(k)), shownKey(old, nil), shownKey(k, nil))
		if err != nil {
			return err
		}
		written, err := a.Directory.WriteKeys(r.Context(), []directory.KeyWrite{{Key: k, Expect: old.Version}}, e)
		if conflicted(err) && !conditional && try < editTries {
			continue
		}
		if err != nil {
			return err
		}
		k = written.After[0]
		a.Keys.Edited(old, k, written.Seq)
		shown := shownKey(k, used)
		shown.Key = secret
		return answerVersion(w, http.StatusOK, k.Version, shown)
	}
}

func conflicted(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == "version_conflict"
}

func (a *API) revokeKey(w http.ResponseWriter, r *http.Request) error {
	old, _, err := a.findKey(r)
	if err != nil {
		return err
	}
	expect, err := deletable(r, old.Version, old.ReadOnly, readOnlyKey())
	if err != nil {
		return err
	}
	e, err := changed(entry(r, "key.revoke", keyTarget(old)), shownKey(old, nil), nil)
	if err != nil {
		return err
	}
	written, err := a.Directory.DeleteKey(r.Context(), old.ID, expect, e)
	if err != nil {
		return err
	}
	a.Keys.Edited(written.Before[0], nil, written.Seq)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// composeKey answers the key that old (nil: none yet) becomes by a request body.
func (a *API) composeKey(ctx context.Context, old *access.Key, body []byte) (*access.Key, error) {
	return composeKey(old, body, func(ref string) (string, error) { return a.serverID(ctx, ref) })
}

// composeKey finds the id of a server by serverID, which answers "" for none.
func composeKey(old *access.Key, body []byte, serverID func(ref string) (string, error)) (*access.Key, error) {
	k := &access.Key{Role: access.RoleCaller}
	if old != nil {
		c := *old
		k = &c
	}
	if problems := openapi.Schemas().Check("Key", body, schema.Change); len(problems) > 0 {
		return nil, invalid(problems)
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	var problems []problem.Field
	set := func(name string, field any) {
		raw, sent := in[name]
		if !sent {
			return
		}
		if string(raw) == "null" {
			raw = nil
		}
		if err := assign(raw, field); err != nil {
			problems = append(problems, problem.Field{Path: name, Code: "invalid_type", Message: "The value has the wrong type."})
		}
	}
	set("name", &k.Name)
	set("owner", &k.Owner)
	set("role", &k.Role)
	set("disabled", &k.Disabled)
	set("expires_at", &k.ExpiresAt)
	set("all_servers", &k.AllServers)
	set("servers", &k.Servers)
	set("groups", &k.Groups)
	set("tools", &k.Tools)
	set("requests_per_minute", &k.RequestsPerMinute)
	if k.Role == "" {
		k.Role = access.RoleCaller
	}
	if k.Name == "" {
		problems = append(problems, problem.Field{Path: "name", Code: "required", Message: "This field is required."})
	}
	if in["servers"] != nil {
		for i, ref := range k.Servers {
			id, err := serverID(ref)
			if err != nil {
				return nil, err
			}
			if id == "" {
				problems = append(problems, problem.Field{Path: "servers[" + strconv.Itoa(i) + "]", Code: "unknown_server", Message: "There is no such server."})
			}
			k.Servers[i] = id
		}
		k.Servers = slices.DeleteFunc(k.Servers, func(id string) bool { return id == "" })
		slices.Sort(k.Servers)
		k.Servers = slices.Compact(k.Servers)
	}
	if in["tools"] != nil {
		tools := map[string][]string{}
		for _, ref := range slices.Sorted(maps.Keys(k.Tools)) {
			id, err := serverID(ref)
			if err != nil {
				return nil, err
			}
			if id == "" {
				problems = append(problems, problem.Field{Path: "tools." + ref, Code: "unknown_server", Message: "There is no such server."})
			}
			tools[id] = append([]string{}, k.Tools[ref]...)
		}
		k.Tools = tools
	}
	if len(problems) > 0 {
		return nil, invalid(problems)
	}
	return k, nil
}

// assign sets a field from JSON; no JSON sets its zero value.
func assign(raw json.RawMessage, field any) error {
	if raw == nil {
		raw = json.RawMessage("null")
		switch f := field.(type) {
		case *string:
			*f = ""
		case *access.Role:
			*f = ""
		case *bool:
			*f = false
		case *int:
			*f = 0
		}
	}
	switch f := field.(type) { // a slice or map of old's must not be written into
	case *[]string:
		*f = nil
	case *map[string][]string:
		*f = nil
	case **time.Time:
		*f = nil
	}
	return json.Unmarshal(raw, field)
}

// serverID answers the id of the server with this reference, or "".
func (a *API) serverID(ctx context.Context, ref string) (string, error) {
	rec, err := a.Source.Lookup(ctx, ref)
	if errors.Is(err, registry.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return rec.ServerID, nil
}
