package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/grantway/grantway/worker/oauth"
	"github.com/grantway/grantway/worker/platform"
)

// The messages to a MINTER object. Requests are sealed for the object, because they
// hold opened secrets; answers hold the token sealed as it is stored.

// mintRequest asks for a token.
type mintRequest struct {
	Grant    oauth.Grant `json:"grant"`
	ServerID string      `json:"server_id"`
	IssuerAt string      `json:"issuer_at"`         // target.issuerAt
	Subject  string      `json:"subject,omitempty"` // of a connection
	// ServerURL is where the authorization server of a connection is found; "": the record names it.
	ServerURL string `json:"server_url,omitempty"`
	Origin    string `json:"origin"` // of the upstream
	Cause     Cause  `json:"cause"`
	Have      string `json:"have,omitempty"` // fingerprint of the token that is not good enough
	Caller    caller `json:"caller"`
	Epoch     int64  `json:"epoch,omitempty"` // what was minted in an earlier one is void
}

// mintAnswer is a token, or a failure, or an old token and the failure that keeps it
// from being replaced; and always the generation.
type mintAnswer struct {
	Generation int64          `json:"generation"`
	Sealed     []byte         `json:"sealed,omitempty"`
	Failure    *oauth.Failure `json:"failure,omitempty"`
	NotBefore  int64          `json:"not_before,omitempty"` // Unix ms: no attempt before
}

// maxMinterMessage bounds what is read of a message in either direction, in bytes.
const maxMinterMessage = 256 << 10

// askMinter asks the object of this identity key. The error is a *oauth.Failure, or
// wraps errMinterUnreachable.
func (e *Engine) askMinter(ctx context.Context, s *slot, t *target, why Cause, have string, who caller) (*entry, error) {
	g, err := e.grantOf(t)
	if err != nil {
		return nil, err
	}
	req := mintRequest{Grant: *g, ServerID: t.rec.ServerID, IssuerAt: t.issuerAt, Subject: t.subject, Origin: t.origin, Cause: why, Have: have, Caller: who, Epoch: t.epoch}
	if t.subject != "" && t.rec.Issuer == "" && t.rec.TokenURL == "" {
		req.ServerURL = t.rec.URL
	}
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	var a mintAnswer
	if err := e.callMinter(ctx, t.identity, "mint", e.keyring.Seal(body, "mint", t.identity), &a); err != nil {
		return nil, err
	}
	s.raise(a.Generation)
	if a.Failure != nil && a.Failure.Code == codeUpstreamRefuses {
		s.refuse(a.Failure, earlier(time.UnixMilli(a.NotBefore), time.Now().Add(e.settings.FailureRecheck)))
		return nil, a.Failure
	}
	if a.Failure != nil && a.Sealed == nil {
		s.fail(a.Failure, time.UnixMilli(a.NotBefore), time.Now().Add(e.settings.FailureRecheck))
		return nil, a.Failure
	}
	v, err := e.store.open(a.Sealed, t)
	if err != nil {
		return nil, fmt.Errorf("%w: its answer does not open: %w", errMinterUnreachable, err)
	}
	en := newEntry(v, "minter", time.Now(), e.settings)
	if en == nil {
		return nil, fmt.Errorf("%w: its clock is ahead", errMinterUnreachable)
	}
	en.behind, en.behindUntil = a.Failure, time.UnixMilli(a.NotBefore)
	return en, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// callMinter sends one message to a MINTER object. A reset object is asked a second
// time at once.
func (e *Engine) callMinter(ctx context.Context, identity, action string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, e.settings.MinterTimeout)
	defer cancel()
	var err error
	for range 2 {
		if err = e.minterRoundTrip(ctx, identity, action, body, answer); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("%w: %w", errMinterUnreachable, err)
}

func (e *Engine) minterRoundTrip(ctx context.Context, identity, action string, body []byte, answer any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://minter.invalid/"+action, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := e.platform.Object(platform.Minter, identity).RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxMinterMessage))
	if err != nil {
		return err
	}
	if json.Unmarshal(b, answer) != nil {
		return errors.New("answer is not JSON")
	}
	return nil
}
