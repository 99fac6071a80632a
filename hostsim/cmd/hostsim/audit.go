package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func audit(ctx context.Context, s streams, args []string) error {
	f := newFlags(s, "audit", "[--action A] [--since 24h] [--verify] [flags]")
	a := apiFlags(f, s)
	action := f.String("action", "", "only this `action`; a trailing * matches the rest, such as server.*")
	actor := f.String("actor", "", "only what this principal did, by `id or name`")
	target := f.String("target", "", "only what was done to this, by `id or name`")
	outcome := f.String("outcome", "", "only this `outcome`: ok, denied, failed")
	since := f.Duration("since", 0, "only the last `time`")
	most := f.Int("limit", 100, "most `rows`")
	verify := f.Bool("verify", false, "check the chain of hashes instead")
	if _, err := parseAround(f, args, 0); err != nil {
		return err
	}
	if *verify {
		b, err := a.call(ctx, http.MethodGet, "/v1/audit/verify", "", nil)
		if err != nil {
			return err
		}
		var v struct {
			OK bool `json:"ok"`
		}
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		if err := a.document(b); err != nil {
			return err
		}
		if !v.OK {
			return errors.New("the audit log was tampered with, or rows are missing")
		}
		return nil
	}
	query := url.Values{"limit": {strconv.Itoa(max(1, min(*most, 200)))}}
	for name, v := range map[string]string{"action": *action, "actor": *actor, "target": *target, "outcome": *outcome} {
		if v != "" {
			query.Set(name, v)
		}
	}
	if *since > 0 {
		query.Set("since", time.Now().Add(-*since).UTC().Format(time.RFC3339))
	}
	t := a.table("TIME", "ACTION", "OUTCOME", "ACTOR", "TARGET", "REQUEST")
	rows := 0
	err := a.each(ctx, "/v1/audit", query, func(raw json.RawMessage) error {
		var r struct {
			Time    *time.Time `json:"time"`
			Action  string     `json:"action"`
			Outcome string     `json:"outcome"`
			Actor   struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"actor"`
			Target struct {
				Type string `json:"type"`
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"target"`
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		if rows++; rows > *most {
			return errEnough
		}
		actor, target := r.Actor.Name, r.Target.Name
		if actor == "" {
			actor = r.Actor.ID
		}
		if target == "" {
			target = r.Target.ID
		}
		return t.row(raw, when(r.Time), r.Action, r.Outcome, actor, r.Target.Type+" "+target, r.RequestID)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return t.done()
}

var errEnough = errors.New("enough rows")
