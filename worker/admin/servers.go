package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// serverAnswer is a server as the API shows it: without any secret.
type serverAnswer struct {
	*registry.Record
	CreatedAt         time.Time             `json:"created_at"`
	CreatedBy         string                `json:"created_by,omitempty"`
	UpdatedAt         time.Time             `json:"updated_at"`
	UpdatedBy         string                `json:"updated_by,omitempty"`
	HasSecret         bool                  `json:"has_secret"`
	SecretLastRotated *time.Time            `json:"secret_last_rotated"`
	Secrets           map[string]secretFlag `json:"secrets"`
	KeyID             string                `json:"client_private_key_id,omitempty"`
	KeyAlgorithm      string                `json:"client_private_key_alg,omitempty"`
	PublicJWK         string                `json:"public_jwk,omitempty"`
	Credentials       *struct{}             `json:"credentials"` // always null: LiteLLM's shape
}

type secretFlag struct {
	Set         bool      `json:"set"`
	LastRotated time.Time `json:"last_rotated"`
}

func shown(r *registry.Record) serverAnswer {
	a := serverAnswer{
		Record: r, CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy, UpdatedAt: r.UpdatedAt, UpdatedBy: r.UpdatedBy,
		HasSecret: len(r.Secrets) > 0, Secrets: map[string]secretFlag{},
	}
	for name, s := range r.Secrets { // static headers show their own mask
		a.Secrets[name] = secretFlag{true, s.RotatedAt}
		if a.SecretLastRotated == nil || s.RotatedAt.After(*a.SecretLastRotated) {
			t := s.RotatedAt
			a.SecretLastRotated = &t
		}
	}
	if k := r.ClientKey; k != nil {
		a.KeyID, a.KeyAlgorithm, a.PublicJWK = k.ID, k.Algorithm, k.PublicJWK
	}
	return a
}

func (a *API) createServer(w http.ResponseWriter, r *http.Request) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	rec, err := a.compose(r.Context(), actorOf(r), nil, body)
	if err != nil {
		return err
	}
	e, err := changed(entry(r, "server.create", serverTarget(rec)), nil, shown(rec))
	if err != nil {
		return err
	}
	written, err := a.Directory.WriteServers(r.Context(), []directory.ServerWrite{{Record: rec}}, e)
	if err != nil {
		return err
	}
	rec = written.Changes[0].After
	a.Source.Edited(nil, rec, written.Seq)
	w.Header().Set("Location", "/v1/mcp/server/"+rec.ServerID)
	return answerVersion(w, http.StatusCreated, rec.Version, shown(rec))
}

func (a *API) getServer(w http.ResponseWriter, r *http.Request) error {
	rec, err := a.find(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	return answerVersion(w, http.StatusOK, rec.Version, shownTo(access.FromContext(r.Context()), rec))
}

// find reads the truth, not a cache, and hides what the principal may not use.
func (a *API) find(r *http.Request, ref string) (*registry.Record, error) {
	rec, err := a.Directory.FindServer(r.Context(), ref)
	p := access.FromContext(r.Context())
	if errors.Is(err, registry.ErrNotFound) || err == nil && p.Role == access.RoleCaller && !p.MayCall(rec) {
		return nil, problem.New(http.StatusNotFound, "server_not_found", fmt.Sprintf("There is no server %q.", ref))
	}
	return rec, err
}

// editTries is how often a change without If-Match is repeated when another
// administrator's change came in between.
const editTries = 5

func (a *API) updateServer(w http.ResponseWriter, r *http.Request) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	ref := r.PathValue("id")
	if ref == "" {
		if ref, err = serverIDOf(body); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		old, err := a.find(r, ref)
		if err != nil {
			return err
		}
		conditional, err := ifMatch(r, old.Version)
		if err != nil {
			return err
		}
		if old.ReadOnly {
			return readOnly(old)
		}
		rec, err := a.compose(r.Context(), actorOf(r), old, body)
		if err != nil {
			return err
		}
		e, err := changed(entry(r, "server.update", serverTarget(rec)), shown(old), shown(rec))
		if err != nil {
			return err
		}
		written, err := a.Directory.WriteServers(r.Context(), []directory.ServerWrite{{Record: rec, Expect: old.Version}}, e)
		if conflicted(err) && !conditional && try < editTries {
			continue
		}
		if err != nil {
			return err
		}
		rec = written.Changes[0].After
		a.Source.Edited(old, rec, written.Seq)
		return answerVersion(w, http.StatusOK, rec.Version, shown(rec))
	}
}

