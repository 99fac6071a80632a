package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Storage keys of the audit log.
const (
	keyAudit     = "audit/"     // + number, 16 digits: the row
	keyAuditHead = "audit-head" // chainEnd: the newest row
	keyAuditBase = "audit-base" // chainEnd: the newest row that retention took away
)

// chainEnd names a row of the chain by number and hash.
type chainEnd struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

func auditKey(seq int64) string { return fmt.Sprintf("%s%016d", keyAudit, seq) }

func parseEnd(b []byte) (chainEnd, error) {
	var end chainEnd
	if b == nil {
		return end, nil
	}
	err := json.Unmarshal(b, &end)
	return end, err
}

// audit adds entries to the chain within the transaction.
func (t *transaction) audit(ctx context.Context, entries []audit.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	b, err := t.guarded(ctx, keyAuditHead)
	if err != nil {
		return err
	}
	head, err := parseEnd(b)
	if err != nil {
		return err
	}
	for _, e := range entries {
		row, err := audit.Chain(head.Seq, head.Hash, e)
		if err != nil {
			return err
		}
		if b, err = json.Marshal(row); err != nil {
			return err
		}
		t.put(auditKey(row.Seq), b)
		head = chainEnd{row.Seq, row.Hash}
	}
	if b, err = json.Marshal(head); err != nil {
		return err
	}
	t.put(keyAuditHead, b)
	return nil
}

type (
	appendIn struct{ Entries []audit.Entry }
	rowsOut  struct {
		Rows []audit.Row
		Next int64 // Before of the next page, 0 after the last
	}
	exportIn struct {
		audit.Query
		After int64
	}
	trimIn   struct{ Before time.Time }
	trimOut  struct{ Rows int64 }
	verifyIn struct{}
)

// AppendAudit adds entries that are not part of a change.
func (c *Client) AppendAudit(ctx context.Context, entries []audit.Entry) error {
	_, err := call[struct{}](ctx, c, "audit.append", false, appendIn{entries})
	return err
}

// ListAudit answers matching rows, newest first, and Before of the next page (0
// after the last). A page may be short, or empty, and not the last: one call looks at
// a bounded number of rows.
func (c *Client) ListAudit(ctx context.Context, q audit.Query) ([]audit.Row, int64, error) {
	out, err := call[rowsOut](ctx, c, "audit.list", true, q)
	return out.Rows, out.Next, err
}

// ExportAudit answers matching rows after a number, oldest first, and the number
// to go on after (0 at the end).
func (c *Client) ExportAudit(ctx context.Context, q audit.Query, after int64) ([]audit.Row, int64, error) {
	out, err := call[rowsOut](ctx, c, "audit.export", true, exportIn{q, after})
	return out.Rows, out.Next, err
}

// VerifyAudit checks the whole chain.
func (c *Client) VerifyAudit(ctx context.Context) (audit.Verdict, error) {
	return call[audit.Verdict](ctx, c, "audit.verify", true, verifyIn{})
}

func (o *Object) appendAudit(ctx context.Context, st platform.Storage, in appendIn) (struct{}, error) {
	if len(in.Entries) > 2*audit.MaxBatch {
		return struct{}{}, problem.New(http.StatusBadRequest, "too_many_writes", "Too many entries at once.")
	}
	return struct{}{}, o.transact(ctx, st, func(t *transaction) error { return t.audit(ctx, in.Entries) })
}

// maxScanned is how many rows one page of a filtered list looks at.
const maxScanned = 5000

func (o *Object) listAudit(ctx context.Context, st platform.Storage, q audit.Query) (rowsOut, error) {
	out := rowsOut{Rows: []audit.Row{}}
	end := ""
	if q.Before > 0 {
		end = auditKey(q.Before)
	}
	for scanned := 0; scanned < maxScanned; {
		entries, err := st.List(ctx, platform.ListOptions{Prefix: keyAudit, End: end, Limit: 250, Reverse: true})
		if err != nil {
			return out, storageProblem(err)
		}
		for _, e := range entries {
			scanned++
			row, err := decodeRow(e)
			if err != nil {
				return out, err
			}
			if !q.Since.IsZero() && row.Time.Before(q.Since.Add(-clockSlack)) {
				out.Next = 0
				return out, nil
			}
			if q.Matches(row, func() string { return string(e.Value) }) {
				out.Rows = append(out.Rows, row)
			}
			out.Next = row.Seq
			if len(out.Rows) == q.Limit {
				return out, nil
			}
			end = e.Key
		}
		if len(entries) < 250 {
			out.Next = 0
			return out, nil
		}
	}
	return out, nil
}

// clockSlack is how far the times of neighbouring rows may be out of order: rows of
// the data path wait in memory before they are appended.
const clockSlack = 10 * time.Minute

