package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
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
	rec, err := a.compose(actorOf(r), nil, body)
	if err != nil {
		return err
	}
	written, err := a.Directory.WriteServers(r.Context(), []directory.ServerWrite{{Record: rec}})
	if err != nil {
		return err
	}
	rec = written.Changes[0].After
	a.Source.Edited(nil, rec, written.Seq)
	w.Header().Set("Location", "/v1/mcp/server/"+rec.ServerID)
	w.Header().Set("ETag", directory.ETag(rec.Version))
	return answer(w, http.StatusCreated, shown(rec))
}

func (a *API) getServer(w http.ResponseWriter, r *http.Request) error {
	rec, err := a.find(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("ETag", directory.ETag(rec.Version))
	return answer(w, http.StatusOK, shown(rec))
}

// find reads the truth, not a cache, and hides what the principal may not use.
func (a *API) find(r *http.Request, ref string) (*registry.Record, error) {
	rec, err := a.Directory.FindServer(r.Context(), ref)
	p := access.FromContext(r.Context())
	if errors.Is(err, registry.ErrNotFound) || err == nil && p.Role == access.RoleCaller && !p.MayUse(rec.ServerID, rec.Groups) {
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
		rec, err := a.compose(actorOf(r), old, body)
		if err != nil {
			return err
		}
		written, err := a.Directory.WriteServers(r.Context(), []directory.ServerWrite{{Record: rec, Expect: old.Version}})
		if p := new(problem.Problem); errors.As(err, &p) && p.Code == "version_conflict" && !conditional && try < editTries {
			continue
		}
		if err != nil {
			return err
		}
		rec = written.Changes[0].After
		a.Source.Edited(old, rec, written.Seq)
		w.Header().Set("ETag", directory.ETag(rec.Version))
		return answer(w, http.StatusOK, shown(rec))
	}
}

func (a *API) deleteServer(w http.ResponseWriter, r *http.Request) error {
	old, err := a.find(r, r.PathValue("id"))
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
	expect := int64(0)
	if conditional {
		expect = old.Version
	}
	written, err := a.Directory.DeleteServers(r.Context(), []string{old.ServerID}, []int64{expect})
	if err != nil {
		return err
	}
	a.Source.Edited(written.Changes[0].Before, nil, written.Seq)
	w.WriteHeader(http.StatusNoContent)
	return nil
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

func (a *API) listServers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p := access.FromContext(r.Context())
	if len(q) == 0 || p.Role == access.RoleCaller {
		recs, err := a.Source.All(r.Context())
		if err != nil {
			return err
		}
		out := []serverAnswer{}
		for _, rec := range recs {
			if len(out) < 1000 && (p.Role != access.RoleCaller || p.MayUse(rec.ServerID, rec.Groups)) {
				out = append(out, shown(rec))
			}
		}
		return answer(w, http.StatusOK, out)
	}
	query := directory.ServerQuery{
		Text: q.Get("q"), AuthType: q.Get("auth_type"), Flow: q.Get("oauth2_flow"), Group: q.Get("group"),
		Sort: q.Get("sort"), Cursor: q.Get("cursor"), Limit: 50,
	}
	if query.Sort == "" {
		query.Sort = "slug"
	}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > directory.MaxPage {
			return problem.New(http.StatusBadRequest, "invalid_query", fmt.Sprintf("limit is a number from 1 to %d.", directory.MaxPage))
		}
		query.Limit = n
	}
	if s := q.Get("disabled"); s != "" {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return problem.New(http.StatusBadRequest, "invalid_query", "disabled is true or false.")
		}
		query.Disabled = &b
	}
	page, err := a.Directory.ListServers(r.Context(), query)
	if err != nil {
		return err
	}
	out := listAnswer[serverAnswer]{Data: []serverAnswer{}, Total: page.Total}
	if page.Next != "" {
		out.NextCursor = &page.Next
	}
	for _, rec := range page.Records {
		out.Data = append(out.Data, shown(rec))
	}
	return answer(w, http.StatusOK, out)
}

type listAnswer[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
	Total      int     `json:"total"`
}