func (a *API) deleteServer(w http.ResponseWriter, r *http.Request) error {
	old, err := a.find(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	expect, err := deletable(r, old.Version, old.ReadOnly, readOnly(old))
	if err != nil {
		return err
	}
	e, err := changed(entry(r, "server.delete", serverTarget(old)), shown(old), nil)
	if err != nil {
		return err
	}
	written, err := a.Directory.DeleteServers(r.Context(), []directory.Deletion{{ID: old.ServerID, Expect: expect}}, e)
	if err != nil {
		return err
	}
	a.forget(r.Context(), written.Changes[0].Before, written.Seq)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forget makes a deletion effective here and takes the server's tokens away. They
// are unreachable already: no record leads to them.
func (a *API) forget(ctx context.Context, old *registry.Record, seq int64) {
	a.Source.Edited(old, nil, seq)
	if a.PurgeTokens == nil || old.AuthType != registry.AuthOAuth2 {
		return
	}
	a.Platform.Background(ctx, func(ctx context.Context) {
		if err := a.PurgeTokens(ctx, old); err != nil {
			a.Platform.Log().WarnContext(ctx, "tokens of a deleted server stay until they expire", "server", old.ServerID, "error", err.Error())
		}
	})
}

func readOnly(rec *registry.Record) error {
	return problem.New(http.StatusConflict, "read_only", fmt.Sprintf("%q comes from the configuration file of record; change it there.", rec.ServerName))
}

// ifMatch evaluates If-Match (RFC 9110 §13.1.1) and reports whether it was sent.
func ifMatch(r *http.Request, version int64) (bool, error) {
	h := r.Header.Get("If-Match")
	if h == "" {
		return false, nil
	}
	for tag := range strings.SplitSeq(h, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == directory.ETag(version) {
			return true, nil
		}
	}
	p := problem.New(http.StatusPreconditionFailed, "version_conflict", "Somebody else changed it meanwhile; read it again and repeat your change.")
	p.Header = http.Header{"Etag": {directory.ETag(version)}}
	return true, p
}

// deletable answers the version that a deletion must find (0: any), or why there can be
// none: If-Match names another one, or refusal if the file of record has made it.
func deletable(r *http.Request, version int64, recorded bool, refusal error) (expect int64, err error) {
	conditional, err := ifMatch(r, version)
	switch {
	case err != nil:
		return 0, err
	case recorded:
		return 0, refusal
	case conditional:
		return version, nil
	}
	return 0, nil
}

// maxBare is how many servers LiteLLM's bare list holds.
const maxBare = 1000

func (a *API) listServers(w http.ResponseWriter, r *http.Request) error {
	p := access.FromContext(r.Context())
	q := query{r: r}
	dq := directory.ServerQuery{
		Text: q.text("q"), AuthType: q.text("auth_type"), Flow: q.text("oauth2_flow"), Group: q.text("group"), Disabled: q.flag("disabled"),
		Sort:  q.oneOf("sort", "slug", "slug", "-slug", "server_name", "-server_name", "created_at", "-created_at", "updated_at", "-updated_at"),
		Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if err := q.done(); err != nil {
		return err
	}
	if len(r.URL.Query()) == 0 || p.Role == access.RoleCaller {
		recs, err := a.Source.All(r.Context())
		if err != nil {
			return err
		}
		out := []any{}
		for _, rec := range recs {
			if len(out) < maxBare && (p.Role != access.RoleCaller || p.MayCall(rec)) {
				out = append(out, shownTo(p, rec))
			}
		}
		return answer(w, http.StatusOK, out)
	}
	page, err := a.Directory.ListServers(r.Context(), dq)
	if err != nil {
		return err
	}
	out := newList[serverAnswer](page.Next, page.Total)
	for _, rec := range page.Records {
		out.Data = append(out.Data, shown(rec))
	}
	return answer(w, http.StatusOK, out)
}

// callerAnswer is what a caller sees of a server: how to call it, and nothing of
// where it is or how the gateway authenticates there.
type callerAnswer struct {
	ServerID     string         `json:"server_id"`
	ServerName   string         `json:"server_name"`
	Alias        string         `json:"alias,omitempty"`
	Slug         string         `json:"slug"`
	Description  string         `json:"description,omitempty"`
	Instructions string         `json:"instructions,omitempty"`
	Transport    string         `json:"transport"`
	Disabled     bool           `json:"disabled,omitempty"`
	Groups       []string       `json:"mcp_access_groups,omitempty"`
	Info         *registry.Info `json:"mcp_info,omitempty"`
}

func shownTo(p *access.Principal, rec *registry.Record) any {
	if p.Role != access.RoleCaller {
		return shown(rec)
	}
	return callerAnswer{rec.ServerID, rec.ServerName, rec.Alias, rec.Slug, rec.Description, rec.Instructions, rec.Transport, rec.Disabled, rec.Groups, rec.Info}
}
