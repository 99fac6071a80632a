// Package audit is the trail of what was done: every change, every mint, every
// denied call, every sign-in. Rows are chained by hash in the Directory, so that a
// row that was changed or taken out is noticed. Nothing secret is ever in one.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Entry is one thing that happened.
type Entry struct {
	Time      time.Time       `json:"time"`
	Action    string          `json:"action"` // such as server.update, token.mint, call.denied
	Actor     Actor           `json:"actor"`
	Target    Target          `json:"target"`
	Outcome   string          `json:"outcome"` // OK, Denied or Failed
	RequestID string          `json:"request_id,omitempty"`
	Before    json.RawMessage `json:"before,omitempty"` // an object, secrets masked
	After     json.RawMessage `json:"after,omitempty"`
	Detail    json.RawMessage `json:"detail,omitempty"`
}

// Outcomes.
const (
	OK     = "ok"
	Denied = "denied"
	Failed = "failed"
)

// Actor is who did it.
type Actor struct {
	ID   string `json:"id"` // access.Principal.ID, "anonymous", or "gateway"
	Name string `json:"name,omitempty"`
	IP   string `json:"ip,omitempty"`
}

// Target is what it was done to.
type Target struct {
	Type string `json:"type"` // server, key, settings, session, token, tool, import, export, audit
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Row is an entry in the chain.
type Row struct {
	Seq int64 `json:"seq"` // 1, 2, 3 … without a gap
	Entry
	PrevHash string `json:"prev_hash"` // Hash of the row before; "" for the first
	Hash     string `json:"hash"`      // of this row
}

// Chain answers the row that follows a row with this number and hash.
func Chain(seq int64, prevHash string, e Entry) (Row, error) {
	e.Time = e.Time.UTC()
	r := Row{Seq: seq + 1, Entry: e, PrevHash: prevHash}
	h, err := r.Sum()
	r.Hash = h
	return r, err
}

// Sum is the hash of a row: SHA-256, in hexadecimal, of its JSON form without the
// member hash. That form holds prev_hash and seq, which makes the chain.
func (r Row) Sum() (string, error) {
	r.Hash = ""
	b, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Verdict is the outcome of checking the chain.
type Verdict struct {
	OK       bool   `json:"ok"`
	Rows     int64  `json:"rows"`
	FirstSeq int64  `json:"first_seq,omitempty"`
	LastSeq  int64  `json:"last_seq,omitempty"`
	HeadHash string `json:"head_hash,omitempty"`
	BrokenAt int64  `json:"broken_at,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Query selects rows; a blank field selects everything.
type Query struct {
	Action, Actor, Target, Outcome, Text string
	Since, Until                         time.Time
	Limit                                int
	Before                               int64 // rows with a smaller number; 0: from the newest
}

// Matches reports whether a row is selected. Action may end in "*", such as
// "server.*". Actor and Target match the id or the name.
func (q Query) Matches(r Row, text func() string) bool {
	same := func(want string, have ...string) bool {
		if want == "" {
			return true
		}
		for _, h := range have {
			if h == want || want[len(want)-1] == '*' && len(h) >= len(want)-1 && h[:len(want)-1] == want[:len(want)-1] {
				return true
			}
		}
		return false
	}
	return same(q.Action, r.Action) && same(q.Actor, r.Actor.ID, r.Actor.Name) && same(q.Target, r.Target.ID, r.Target.Name, r.Target.Type) &&
		same(q.Outcome, r.Outcome) && (q.Since.IsZero() || !r.Time.Before(q.Since)) && (q.Until.IsZero() || r.Time.Before(q.Until)) &&
		(q.Text == "" || contains(text(), q.Text))
}
