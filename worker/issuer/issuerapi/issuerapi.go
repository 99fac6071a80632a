// Package issuerapi is the management API of the trusted issuers:
//
//	GET /v1/settings/issuers → {"version": 7, "jwt_issuers": [Issuer…]}, ETag
//	PUT /v1/settings/issuers   {"jwt_issuers": [Issuer…]}, the whole list
//
// and of the provider at which people sign in to the UI, /v1/settings/sign-in.
package issuerapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
	"github.com/grantway/grantway/worker/seal"
)

// maxBody bounds the list, in bytes.
const maxBody = 256 << 10

// Handler serves the two endpoints.
type Handler struct {
	Directory     *directory.Client
	Source        registry.Source // servers may be named by slug
	Keyring       *seal.Keyring
	AllowLoopback bool
	Changed       func(directory.Settings) // tells this instance at once
}

type document struct {
	Version int64           `json:"version"`
	Issuers []issuer.Issuer `json:"jwt_issuers"`
}

// Get answers the issuers.
func (h *Handler) Get(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	return show(w, s)
}

func show(w http.ResponseWriter, s directory.Settings) error {
	d := document{s.Version, s.Issuers}
	if d.Issuers == nil {
		d.Issuers = []issuer.Issuer{}
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", directory.ETag(s.Version))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
	return nil
}

// Put replaces the issuers.
func (h *Handler) Put(w http.ResponseWriter, r *http.Request) error {
	list, err := h.read(r)
	if err != nil {
		return err
	}
	old, err := h.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	if tag := r.Header.Get("If-Match"); tag != "" && tag != "*" && tag != directory.ETag(old.Version) {
		p := problem.New(http.StatusPreconditionFailed, "version_conflict", "Somebody else changed the settings meanwhile; read them again and repeat your change.")
		p.Header = http.Header{"Etag": {directory.ETag(old.Version)}}
		return p
	}
	next := old
	next.Issuers = list
	e := audit.Entry{Time: time.Now(), Action: "settings.update", Target: audit.Target{Type: "settings", Name: "jwt_issuers"}, Outcome: audit.OK, RequestID: problem.RequestID(r.Context())}
	if p := access.FromContext(r.Context()); p != nil {
		e.Actor = audit.Actor{ID: p.ID, Name: p.Name}
	}
	if e.Before, e.After, err = audit.Changes(document{Issuers: old.Issuers}, document{Issuers: list}); err != nil {
		return err
	}
	s, err := h.Directory.WriteSettings(r.Context(), next, old.Version, e)
	if err != nil {
		return err
	}
	h.Changed(s)
	return show(w, s)
}

func (h *Handler) read(r *http.Request) ([]issuer.Issuer, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, problem.New(http.StatusBadRequest, "unreadable_body", "The request's body broke off.").Because(err)
	}
	if len(b) > maxBody {
		return nil, problem.New(http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than "+strconv.Itoa(maxBody)+" bytes.")
	}
	var in struct {
		Version int64           `json:"version"` // of an answer sent back; ignored
		Issuers []issuer.Issuer `json:"jwt_issuers"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, problem.New(http.StatusBadRequest, "invalid_json", "The body must be an object with jwt_issuers, a list of issuers with known fields only.").Because(err)
	}
	fields := issuer.Check(in.Issuers, h.AllowLoopback)
	for i := range in.Issuers {
		fields = append(fields, h.resolve(r.Context(), in.Issuers[i].Grants, "jwt_issuers["+strconv.Itoa(i)+"].")...)
	}
	if len(fields) > 0 {
		p := problem.New(http.StatusUnprocessableEntity, "invalid_record", "Some fields are not valid.")
		p.Fields = fields
		return nil, p
	}
	return in.Issuers, nil
}

// resolve replaces slugs and names of servers by their ids. at is the path of what the grants
// belong to.
func (h *Handler) resolve(ctx context.Context, grants []issuer.Grant, at string) (out []problem.Field) {
	for j, g := range grants {
		for n, ref := range g.Servers {
			rec, err := h.Source.Lookup(ctx, ref)
			if errors.Is(err, registry.ErrNotFound) {
				out = append(out, problem.Field{
					Path: at + "grants[" + strconv.Itoa(j) + "].servers[" + strconv.Itoa(n) + "]",
					Code: "unknown_server", Message: "There is no server with this id or slug.",
				})
				continue
			}
			if err == nil {
				g.Servers[n] = rec.ServerID
			}
		}
	}
	return out
}
