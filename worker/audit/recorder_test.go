package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/audit"
	"github.com/grantway/grantway/worker/platform/memory"
)

type rows []audit.Entry

func (r *rows) AppendAudit(_ context.Context, entries []audit.Entry) error {
	*r = append(*r, entries...)
	return nil
}

func (r rows) repeated(t *testing.T) (n int) {
	for _, e := range r {
		var d struct{ Repeated int }
		if e.Detail != nil {
			require.NoError(t, json.Unmarshal(e.Detail, &d))
		}
		n += d.Repeated
	}
	return n
}

func refused(ip string) audit.Entry {
	return audit.Entry{Action: "call.denied", Actor: audit.Actor{ID: "anonymous", IP: ip}}
}

func TestRefusalsOfOneAddressFillARowAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, kept := memory.New(nil), rows{}
		r := audit.NewRecorder(p, &kept)
		for range 300 {
			r.RecordRefused(t.Context(), refused("192.0.2.1"), "wrong key")
			time.Sleep(time.Second)
		}
		r.RecordRefused(t.Context(), refused("192.0.2.1"), "no key")
		time.Sleep(audit.RefusedEvery)
		r.Flush(t.Context())
		p.Wait()
		assert.Len(t, kept, 7, "at once, each minute, the rest, and the other reason")
		assert.Equal(t, 301, len(kept)+kept.repeated(t), "each is counted")
	})
}

func TestRefusalsOfManyAddressesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, kept := memory.New(nil), rows{}
		r := audit.NewRecorder(p, &kept)
		for i := range 5000 {
			r.RecordRefused(t.Context(), refused(fmt.Sprint(i)), "wrong key")
		}
		r.Flush(t.Context())
		assert.Len(t, kept, audit.MaxRefused+1)
		time.Sleep(audit.RefusedEvery)
		r.Flush(t.Context())
		p.Wait()
		assert.Len(t, kept, audit.MaxRefused+2)
		assert.Equal(t, 5000, len(kept)+kept.repeated(t))
		assert.Empty(t, kept[audit.MaxRefused].Actor.IP, "the rest stands for no one address")
	})
}
