package probe

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/scripts/contract/host"
	"github.com/grantway/grantway/wasm/abi"
)

func TestObject(t *testing.T) {
	p := theProbe(t)
	for _, class := range []string{"DIRECTORY", "MINTER"} {
		var who map[string]string
		p.get(t, query("/object", "class", class, "name", "a name/with ünicode", "path", "/who")).into(t, &who)
		assert.Equal(t, map[string]string{"class": class, "name": "a name/with ünicode", "internal": "from the inside"}, who)
	}
	// Bodies in both directions, small and large.
	for _, size := range []int{10, 300 << 10} {
		var got request
		p.send(t, "POST", query("/object", "class", "MINTER", "name", "body", "path", "/request"), body(strings.Repeat("z", size))).into(t, &got)
		assert.EqualValues(t, size, got.Length)
		a := p.get(t, query("/object", "class", "MINTER", "name", "body", "path", "/respond?status=201&size="+strconv.Itoa(size)))
		assert.Equal(t, 201, a.status)
		assert.Len(t, a.text, size)
	}
	assert.Equal(t, 500, p.get(t, query("/object", "class", "MINTER", "name", "body", "path", "/panic")).status)
}

// Concurrent increments by compare-and-set: no number twice.
func TestStorageTransactions(t *testing.T) {
	p := theProbe(t)
	const n = 100
	var mu sync.Mutex
	seen := map[string]bool{}
	name := "counter-" + rand.Text()
	together(n, func(int) {
		a, err := p.try(t.Context(), "GET", query("/object", "class", "MINTER", "name", name, "path", "/increment"), nil)
		if assert.NoError(t, err) && assert.Equal(t, 200, a.status, a.text) {
			mu.Lock()
			defer mu.Unlock()
			assert.False(t, seen[a.text], "%s twice", a.text)
			seen[a.text] = true
		}
	})
	assert.Len(t, seen, n)
	assert.True(t, seen[strconv.Itoa(n)])
}

func TestStorage(t *testing.T) {
	p := theProbe(t)
	object := "storage-" + rand.Text()
	op := func(code abi.Op, content string, meta ...string) outcome {
		t.Helper()
		return p.objectOperation(t, object, code, content, meta...)
	}
	binary := "\x00\xff value"
	assert.Empty(t, op(abi.OpStoragePut, binary, "k/1").Error)
	got := op(abi.OpStorageGet, "", "k/1")
	assert.Equal(t, 1, got.N)
	assert.Equal(t, binary, string(got.Body))
	assert.Equal(t, 0, op(abi.OpStorageGet, "", "k/absent").N)
	assert.Equal(t, 0, p.objectOperation(t, "another", abi.OpStorageGet, "", "k/1").N, "objects are apart")

	assert.Empty(t, op(abi.OpStoragePut, "", "k/2").Error)
	assert.Empty(t, op(abi.OpStoragePut, "three", "k/3").Error)
	assert.Empty(t, op(abi.OpStoragePut, "x", "l").Error)
	list := func(meta ...string) (keys string, values []string) {
		t.Helper()
		got := op(abi.OpStorageList, "", meta...)
		require.Empty(t, got.Error)
		parts, err := abi.Frames(got.Body)
		require.NoError(t, err)
		require.Len(t, parts, got.N)
		for _, part := range parts {
			values = append(values, string(part))
		}
		return strings.ReplaceAll(got.Meta, "\n", " "), values
	}
	keys, values := list("k/", "", "", "1000", "")
	assert.Equal(t, "k/1 k/2 k/3", keys)
	assert.Equal(t, []string{binary, "", "three"}, values)
	keys, _ = list("k/", "", "", "2", "reverse")
	assert.Equal(t, "k/3 k/2", keys)
	keys, _ = list("", "k/2", "l", "1000", "")
	assert.Equal(t, "k/2 k/3", keys)
	keys, _ = list("nothing", "", "", "1000", "")
	assert.Empty(t, keys)

	assert.Equal(t, 1, op(abi.OpStorageDelete, "", "k/2").N)
	assert.Equal(t, 0, op(abi.OpStorageDelete, "", "k/2").N)

	// A transaction does all or nothing.
	assert.Equal(t, 0, op(abi.OpStorageTransact, string(frames([]byte("wrong"), []byte("new"))), "expect k/3", "put k/4", "delete k/1").N)
	assert.Equal(t, 0, op(abi.OpStorageTransact, string(frames([]byte("new"))), "absent k/3", "put k/4").N)
	keys, _ = list("k/", "", "", "1000", "")
	assert.Equal(t, "k/1 k/3", keys)
	assert.Equal(t, 1, op(abi.OpStorageTransact, string(frames([]byte("three"), []byte("new"))), "expect k/3", "absent k/2", "put k/4", "delete k/1").N)
	keys, _ = list("k/", "", "", "1000", "")
	assert.Equal(t, "k/3 k/4", keys)

	for _, test := range []struct {
		code    abi.Op
		content string
		meta    []string
		want    string
	}{
		{abi.OpStorageGet, "", []string{""}, "invalid"},
		{abi.OpStorageGet, "", []string{"a\tb"}, "invalid"},
		{abi.OpStorageGet, "", []string{strings.Repeat("k", 2049)}, "limit"},
		{abi.OpStorageList, "", []string{"", "", "", "0", ""}, "invalid"},
		{abi.OpStorageList, "", []string{"", "", "", "1", "sideways"}, "invalid"},
		{abi.OpStorageList, "", []string{"", "", "", "1001", ""}, "limit"},
		{abi.OpStorageTransact, "", []string{"put k"}, "invalid"},
		{abi.OpStorageTransact, string(frames(nil)), []string{"delete k"}, "invalid"},
		{abi.OpStorageTransact, "\x09", []string{"put k"}, "invalid"},
		{abi.OpStorageTransact, "", []string{"destroy k"}, "invalid"},
	} {
		assert.Equal(t, test.want, op(test.code, test.content, test.meta...).Error, "%d %.40q", test.code, test.meta)
	}
	assert.Equal(t, "invalid", p.operation(t, abi.OpStorageGet, "", "k").Error, "outside of an object")
}

