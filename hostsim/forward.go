package hostsim

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/grantway/grantway/hostsim/internal/instance"
)

// forward sends a request on and gives the answer to the client, or to the guest if its status is not 2xx or
// its field to be swapped does not fit: then it answers false.
func (h *Host) forward(w http.ResponseWriter, rc *http.ResponseController, r *http.Request, f *instance.Forward) bool {
	res := f.Send(r.Context())
	if res == nil {
		return false
	}
	swapped, fits := f.Swap.In(res.Header)
	if res.StatusCode < 200 || res.StatusCode > 299 || !fits {
		f.Settle(res)
		return false
	}
	defer f.Close()
	header := w.Header()
	for name, values := range instance.ParseHeader(f.Added) {
		header[name] = values
	}
	instance.DropHopByHop(res.Header)
	for _, name := range fieldNames(f.Pass) {
		if values := res.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	if swapped {
		header[f.Swap.Name] = []string{f.Swap.Ours}
	}
	if _, given := header["Content-Type"]; !given {
		header["Content-Type"] = nil // net/http would guess
	}
	if instance.Short(res) {
		f.Passed(res)
	} else {
		defer f.Passed(res)
	}
	w.WriteHeader(res.StatusCode)
	h.pass(w, rc, r, res.Body)
	return true
}

// names is a list of field names taken apart.
type names struct {
	text string
	list []string
}

var lastNames atomic.Pointer[names]

// fieldNames takes a list of names apart, which is nearly always the same one.
func fieldNames(text string) []string {
	n := lastNames.Load()
	if n == nil || n.text != text {
		n = &names{text: text}
		for name := range strings.SplitSeq(text, ",") {
			n.list = append(n.list, http.CanonicalHeaderKey(name))
		}
		lastNames.Store(n)
	}
	return n.list
}
