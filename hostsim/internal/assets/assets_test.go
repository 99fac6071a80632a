package assets_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grantway/grantway/hostsim/internal/assets"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	return dir
}

func TestUI(t *testing.T) {
	dir := folder(t, map[string]string{
		"index.html": "<html>", "favicon.svg": "<svg>", "assets/main-1a2b.js": "js", "assets/main-1a2b.css": "css", ".secret/x": "hidden",
	})
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "outside.txt"), []byte("outside"), 0o600))
	require.NoError(t, os.Symlink("../outside.txt", filepath.Join(dir, "link.txt")))
	h, err := assets.Open(dir)
	require.NoError(t, err)
	for _, tc := range []struct {
		method, path string
		status       int
		body, kind   string
		cache        string
	}{
		{"GET", "/ui/", 200, "<html>", "text/html; charset=utf-8", "no-cache"},
		{"GET", "/ui/index.html", 200, "<html>", "text/html; charset=utf-8", "no-cache"},
		{"GET", "/ui/servers/new", 200, "<html>", "text/html; charset=utf-8", "no-cache"},
		{"GET", "/ui/assets/main-1a2b.js", 200, "js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"GET", "/ui/assets/main-1a2b.css", 200, "css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		{"GET", "/ui/favicon.svg", 200, "<svg>", "image/svg+xml", "no-cache"},
		{"HEAD", "/ui/", 200, "", "text/html; charset=utf-8", "no-cache"},
		{"GET", "/ui/assets/gone.js", 404, "", "", ""},
		{"GET", "/ui/assets", 200, "<html>", "", ""},
		{"GET", "/ui/robots.txt", 404, "", "", ""},
		{"GET", "/ui/_headers", 404, "", "", ""},
		{"GET", "/ui/link.txt", 404, "", "", ""},
		{"GET", "/ui/../outside.txt", 404, "", "", ""},
		{"POST", "/ui/", 405, "", "", ""},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, "/", nil)
		r.URL.Path = tc.path
		h.ServeHTTP(w, r)
		assert.Equal(t, tc.status, w.Code, tc.path)
		if tc.status != 200 {
			continue
		}
		assert.Equal(t, tc.body, w.Body.String(), tc.path)
		if tc.kind != "" {
			assert.Equal(t, tc.kind, w.Header().Get("Content-Type"), tc.path)
			assert.Equal(t, tc.cache, w.Header().Get("Cache-Control"), tc.path)
		}
		csp := w.Header().Get("Content-Security-Policy")
		assert.Contains(t, csp, "default-src 'self'", tc.path)
		assert.NotContains(t, csp, "unsafe", tc.path)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), tc.path)
	}
}

// TestHeadersFile: the folder's own file decides, as it does on Cloudflare.
func TestHeadersFile(t *testing.T) {
	h, err := assets.Open(folder(t, map[string]string{"index.html": "<html>", "assets/a-1.js": "js", "_headers": `
# all
/*
  Content-Security-Policy: default-src 'none'
  X-One: 1
/ui/assets/*
  Cache-Control: public, max-age=60
  ! X-One
`}))
	require.NoError(t, err)
	get := func(path string) http.Header {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		require.Equal(t, 200, w.Code)
		return w.Header()
	}
	require.Equal(t, "default-src 'none'", get("/ui/").Get("Content-Security-Policy"))
	require.Equal(t, "1", get("/ui/x").Get("X-One"))
	require.Empty(t, get("/ui/assets/a-1.js").Get("X-One"))
	require.Equal(t, "public, max-age=60", get("/ui/assets/a-1.js").Get("Cache-Control"))
}

func TestMalformedHeadersFile(t *testing.T) {
	for _, text := range []string{"  X: 1\n", "ui\n", "/*\n  no colon\n", "/*\n  : empty\n"} {
		_, err := assets.Open(folder(t, map[string]string{"_headers": text}))
		require.ErrorIs(t, err, assets.ErrHeaders, text)
	}
	_, err := assets.Open(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}
