//go:build js && wasm

package resident

import (
	"context"

	"github.com/grantway/grantway/wasm/abi"
)

type hostCrypto struct{}

func (hostCrypto) Sign(ctx context.Context, alg string, key, message []byte) ([]byte, error) {
	r, err := do(ctx, "sign", abi.OpSign, alg, abi.AppendFrame(abi.AppendFrame(nil, key), message))
	return r.body, err
}

func (hostCrypto) Verify(ctx context.Context, alg string, key, message, signature []byte) (bool, error) {
	r, err := do(ctx, "verify", abi.OpVerify, alg, abi.AppendFrame(abi.AppendFrame(abi.AppendFrame(nil, key), message), signature))
	return r.n == 1, err
}

func (hostCrypto) Generate(ctx context.Context, alg string) ([]byte, error) {
	r, err := do(ctx, "generate", abi.OpGenerate, alg, nil)
	return r.body, err
}
