package probe

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
)

// Events written by the guest arrive one by one: the first is there before the last is written.
func TestStreamArrivesPieceByPiece(t *testing.T) {
	p := ownProbe(t, host.Options{})
	request, err := http.NewRequestWithContext(t.Context(), "GET", p.URL()+"/stream?count=2&ms=3600000", nil)
	require.NoError(t, err)
	response, err := p.client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	require.True(t, lines.Scan())
	assert.Equal(t, "data: 0", lines.Text())
	rest := make(chan []string, 1)
	go func() {
		var more []string
		for lines.Scan() {
			more = append(more, lines.Text())
		}
		rest <- more
	}()
	assert.Equal(t, []string{"", "data: 1", ""}, passing(t, p, rest))
}

// The client leaves in the middle of a stream that the guest writes: the handler ends.
func TestClientLeavesWrittenStream(t *testing.T) {
	p := theProbe(t)
	before := p.counters(t).StreamsEnded
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", p.URL()+"/stream?count=100000&ms=20", nil)
	require.NoError(t, err)
	response, err := p.client.Do(request)
	require.NoError(t, err)
	_, err = bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	leave()
	_ = response.Body.Close()
	comes(t, "the handler ends", func() bool { return p.counters(t).StreamsEnded == before+1 })
	p.idle(t)
}

// The client leaves in the middle of a response that is passed on: the upstream is closed, whether or not Go sees the bytes.
func TestClientLeavesPassedStream(t *testing.T) {
	p := theProbe(t)
	for name, pump := range map[string]string{"untouched": "", "through Go": "1"} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			network := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(closed)
				w.Header().Set("Content-Type", "text/event-stream")
				for i := 0; ; i++ {
					if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
						return
					}
					w.(http.Flusher).Flush()
					select {
					case <-r.Context().Done():
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			})
			ctx, leave := context.WithCancel(t.Context())
			request, err := http.NewRequestWithContext(ctx, "GET", p.URL()+query("/pass", "url", network.URL, "pump", pump), nil)
			require.NoError(t, err)
			response, err := p.client.Do(request)
			require.NoError(t, err)
			assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
			lines := bufio.NewReader(response.Body)
			for i := range 3 {
				line, err := lines.ReadString('\n')
				require.NoError(t, err)
				assert.Equal(t, fmt.Sprintf("data: %d\n", i), line)
				_, err = lines.ReadString('\n')
				require.NoError(t, err)
			}
			leave()
			_ = response.Body.Close()
			select {
			case <-closed:
			case <-time.After(patience):
				assert.Fail(t, "the upstream's connection stays open")
			}
			p.idle(t)
		})
	}
}

// A body of any size is passed on whole.
func TestPassedBodyIsWhole(t *testing.T) {
	p := theProbe(t)
	for _, size := range []int{0, 1, 64 << 10, 3 << 20} {
		network := upstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("y", size))) })
		for _, pump := range []string{"", "1"} {
			a := p.get(t, query("/pass", "url", network.URL, "pump", pump))
			assert.Equal(t, 200, a.status)
			assert.Equal(t, strings.Repeat("y", size), a.text, "%d bytes", size)
		}
	}
}
