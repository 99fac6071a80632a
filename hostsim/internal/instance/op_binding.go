package instance

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/grantway/grantway/wasm/abi"
)

// opRateLimit takes one permit of a rate limiter.
//
//   - meta: binding, key
//   - reply: n = 1 permitted, 0 refused
//
// It fails with "notfound" without such a binding.
func (in *Instance) opRateLimit(_ *call, p params) {
	binding, key := line(&p.meta), p.meta
	if !clean(key) {
		in.failLocal(p.call, abi.ErrInvalid, "key")
		return
	}
	if in.Permit != nil {
		if permitted, exists := in.Permit(binding, key); exists {
			e := event{call: p.call}
			if permitted {
				e.n = 1
			}
			in.settleLocal(e)
			return
		}
	}
	in.failLocal(p.call, abi.ErrNotFound, "no such rate limiter")
}

// opDataPoint writes one data point.
//
//   - meta: binding, index, a line per blob
//   - body: doubles, 8 bytes little endian each
//
// It fails with "notfound" without such a binding.
func (in *Instance) opDataPoint(_ *call, p params) {
	binding, index := line(&p.meta), line(&p.meta)
	if len(p.body)%8 != 0 {
		in.failLocal(p.call, abi.ErrInvalid, "doubles")
		return
	}
	var blobs []string
	if p.meta != "" {
		blobs = strings.Split(p.meta, "\n")
	}
	doubles := make([]float64, 0, len(p.body)/8)
	for b := p.body; len(b) > 0; b = b[8:] {
		doubles = append(doubles, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	if in.DataPoint == nil || !in.DataPoint(binding, index, blobs, doubles) {
		in.failLocal(p.call, abi.ErrNotFound, "no such dataset")
		return
	}
	in.settleLocal(event{call: p.call})
}
