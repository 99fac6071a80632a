package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/grantway/grantway/worker/platform"
	"github.com/grantway/grantway/worker/problem"
)

// Client talks to the Directory. Its errors are *problem.Problem.
type Client struct {
	object http.RoundTripper
}

// NewClient makes a client; it performs no I/O.
func NewClient(p platform.Platform) *Client {
	return &Client{p.Object(platform.Directory, objectName)}
}

// call sends one operation. An operation that only reads is sent again once when
// the object was reset under it.
func call[Out any](ctx context.Context, c *Client, op string, reads bool, in any) (Out, error) {
	var out Out
	err := c.call(ctx, op, reads, in, &out)
	return out, err
}

func (c *Client) call(ctx context.Context, op string, reads bool, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	b, status, err := c.post(ctx, op, body)
	var perr *platform.Error
	if reads && errors.As(err, &perr) && perr.Code == platform.CodeGone {
		b, status, err = c.post(ctx, op, body)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unavailable().Because(err)
	}
	if status != http.StatusOK {
		return readFailure(b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return unavailable().Because(err)
	}
	return nil
}

func (c *Client) post(ctx context.Context, op string, body []byte) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://directory.invalid/"+op, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(requestIDHeader, problem.RequestID(ctx))
	res, err := c.object.RoundTrip(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxMessage))
	return b, res.StatusCode, err
}
