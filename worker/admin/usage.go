package admin

import (
	"context"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/usage"
)

type figuresAnswer struct {
	Calls   int64         `json:"calls"`
	Errors  int64         `json:"errors"`
	Denied  int64         `json:"denied"`
	Latency latencyAnswer `json:"latency_ms"`
	Cost    float64       `json:"cost"`
}

type latencyAnswer struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	Max  float64 `json:"max"`
}

type groupAnswer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	figuresAnswer
	Series []pointAnswer `json:"series"`
}

type pointAnswer struct {
	T      time.Time `json:"t"`
	Calls  int64     `json:"calls"`
	Errors int64     `json:"errors"`
	P95    float64   `json:"p95"`
	Cost   float64   `json:"cost"`
}

// tidy rounds to a thousandth: figures are estimates, and sums of decimals.
func tidy(x float64) float64 { return math.Round(x*1000) / 1000 }

func shownFigures(f usage.Figures) figuresAnswer {
	return figuresAnswer{
		f.Calls, f.Errors, f.Denied,
		latencyAnswer{tidy(f.Mean()), tidy(f.Percentile(0.5)), tidy(f.Percentile(0.95)), tidy(f.MaxMS)},
		math.Round(f.Cost*1e6) / 1e6,
	}
}

// maxSpan is the longest time that one query covers.
const maxSpan = 400 * 24 * time.Hour

func (a *API) getUsage(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	uq := usage.Query{
		From: q.time("since"), To: q.time("until"),
		Interval: q.oneOf("interval", "total", "hour", "day", "total"),
		GroupBy:  q.oneOf("group_by", "server", "server", "tool", "key", "none"),
		ServerID: q.text("server_id"),
	}
	if uq.To.IsZero() {
		uq.To = time.Now()
	}
	if uq.From.IsZero() {
		uq.From = uq.To.Add(-24 * time.Hour)
	}
	if !uq.From.Before(uq.To) || uq.To.Sub(uq.From) > maxSpan {
		q.bad("since", "Must be before until, and at most 400 days.")
	}
	if uq.Interval == "hour" && uq.To.Sub(uq.From) > 35*24*time.Hour {
		q.bad("interval", "Hours are kept for 35 days.")
	}
	if err := q.done(); err != nil {
		return err
	}
	if uq.ServerID != "" {
		id, err := a.serverID(r.Context(), uq.ServerID)
		if err != nil {
			return err
		}
		if id == "" {
			return problem.New(http.StatusNotFound, "server_not_found", "There is no such server.")
		}
		uq.ServerID = id
	}
	a.Usage.Flush(r.Context())
	groups, total, err := a.Directory.Usage(r.Context(), uq)
	if err != nil {
		return err
	}
	settings, err := a.Directory.Settings(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		From     time.Time     `json:"from"`
		To       time.Time     `json:"to"`
		Interval string        `json:"interval"`
		GroupBy  string        `json:"group_by"`
		Currency *string       `json:"currency"`
		Data     []groupAnswer `json:"data"`
		Totals   figuresAnswer `json:"totals"`
	}{From: uq.From.UTC(), To: uq.To.UTC(), Interval: uq.Interval, GroupBy: uq.GroupBy, Data: []groupAnswer{}, Totals: shownFigures(total)}
	if settings.Currency != "" {
		out.Currency = &settings.Currency
	}
	for _, g := range groups {
		ga := groupAnswer{ID: g.ID, Name: a.nameOf(r.Context(), uq.GroupBy, g.ID), figuresAnswer: shownFigures(g.Total), Series: []pointAnswer{}}
		for _, p := range g.Series {
			ga.Series = append(ga.Series, pointAnswer{time.Unix(p.At, 0).UTC(), p.Figures.Calls, p.Figures.Errors, tidy(p.Figures.Percentile(0.95)), math.Round(p.Figures.Cost*1e6) / 1e6})
		}
		out.Data = append(out.Data, ga)
	}
	return answer(w, http.StatusOK, out)
}

// nameOf answers what people call a group; its id where the thing is gone.
func (a *API) nameOf(ctx context.Context, kind, id string) string {
	switch kind {
	case "server":
		if rec, err := a.Source.Lookup(ctx, id); err == nil {
			return rec.ServerName
		}
	case "tool":
		server, tool, _ := strings.Cut(id, "/")
		return a.nameOf(ctx, "server", server) + " / " + tool
	case "key":
		if k, _, err := a.Directory.GetKey(ctx, id); err == nil {
			return k.Name
		}
	}
	return id
}

type sparkAnswer struct {
	Calls  []int64 `json:"calls"`
	Errors []int64 `json:"errors"`
	P95    float64 `json:"p95"`
}

func (a *API) getSparkline(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	q.text("minutes") // the hour is fixed; the parameter is accepted for clients that send it
	if err := q.done(); err != nil {
		return err
	}
	a.Usage.Flush(r.Context())
	sparks, err := a.Directory.Sparks(r.Context())
	if err != nil {
		return err
	}
	servers := map[string]sparkAnswer{}
	for id, s := range sparks {
		servers[id] = sparkAnswer{s.Calls, s.Errors, tidy(s.P95)}
	}
	return answer(w, http.StatusOK, map[string]any{"bucket_seconds": int(usage.Slice / time.Second), "servers": servers})
}
