package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/problem"
)

func auditQuery(q *query) audit.Query {
	return audit.Query{
		Action: q.text("action"), Actor: q.text("actor"), Target: q.text("target"), Text: q.text("q"),
		Outcome: q.oneOf("outcome", "", audit.OK, audit.Denied, audit.Failed),
		Since:   q.time("since"), Until: q.time("until"),
	}
}

func (a *API) listAudit(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	aq := auditQuery(&q)
	aq.Limit = q.limit()
	if c := q.text("cursor"); c != "" {
		n, err := strconv.ParseInt(c, 10, 64)
		if err != nil || n < 1 {
			return problem.New(http.StatusBadRequest, "invalid_cursor", "The cursor is not one that a list answered.")
		}
		aq.Before = n
	}
	if err := q.done(); err != nil {
		return err
	}
	a.Audit.Flush(r.Context()) // who looks sees what this instance knows
	rows, next, err := a.Directory.ListAudit(r.Context(), aq)
	if err != nil {
		return err
	}
	out := listAnswer[audit.Row]{Data: rows}
	if next > 1 {
		s := strconv.FormatInt(next, 10)
		out.NextCursor = &s
	}
	return answer(w, http.StatusOK, out)
}

func (a *API) verifyAudit(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	if err := q.done(); err != nil {
		return err
	}
	a.Audit.Flush(r.Context())
	v, err := a.Directory.VerifyAudit(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, v)
}

func (a *API) exportAudit(w http.ResponseWriter, r *http.Request) error {
	q := query{r: r}
	aq := auditQuery(&q)
	if err := q.done(); err != nil {
		return err
	}
	a.Audit.Flush(r.Context())
	rows, next, err := a.Directory.ExportAudit(r.Context(), aq, 0)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="grantway-audit.jsonl"`)
	for {
		var page bytes.Buffer
		enc := json.NewEncoder(&page)
		for _, row := range rows {
			if err := enc.Encode(row); err != nil {
				return err
			}
		}
		if _, err := w.Write(page.Bytes()); err != nil {
			return nil // the client has left
		}
		if next == 0 {
			return nil
		}
		if rows, next, err = a.Directory.ExportAudit(r.Context(), aq, next); err != nil {
			panic(http.ErrAbortHandler) // the answer is cut off and must not look whole
		}
	}
}
