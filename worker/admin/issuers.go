package admin

import (
	"context"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/issuer"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/schema"
)

// issuersAnswer is the list of issuers whose access tokens are accepted. It is changed as a whole.
type issuersAnswer struct {
	Version int64           `json:"version"`
	Issuers []issuer.Issuer `json:"jwt_issuers"`
}

func shownIssuers(s directory.Settings) any {
	return issuersAnswer{s.Version, append([]issuer.Issuer{}, s.Issuers...)}
}

func (a *API) getIssuers(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	return answerVersion(w, http.StatusOK, s.Version, shownIssuers(s))
}

func (a *API) updateIssuers(w http.ResponseWriter, r *http.Request) error {
	var in issuersAnswer
	if err := readAs(r, "Issuers", schema.Whole, &in); err != nil {
		return err
	}
	problems := issuer.Check(in.Issuers, a.AllowLoopback)
	for i, one := range in.Issuers {
		unknown, err := a.nameServers(r.Context(), one.Grants, "jwt_issuers["+strconv.Itoa(i)+"].")
		if err != nil {
			return err
		}
		problems = append(problems, unknown...)
	}
	if len(problems) > 0 {
		return invalid(problems)
	}
	s, err := a.changeSettings(r, "jwt_issuers", shownIssuers, func(s *directory.Settings) error {
		s.Issuers = in.Issuers
		return nil
	})
	if err != nil {
		return err
	}
	return answerVersion(w, http.StatusOK, s.Version, shownIssuers(s))
}

// nameServers replaces slugs and names of servers in grants by their ids. at is the path of what the grants belong to.
func (a *API) nameServers(ctx context.Context, grants []issuer.Grant, at string) (unknown []problem.Field, err error) {
	for j, grant := range grants {
		for n, ref := range grant.Servers {
			id, err := a.serverID(ctx, ref)
			if err != nil {
				return nil, err
			}
			if id == "" {
				path := at + "grants[" + strconv.Itoa(j) + "].servers[" + strconv.Itoa(n) + "]"
				unknown = append(unknown, problem.Field{Path: path, Code: "unknown_server", Message: "There is no server with this id or slug."})
				continue
			}
			grant.Servers[n] = id
		}
	}
	return unknown, nil
}
