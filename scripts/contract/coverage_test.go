package contract

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/grantway/grantway/worker/openapi"
	"github.com/grantway/grantway/worker/openapi/conform"
)

// operation is what /openapi.json says of one operation.
type operation struct {
	method, path string
	role         string   // x-role: the least that may call it; "" where no key is needed, or none is named
	errors       []string // x-errors: "STATUS code"
}

func (o *operation) String() string { return o.method + " " + o.path }

// described answers the operations of /openapi.json, and the errors of every one of them.
var described = sync.OnceValues(func() (operations []*operation, common []string) {
	var document struct {
		Errors []string `json:"x-errors"`
		Paths  map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(openapi.Document, &document); err != nil {
		panic(err)
	}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			if method == "parameters" {
				continue
			}
			var details struct {
				Role   string   `json:"x-role"`
				Errors []string `json:"x-errors"`
			}
			if err := json.Unmarshal(document.Paths[path][method], &details); err != nil {
				panic(err)
			}
			operations = append(operations, &operation{strings.ToUpper(method), path, details.Role, details.Errors})
		}
	}
	return operations, document.Errors
})

// operationOf finds the operation that a request is; nil for none.
func operationOf(method, path string) *operation {
	operations, _ := described()
	template := conform.Template(path)
	for _, o := range operations {
		if o.method == method && o.path == template {
			return o
		}
	}
	return nil
}

// seen is what the gateways of this run have answered: by operation, "2xx" or "STATUS code".
var seen struct {
	sync.Mutex
	by map[string]map[string]bool
}

// observed sends a request and notes what was answered.
func observed(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return response, note(r, response)
}

// note keeps what was answered to a request.
func note(r *http.Request, response *http.Response) error {
	outcome := "2xx"
	if response.StatusCode >= 400 {
		b, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		response.Body = io.NopCloser(bytes.NewReader(b))
		var problem struct{ Error struct{ Code any } }
		_ = json.Unmarshal(b, &problem)
		outcome = strconv.Itoa(response.StatusCode) + " " + fmt.Sprint(problem.Error.Code)
	}
	name := ""
	if o := operationOf(r.Method, r.URL.Path); o != nil {
		name = o.String()
	}
	seen.Lock()
	defer seen.Unlock()
	if seen.by == nil {
		seen.by = map[string]map[string]bool{}
	}
	if seen.by[name] == nil {
		seen.by[name] = map[string]bool{}
	}
	seen.by[name][outcome] = true
	return nil
}

// notCovered answers which operations, and which documented errors of the management API, this run has not seen, which errors it has seen that are not documented, and which answers have another form than
// the document says. It is empty for a run of some tests only.
func notCovered() (out []string) {
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" || hostName == "memory" {
		return nil
	}
	for _, err := range misfits.found {
		out = append(out, err.Error())
	}
	seen.Lock()
	defer seen.Unlock()
	operations, common := described()
	for _, e := range common {
		if !slices.ContainsFunc(slices.Collect(maps.Values(seen.by)), func(o map[string]bool) bool { return o[e] }) {
			out = append(out, "no operation has answered "+e)
		}
	}
	for _, o := range operations {
		name := o.String()
		if !seen.by[name]["2xx"] {
			out = append(out, name+" was never answered")
		}
		if o.role == "" && o.errors == nil {
			continue // not of the management API; its errors are the matter of other tests
		}
		wanted := slices.Clone(o.errors)
		if o.role != "" {
			wanted = append(wanted, "401 unauthorized")
		}
		if o.role == "admin" || o.role == "viewer" {
			wanted = append(wanted, "403 forbidden")
		}
		for _, e := range wanted {
			if !seen.by[name][e] {
				out = append(out, name+" has never answered "+e)
			}
		}
		for e := range seen.by[name] {
			if e != "2xx" && !slices.Contains(wanted, e) && !slices.Contains(common, e) {
				out = append(out, name+" has answered "+e+", which /openapi.json does not say")
			}
		}
	}
	slices.Sort(out)
	return out
}

// misfits are answers of this run that /openapi.json does not describe so.
var misfits problems

type problems struct {
	sync.Mutex
	found   map[string]error // by operation: one of each is enough
	checked map[string]int   // by operation and status
}

// maxChecked is how many answers of an operation with one status are checked: a crowd of callers is not slowed down.
const maxChecked = 50

func (p *problems) check(request *http.Request, response *http.Response, body []byte) {
	path := request.URL.Path
	switch template := conform.Template(path); {
	case template == "/mcp", template == "/mcp/{server}":
		return // JSON-RPC: its forms are those of MCP, and of other tests
	case template == "" && !strings.HasPrefix(path, "/v1/"):
		return
	}
	name := request.Method + " " + conform.Template(path)
	p.Lock()
	defer p.Unlock()
	if p.found == nil {
		p.found, p.checked = map[string]error{}, map[string]int{}
	}
	kind := name + response.Status
	if p.checked[kind]++; p.checked[kind] > maxChecked {
		return
	}
	if err := conform.Check(request.Method, path, response.StatusCode, response.Header, body); err != nil {
		p.found[name] = err
	}
}
