package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/seal"
)

func keyring(t testing.TB) *seal.Keyring {
	k, err := seal.NewKeyring(seal.GenerateKey())
	require.NoError(t, err)
	return k
}

func TestSessionBelongsToCallerAndServer(t *testing.T) {
	k := keyring(t)
	id, err := NewCodec(k).Encode(Session{Server: "s", Caller: "key:1", Version: "2025-11-25", Upstream: "own-id", Opened: time.Now()})
	require.NoError(t, err)
	assert.NotContains(t, id, "own-id")
	assert.True(t, ValidUpstream(id), "visible ASCII")
	other := NewCodec(k) // another instance
	for range 2 {        // the second time from memory
		s, err := other.Decode(id, "s", "key:1")
		require.NoError(t, err)
		assert.Equal(t, "own-id", s.Upstream)
		assert.Equal(t, "2025-11-25", s.Version)
		_, err = other.Decode(id, "s", "key:2")
		assert.ErrorIs(t, err, ErrUnknown, "another caller")
		_, err = other.Decode(id, "t", "key:1")
		assert.ErrorIs(t, err, ErrUnknown, "another server")
	}
	for _, bad := range []string{"", "own-id", id[:len(id)-2], id + "AA", string(make([]byte, MaxID+1))} {
		_, err := other.Decode(bad, "s", "key:1")
		assert.ErrorIs(t, err, ErrUnknown)
	}
	_, err = NewCodec(keyring(t)).Decode(id, "s", "key:1")
	assert.ErrorIs(t, err, ErrUnknown, "another gateway")
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCodec(keyring(t))
		id, err := c.Encode(Session{Server: "s", Caller: "c", Opened: time.Now()})
		require.NoError(t, err)
		time.Sleep(MaxLife - time.Second)
		_, err = c.Decode(id, "s", "c")
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = c.Decode(id, "s", "c")
		assert.ErrorIs(t, err, ErrUnknown)
	})
}

func TestLongUpstreamID(t *testing.T) {
	c := NewCodec(keyring(t))
	long := string(make([]byte, MaxID))
	_, err := c.Encode(Session{Upstream: long})
	assert.Error(t, err)
	assert.False(t, ValidUpstream(long))
	assert.False(t, ValidUpstream(""))
	assert.False(t, ValidUpstream("with space"))
}

// FuzzDecode: no text is taken for a session that was not made.
func FuzzDecode(f *testing.F) {
	c := NewCodec(keyring(f))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, id string) {
		_, err := c.Decode(id, "s", "c")
		require.Error(t, err)
	})
}

// FuzzPlain: the sealed form's inside is read without a panic, and only whole.
func FuzzPlain(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01a\x01b\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode(b)
		if err == nil {
			require.NotNil(t, s)
		}
	})
}