func (o *Object) exportAudit(ctx context.Context, st platform.Storage, in exportIn) (rowsOut, error) {
	const page = 500
	out := rowsOut{Rows: []audit.Row{}}
	entries, err := st.List(ctx, platform.ListOptions{Prefix: keyAudit, Start: auditKey(in.After + 1), Limit: page})
	if err != nil {
		return out, storageProblem(err)
	}
	for _, e := range entries {
		row, err := decodeRow(e)
		if err != nil {
			return out, err
		}
		if in.Matches(row, func() string { return string(e.Value) }) {
			out.Rows = append(out.Rows, row)
		}
		out.Next = row.Seq
	}
	if len(entries) < page {
		out.Next = 0
	}
	return out, nil
}

func decodeRow(e platform.Entry) (audit.Row, error) {
	var row audit.Row
	if err := json.Unmarshal(e.Value, &row); err != nil {
		return row, fmt.Errorf("directory: %s: %w", e.Key, err)
	}
	return row, nil
}

func (o *Object) verifyAudit(ctx context.Context, st platform.Storage, _ verifyIn) (audit.Verdict, error) {
	for {
		base, err := get(ctx, st, keyAuditBase)
		if err != nil {
			return audit.Verdict{}, err
		}
		v, err := verifyFrom(ctx, st, base)
		if err != nil || v.OK {
			return v, err
		}
		now, err := get(ctx, st, keyAuditBase)
		if err != nil {
			return audit.Verdict{}, err
		}
		if bytes.Equal(now, base) {
			return v, nil
		} // else retention has taken rows away while they were read
	}
}

// verifyFrom checks the chain from a stored base on.
func verifyFrom(ctx context.Context, st platform.Storage, base []byte) (audit.Verdict, error) {
	last, err := parseEnd(base)
	if err != nil {
		return audit.Verdict{}, err
	}
	// The head is read first: rows that are appended meanwhile are no break.
	b, err := get(ctx, st, keyAuditHead)
	if err != nil {
		return audit.Verdict{}, err
	}
	head, err := parseEnd(b)
	if err != nil {
		return audit.Verdict{}, err
	}
	v := audit.Verdict{OK: true, FirstSeq: last.Seq + 1}
	broken := func(seq int64, reason string) error {
		v.OK, v.BrokenAt, v.Reason = false, seq, reason
		return errNothing
	}
	err = scan(ctx, st, platform.ListOptions{Prefix: keyAudit}, 500, func(key string, value []byte) error {
		seq, err := strconv.ParseInt(strings.TrimPrefix(key, keyAudit), 10, 64)
		var row audit.Row
		if err != nil || json.Unmarshal(value, &row) != nil || row.Seq != seq {
			return broken(last.Seq+1, "row is not readable or stands under another number")
		}
		if seq <= last.Seq { // retention was interrupted between its base and its rows
			return nil
		}
		if seq != last.Seq+1 {
			return broken(last.Seq+1, "row is missing")
		}
		if row.PrevHash != last.Hash {
			return broken(seq, "row does not follow the row before")
		}
		if h, err := row.Sum(); err != nil || h != row.Hash {
			return broken(seq, "row was changed")
		}
		if seq == head.Seq && row.Hash != head.Hash {
			return broken(seq, "row is not the one that the head names")
		}
		last = chainEnd{seq, row.Hash}
		v.Rows++
		return nil
	})
	if v.BrokenAt != 0 {
		return v, nil
	}
	if err != nil {
		return audit.Verdict{}, err
	}
	if head.Seq > last.Seq {
		v.OK, v.BrokenAt, v.Reason = false, last.Seq+1, "the newest rows are missing"
		return v, nil
	}
	v.LastSeq, v.HeadHash = last.Seq, last.Hash
	return v, nil
}

// trimAudit moves the base of the chain and deletes the rows below it, a page per
// transaction.
func (o *Object) trimAudit(ctx context.Context, st platform.Storage, in trimIn) (trimOut, error) {
	var out trimOut
	for {
		n := int64(0)
		err := o.transact(ctx, st, func(t *transaction) error {
			n = 0
			if _, err := t.guarded(ctx, keyAuditBase); err != nil {
				return err
			}
			entries, err := st.List(ctx, platform.ListOptions{Prefix: keyAudit, Limit: 500})
			if err != nil {
				return storageProblem(err)
			}
			var base chainEnd
			for _, e := range entries {
				row, err := decodeRow(e)
				if err != nil {
					return err
				}
				if !row.Time.Before(in.Before) {
					break
				}
				t.delete(e.Key)
				base = chainEnd{row.Seq, row.Hash}
				n++
			}
			if n == 0 {
				return nil
			}
			b, err := json.Marshal(base)
			if err != nil {
				return err
			}
			t.put(keyAuditBase, b)
			return nil
		})
		if err != nil {
			return out, err
		}
		out.Rows += n
		if n < 500 {
			return out, nil
		}
	}
}
