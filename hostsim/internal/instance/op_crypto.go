package instance

import (
	"context"
	"crypto/sha256"

	"github.com/grantway/grantway/wasm/abi"
)

// opSign signs a message.
//
//   - meta: algorithm: ES256, RS256, PS256, EdDSA, HS256
//   - body: frames: key (PKCS #8 DER; raw for HS256), message
//   - reply: body = signature
//
// It works off the loop: an RSA signature takes about a millisecond.
func (in *Instance) opSign(_ *call, p params) {
	frames, err := abi.Frames(append([]byte(nil), p.body...))
	if err != nil || len(frames) != 2 {
		in.failLocal(p.call, abi.ErrInvalid, "frames")
		return
	}
	go func() {
		signature, err := in.Crypto.Sign(context.Background(), p.meta, frames[0], frames[1])
		if err != nil {
			in.fail(p.call, abi.ErrInvalid, "algorithm or key")
			return
		}
		in.settle(event{call: p.call, body: signature})
	}()
}

// opVerify checks a signature.
//
//   - meta: algorithm
//   - body: frames: key (SPKI DER; raw for HS256), message, signature
//   - reply: n = 1 valid, 0 not
func (in *Instance) opVerify(_ *call, p params) {
	frames, err := abi.Frames(append([]byte(nil), p.body...))
	if err != nil || len(frames) != 3 {
		in.failLocal(p.call, abi.ErrInvalid, "frames")
		return
	}
	go func() {
		valid, err := in.Crypto.Verify(context.Background(), p.meta, frames[0], frames[1], frames[2])
		if err != nil {
			in.fail(p.call, abi.ErrInvalid, "algorithm or key")
			return
		}
		e := event{call: p.call}
		if valid {
			e.n = 1
		}
		in.settle(e)
	}()
}

// opGenerate makes a private key.
//
//   - meta: algorithm: ES256, RS256, PS256, EdDSA
//   - reply: body = the key, PKCS #8
//
// It works off the loop: an RSA key may take a second.
func (in *Instance) opGenerate(_ *call, p params) {
	go func() {
		key, err := in.Crypto.Generate(context.Background(), p.meta)
		if err != nil {
			in.fail(p.call, abi.ErrInvalid, "algorithm")
			return
		}
		in.settle(event{call: p.call, body: key})
	}()
}

// opDigest hashes data.
//
//   - meta: SHA-256
//   - body: data
//   - reply: body = digest
func (in *Instance) opDigest(_ *call, p params) {
	if p.meta != "SHA-256" {
		in.failLocal(p.call, abi.ErrInvalid, "algorithm")
		return
	}
	sum := sha256.Sum256(p.body)
	in.settleLocal(event{call: p.call, body: sum[:]})
}
