//go:build js && wasm

package perevent

import (
	"context"
	"syscall/js"

	"github.com/grantway/grantway/worker/platform"
)

// webCrypto signs and verifies with the host's crypto.subtle.
type webCrypto struct{}

// algorithm is one of RFC 7518 §3.1 and RFC 8037 in the terms of WebCrypto.
type algorithm struct {
	key, use map[string]any
	secret   bool // the key is raw bytes
}

var algorithms = map[string]algorithm{
	"ES256": {key: map[string]any{"name": "ECDSA", "namedCurve": "P-256"}, use: map[string]any{"name": "ECDSA", "hash": "SHA-256"}},
	"RS256": {key: map[string]any{"name": "RSASSA-PKCS1-v1_5", "hash": "SHA-256"}, use: map[string]any{"name": "RSASSA-PKCS1-v1_5"}},
	"PS256": {key: map[string]any{"name": "RSA-PSS", "hash": "SHA-256"}, use: map[string]any{"name": "RSA-PSS", "saltLength": 32}},
	"EdDSA": {key: map[string]any{"name": "Ed25519"}, use: map[string]any{"name": "Ed25519"}},
	"HS256": {key: map[string]any{"name": "HMAC", "hash": "SHA-256"}, use: map[string]any{"name": "HMAC"}, secret: true},
}

func (webCrypto) Sign(ctx context.Context, alg string, key, message []byte) ([]byte, error) {
	a, k, err := importKey(ctx, "sign", alg, "pkcs8", key)
	if err != nil {
		return nil, err
	}
	signature, err := await(ctx, "sign", subtle().Call("sign", a.use, k, toJS(message)))
	if err != nil {
		return nil, err
	}
	view := js.Global().Get("Uint8Array").New(signature)
	out := make([]byte, view.Length())
	js.CopyBytesToGo(out, view)
	return out, nil
}

func (webCrypto) Verify(ctx context.Context, alg string, key, message, signature []byte) (bool, error) {
	a, k, err := importKey(ctx, "verify", alg, "spki", key)
	if err != nil {
		return false, err
	}
	valid, err := await(ctx, "verify", subtle().Call("verify", a.use, k, toJS(signature), toJS(message)))
	return err == nil && valid.Bool(), err
}

func importKey(ctx context.Context, use, alg, format string, key []byte) (algorithm, js.Value, error) {
	a, ok := algorithms[alg]
	if !ok {
		return a, js.Value{}, &platform.Error{Op: use, Code: platform.CodeInvalid, Message: "algorithm"}
	}
	if a.secret {
		format = "raw"
	}
	k, err := await(ctx, use, subtle().Call("importKey", format, toJS(key), a.key, false, []any{use}))
	return a, k, err
}

// Generate makes no key: this lifecycle has no management API.
func (webCrypto) Generate(context.Context, string) ([]byte, error) {
	return nil, platform.ErrUnsupported
}

func subtle() js.Value { return js.Global().Get("crypto").Get("subtle") }

func toJS(b []byte) js.Value {
	out := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(out, b)
	return out
}

// await waits for a promise. Both callbacks are released whichever comes.
func await(ctx context.Context, op string, promise js.Value) (js.Value, error) {
	type result struct {
		value js.Value
		ok    bool
	}
	done := make(chan result, 1)
	settle := func(ok bool) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			done <- result{args[0], ok}
			return nil
		})
	}
	resolved, rejected := settle(true), settle(false)
	promise.Call("then", resolved, rejected)
	select {
	case r := <-done:
		resolved.Release()
		rejected.Release()
		if !r.ok {
			return js.Value{}, &platform.Error{Op: op, Code: platform.CodeInvalid, Message: "the host's crypto refused it"}
		}
		return r.value, nil
	case <-ctx.Done():
		return js.Value{}, context.Cause(ctx) // the callbacks must outlive the promise
	}
}
