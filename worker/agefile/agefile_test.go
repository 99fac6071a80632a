package agefile_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/agefile"
)

func TestTheReferenceOpensIt(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 3 * 64 << 10} {
		plain := bytes.Repeat([]byte("x"), size)
		sealed, err := agefile.Encrypt(id.Recipient().String(), plain)
		require.NoError(t, err)
		r, err := age.Decrypt(bytes.NewReader(sealed), id)
		require.NoError(t, err, "%d bytes", size)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, plain, append([]byte{}, got...), "%d bytes", size)

		other, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		_, err = age.Decrypt(bytes.NewReader(sealed), other)
		assert.Error(t, err)
	}
}

func TestOnlyRecipients(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	good := id.Recipient().String()
	swapped := []byte(good)
	swapped[10], swapped[11] = swapped[11], swapped[10]
	for name, text := range map[string]string{
		"empty": "", "an identity": id.String(), "upper case": strings.ToUpper(good), "cut": good[:len(good)-1], "longer": good + "q",
		"other letter": good[:20] + "b" + good[21:], "ssh": "ssh-ed25519 AAAA", "two letters changed places": string(swapped),
	} {
		_, err := agefile.Encrypt(text, nil)
		if name == "two letters changed places" && string(swapped) == good {
			continue
		}
		assert.ErrorIs(t, err, agefile.ErrRecipient, name)
	}
}