// What was acknowledged is still there after the host has ended, also when it was not asked.
func TestDurability(t *testing.T) {
	dir := t.TempDir()
	start := func() *probe {
		h, err := host.Start(hostName, host.Options{Guest: host.Probe, DataDir: dir})
		require.NoError(t, err)
		return attach(t, h)
	}
	p := start()
	require.Empty(t, p.operation(t, abi.OpKVPut, "kept", "CONFIG", "durable", "0", "").Error)
	require.Empty(t, p.objectOperation(t, "durable", abi.OpStoragePut, "kept", "k").Error)
	require.Equal(t, "1", p.get(t, query("/object", "class", "MINTER", "name", "durable", "path", "/increment")).text)
	// hostsim runs in this process; its own tests kill its command.
	if hostName == "workerd" {
		require.NoError(t, p.Kill())
	} else {
		require.NoError(t, p.Stop())
	}
	p = start()
	defer func() { assert.NoError(t, p.Stop()) }()
	assert.Equal(t, "kept", string(p.operation(t, abi.OpKVGet, "", "CONFIG", "durable").Body))
	assert.Equal(t, "kept", string(p.objectOperation(t, "durable", abi.OpStorageGet, "", "k").Body))
	assert.Equal(t, "2", p.get(t, query("/object", "class", "MINTER", "name", "durable", "path", "/increment")).text)
}

// An object that is reset does not leave its callers hanging, and its next life works.
func TestObjectReset(t *testing.T) {
	p := ownProbe(t, host.Options{})
	increment := query("/object", "class", "MINTER", "name", "victim", "path", "/increment")
	require.Equal(t, "1", p.get(t, increment).text)
	ctx, leave := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	for range 5 {
		hanging.Go(func() {
			_, _ = p.try(ctx, "GET", query("/object", "class", "MINTER", "name", "victim", "path", "/hang"), nil)
		})
	}
	comes(t, "they wait in the object", func() bool { return p.state(t).Owners >= 10 })
	for life := 2; life < 5; life++ {
		require.NoError(t, p.ResetObject("MINTER", "victim"))
		assert.Equal(t, strconv.Itoa(life), p.get(t, increment).text)
	}
	leave()
	hanging.Wait()
}
