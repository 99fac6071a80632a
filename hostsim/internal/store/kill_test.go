package store_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim/internal/clock"
	"github.com/grantway/grantway/hostsim/internal/store"
)

// childVariable makes the test binary write to the database it names and report
// each acknowledged write, until it is killed.
const childVariable = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		child(path)
	}
	os.Exit(m.Run())
}

func child(path string) {
	s, err := store.Open(path, store.Options{Clock: clock.New()})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	lines := make(chan string, 1024)
	for writer := range 8 {
		go func() {
			for i := 0; ; i++ {
				done := make(chan error, 1)
				key := fmt.Sprintf("%d-%d", writer, i)
				if writer%2 == 0 {
					s.Put("N", store.Entry{Key: key, Value: []byte(key)}, func(err error) { done <- err })
				} else {
					s.ObjectTransact("O", []store.Step{{Kind: store.Put, Key: key, Value: []byte(key)}}, func(_ bool, _ int, err error) { done <- err })
				}
				if err := <-done; err != nil {
					lines <- "error " + err.Error()
					return
				}
				lines <- key
			}
		}()
	}
	for line := range lines {
		fmt.Println(line)
	}
}

// TestAcknowledgedWritesSurviveAKill kills a writing process and finds every write
// that it had been told is durable.
func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var acknowledged []string
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			require.NotContains(t, lines.Text(), "error")
			acknowledged = append(acknowledged, lines.Text())
			if n == 200 {
				require.NoError(t, cmd.Process.Kill()) // what was printed before it dies still counts
			}
		}
		require.Error(t, cmd.Wait())
	}
	require.Greater(t, len(acknowledged), 600)
	s, err := store.Open(path, store.Options{Clock: clock.New()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, key := range acknowledged {
		e, ok, err := s.Get("N", key)
		require.NoError(t, err)
		if !ok {
			var value []byte
			value, ok, err = s.ObjectGet("O", key)
			require.NoError(t, err)
			e.Value = value
		}
		require.True(t, ok, "write %s is lost", key)
		require.Equal(t, key, string(e.Value))
	}
}
