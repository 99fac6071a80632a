package token

import (
	"context"

	"github.com/grantway/grantway/worker/platform"
)

// purgeRequest voids every token of an identity key.
type purgeRequest struct {
	IssuerAt string `json:"issuer_at"`
	Origin   string `json:"origin"`
	Server   string `json:"server"`
}

type purgeAnswer struct {
	Generation int64 `json:"generation"`
	Wants      bool  `json:"wants,omitempty"` // a scope was wanted that was not asked for before
}

// servePurge raises the generation: a mint under way is dropped when it ends. The
// failure state goes too, because a purge is how an administrator says "try again".
func (e *Engine) servePurge(ctx context.Context, a platform.Actor, req *purgeRequest) (*purgeAnswer, error) {
	st, err := e.updateMinter(ctx, a.Storage, func(st *minterState) error {
		st.void()
		return nil
	})
	if err != nil {
		return nil, err
	}
	t := &target{identity: a.Name, issuerAt: req.IssuerAt, origin: req.Origin}
	e.entomb(ctx, t, st.Generation, req.Server)
	return &purgeAnswer{Generation: st.Generation}, nil
}

// void begins a generation.
func (s *minterState) void() {
	s.Generation, s.Voided = s.Generation+1, true
	s.forget()
	s.Failure, s.Failures, s.NotBefore, s.Refusals, s.RefusedAt = nil, 0, 0, 0, 0
}

// enterEpoch purges the object if the server's tokens were purged since it was last
// asked. Objects of callers are many, and nobody can visit them all: each finds out when
// somebody who knows the epoch asks it.
func (e *Engine) enterEpoch(ctx context.Context, a platform.Actor, epoch int64) error {
	if epoch == 0 {
		return nil
	}
	st, _, err := loadMinter(ctx, a.Storage)
	if err != nil || st.Epoch >= epoch {
		return err
	}
	_, err = e.updateMinter(ctx, a.Storage, func(st *minterState) error {
		if st.Epoch < epoch {
			st.Epoch = epoch
			st.void()
		}
		return nil
	})
	return err
}

// serveStatus answers the state without the token.
func (e *Engine) serveStatus(ctx context.Context, a platform.Actor) (*minterState, error) {
	st, _, err := loadMinter(ctx, a.Storage)
	if err != nil {
		return nil, err
	}
	return st, nil
}
