package aggregate

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/worker/registry"
)

func space(slugs ...string) *Space {
	s := &Space{}
	for _, slug := range slugs {
		s.Servers = append(s.Servers, &registry.Record{ServerID: "id-" + slug, Slug: slug})
	}
	return s
}

func TestNames(t *testing.T) {
	s := space("a", "a__b", "files")
	a, ab, files := s.Servers[0], s.Servers[1], s.Servers[2]
	assert.Equal(t, "files__read", s.Name(files, "read"))
	rec, own, hashed, ok := s.Find("files__read")
	assert.True(t, ok)
	assert.False(t, hashed)
	assert.Same(t, files, rec)
	assert.Equal(t, "read", own)

	long := strings.Repeat("x", 200)
	cut := s.Name(files, long)
	assert.LessOrEqual(t, len(cut), MaxName)
	rec, _, hashed, ok = s.Find(cut)
	assert.True(t, ok && hashed)
	assert.Same(t, files, rec)
	assert.NotEqual(t, cut, s.Name(files, long+"y"), "long names stay apart")

	// The tool b__c of a would have the name of the tool c of a__b.
	assert.Equal(t, "a__b__c", s.Name(ab, "c"))
	other := s.Name(a, "b__c")
	assert.NotEqual(t, "a__b__c", other)
	rec, _, hashed, _ = s.Find(other)
	assert.Same(t, a, rec)
	assert.True(t, hashed)

	// A server's own name that looks like a cut one is cut.
	fake := "x..0123456789ab"
	assert.NotEqual(t, "files__"+fake, s.Name(files, fake))

	_, _, _, ok = s.Find("nobody__x")
	assert.False(t, ok)
	_, _, _, ok = s.Find("files__")
	assert.False(t, ok)
}

func TestEmptyPrefix(t *testing.T) {
	s := space("main", "other")
	s.Servers[0].EmptyPrefix = true
	main := s.Servers[0]
	assert.Equal(t, "echo", s.Name(main, "echo"))
	rec, own, _, ok := s.Find("echo")
	assert.True(t, ok)
	assert.Same(t, main, rec)
	assert.Equal(t, "echo", own)
	// Its tool that looks like another server's keeps its prefix.
	assert.Equal(t, "main__other__x", s.Name(main, "other__x"))
	assert.Equal(t, "file:///a", s.URI(main, "file:///a"))
	rec, uri, ok := s.FindURI("file:///a")
	assert.True(t, ok && rec == main)
	assert.Equal(t, "file:///a", uri)
}

func TestURIs(t *testing.T) {
	s := space("my_server")
	assert.Equal(t, "grantway:my_server/file:///{path}", s.URI(s.Servers[0], "file:///{path}"))
	rec, uri, ok := s.FindURI("grantway:my_server/file:///a/b")
	assert.True(t, ok)
	assert.Same(t, s.Servers[0], rec)
	assert.Equal(t, "file:///a/b", uri)
	for _, uri := range []string{"file:///a", "grantway:nobody/x", "grantway:my_server"} {
		_, _, ok = s.FindURI(uri)
		assert.False(t, ok, uri)
	}
}

func TestResultsAreRewrittenInEveryPlace(t *testing.T) {
	s := space("s")
	rec := s.Servers[0]
	for _, c := range []struct{ method, in, want string }{
		{"resources/read", `{"contents":[{"uri":"a:b","text":"a:b"}],"x":1}`, `{"contents":[{"uri":"grantway:s/a:b","text":"a:b"}],"x":1}`},
		{"tools/call", `{"content":[{"type":"text","text":"a:b"},{"type":"resource_link","uri":"a:b"},{"type":"resource","resource":{"uri":"a:b"}}]}`,
			`{"content":[{"type":"text","text":"a:b"},{"type":"resource_link","uri":"grantway:s/a:b"},{"type":"resource","resource":{"uri":"grantway:s/a:b"}}]}`},
		{"prompts/get", `{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b"}}},{"role":"user","content":[{"type":"resource_link","uri":"a:b"}]}]}`,
			`{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"grantway:s/a:b"}}},{"role":"user","content":[{"type":"resource_link","uri":"grantway:s/a:b"}]}]}`},
		{"completion/complete", `{"completion":{"values":["a:b"]}}`, `{"completion":{"values":["a:b"]}}`},
	} {
		assert.Equal(t, c.want, string(s.Result(rec, c.method, json.RawMessage(c.in))), c.method)
	}
	items := s.Items(rec, "resources/templates/list", []json.RawMessage{[]byte(`{"uriTemplate":"a:{b}","name":"n"}`)})
	assert.Equal(t, `{"uriTemplate":"grantway:s/a:{b}","name":"n"}`, string(items[0]))
}

func TestCursor(t *testing.T) {
	marks := []Mark{{"id-1", ""}, {"id-2", "own\x00cursor"}}
	got, err := DecodeCursor(EncodeCursor(marks))
	require.NoError(t, err)
	assert.Equal(t, marks, got)
	assert.Empty(t, EncodeCursor(nil))
	for _, s := range []string{"", "x", "AQ", "AgEx", strings.Repeat("A", MaxCursor+4)} {
		_, err := DecodeCursor(s)
		assert.ErrorIs(t, err, ErrCursor, s)
	}
}

func TestCapabilitiesAreTheUnion(t *testing.T) {
	parts := []json.RawMessage{[]byte(`{"tools":{"listChanged":true},"logging":{}}`), []byte(`{"tools":{},"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/tasks":{},"com.example/other":{}}}`), nil}
	assert.Equal(t, `{"tools":{"listChanged":true},"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/tasks":{}}}`, string(Capabilities(parts, true)))
	assert.Equal(t, `{"tools":{"listChanged":true},"resources":{"subscribe":true}}`, string(Capabilities(parts, false)))
}

// FuzzCursor: a cursor that is accepted is one that could have been made.
func FuzzCursor(f *testing.F) {
	f.Add(EncodeCursor([]Mark{{"a", "b"}}))
	f.Add("AQAA")
	f.Fuzz(func(t *testing.T, s string) {
		marks, err := DecodeCursor(s)
		if err != nil {
			return
		}
		again, err := DecodeCursor(EncodeCursor(marks))
		require.NoError(t, err)
		require.Equal(t, marks, again)
	})
}

// FuzzNames: whatever the slugs and the tool, the shown name leads back to the server.
func FuzzNames(f *testing.F) {
	f.Add("a", "a__b", "b__c")
	f.Add("x", "y", "x..0123456789ab")
	f.Fuzz(func(t *testing.T, one, two, tool string) {
		valid := regexp.MustCompile(`^[a-z0-9]([a-z0-9_.-]{0,30}[a-z0-9])?$`)
		if !valid.MatchString(one) || !valid.MatchString(two) || one == two || tool == "" {
			return
		}
		s := space(one, two)
		seen := map[string]*registry.Record{}
		for _, rec := range s.Servers {
			name := s.Name(rec, tool)
			require.LessOrEqual(t, len(name), MaxName)
			found, own, hashed, ok := s.Find(name)
			require.True(t, ok)
			require.Same(t, rec, found)
			if !hashed {
				require.Equal(t, tool, own)
			}
			require.NotContains(t, seen, name)
			seen[name] = rec
		}
	})
}
