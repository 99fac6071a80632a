package authserver

import (
	"bytes"
	"net/http"
)

// capture is a ResponseWriter that keeps the answer.
type capture struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newCapture() *capture { return &capture{status: http.StatusOK, header: make(http.Header)} }

func (c *capture) Header() http.Header         { return c.header }
func (c *capture) WriteHeader(status int)      { c.status = status }
func (c *capture) Write(p []byte) (int, error) { return c.body.Write(p) }
