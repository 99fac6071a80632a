package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != callBody || r.Header.Get("Authorization") != "Bearer k" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch served.Add(1) % 4 {
		case 0:
			w.Header().Set("Connection", "close")
			io.WriteString(w, "closes")
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			io.WriteString(w, strings.Repeat("chunked ", 5000))
		default:
			io.WriteString(w, "short")
		}
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	got, err := load{address: address, requests: [][]byte{callRequest(address, "/", "k")}, connections: 3, total: 100}.run(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 100, served.Load())
	assert.Equal(t, 75, got.requests)
	assert.Equal(t, 25, got.failures)
	assert.Equal(t, "status 503", got.failure)
	assert.Len(t, got.latencies, 75)
	assert.LessOrEqual(t, got.quantile(0.5), got.quantile(0.99))
}

func TestLoadWithoutServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.Listener.Addr().String()
	server.Close()
	_, err := load{address: address, requests: [][]byte{callRequest(address, "/", "k")}, connections: 1, total: 2}.run(t.Context())
	assert.ErrorContains(t, err, "refused")
}

func TestQuantileAndMedian(t *testing.T) {
	r := result{latencies: []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}
	assert.EqualValues(t, 6, r.quantile(0.5))
	assert.EqualValues(t, 10, r.quantile(0.99))
	assert.EqualValues(t, 10, r.quantile(1))
	assert.Zero(t, result{}.quantile(0.5))
	assert.EqualValues(t, 2, median([]float64{3, 1, 2}))
	assert.EqualValues(t, 1, median([]float64{2, 1}))
	assert.Zero(t, median[float64](nil))
}
