// Package assets serves the built UI, a single-page application, from a folder.
//
// Headers come from the folder's own file _headers, in the format of Cloudflare's
// static assets, so that both hosts send the same ones; a folder without it gets
// the strict defaults below.
package assets

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

const (
	// Prefix is the path under which the folder is served.
	Prefix = "/ui/"
	// hashed is the subfolder whose file names contain a hash of the content.
	hashed = "assets/"

	// headersFile holds the headers and is not served itself.
	headersFile = "_headers"

	cacheForEver = "public, max-age=31536000, immutable"
	cacheCheck   = "no-cache"
)

// defaultHeaders are sent where the folder has no _headers.
var defaultHeaders = []rule{{pattern: "/*", set: []field{
	{"Content-Security-Policy", "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
}}}

// contentTypes of what a build emits. The system's table is not asked: it differs
// from machine to machine.
var contentTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".jpg":         "image/jpeg",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".mjs":         "text/javascript; charset=utf-8",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
	".webp":        "image/webp",
	".woff":        "font/woff",
	".woff2":       "font/woff2",
}

// Handler serves one folder under Prefix. A path within the application, without
// a file of its own, answers index.html: the application routes by itself.
type Handler struct {
	files   fs.FS
	headers []rule
}

// Open opens the folder. Files in it may change while it is served; _headers is read
// once.
func Open(dir string) (*Handler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	h := &Handler{files: root.FS(), headers: defaultHeaders}
	text, err := fs.ReadFile(h.files, headersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	h.headers, err = parseHeaders(string(text))
	return h, err
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
		return
	}
	for _, rule := range h.headers {
		rule.apply(w.Header(), r.URL.Path)
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), strings.TrimSuffix(Prefix, "/"))
	if name = strings.TrimPrefix(name, "/"); name == "" {
		name = "index.html"
	}
	switch {
	case name != headersFile && h.serveFile(w, r, name):
	case name == headersFile, strings.HasPrefix(name, hashed), path.Ext(name) != "":
		http.NotFound(w, r)
	case h.serveFile(w, r, "index.html"):
	default:
		http.NotFound(w, r)
	}
}

// serveFile answers false, and has done nothing, if there is no such file.
func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request, name string) bool {
	if !fs.ValidPath(name) {
		return false
	}
	f, err := h.files.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	content, ok := f.(interface {
		Read([]byte) (int, error)
		Seek(int64, int) (int64, error)
	})
	if !ok {
		return false
	}
	kind := contentTypes[path.Ext(name)]
	if kind == "" {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	if w.Header().Get("Cache-Control") == "" {
		if strings.HasPrefix(name, hashed) {
			w.Header().Set("Cache-Control", cacheForEver)
		} else {
			w.Header().Set("Cache-Control", cacheCheck)
		}
	}
	http.ServeContent(w, r, "", info.ModTime(), content)
	return true
}
