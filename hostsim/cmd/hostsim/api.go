package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// Exit codes of the commands that ask a gateway, beside those of main.go.
const (
	exitRefused  = 3 // 401, 403: the key is missing, wrong, or of too small a role
	exitNotFound = 4 // 404
	exitConflict = 5 // 409, 412: it exists, or somebody changed it meanwhile
	exitInvalid  = 6 // 400, 413, 422: the input is not valid
)

// exitCodes is the part of the usage text that says so.
const exitCodes = `
The gateway is --url or GRANTWAY_URL; the key is in GRANTWAY_KEY, in the file --key-file, or in .grantway/admin.key.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (key or role), 4 not found, 5 conflict, 6 invalid input.
`

// apiError is a problem that the gateway answered.
type apiError struct {
	Status    int
	Code      string `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
	Fields    []struct {
		Path    string `json:"path"`
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"fields"`
}

func (e *apiError) Error() string {
	var b strings.Builder
	b.WriteString(e.Message + " (" + e.Code)
	if e.RequestID != "" {
		b.WriteString(", request " + e.RequestID)
	}
	b.WriteByte(')')
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "\n  %s: %s (%s)", f.Path, f.Message, f.Code)
	}
	return b.String()
}

// exitCode is the exit code for an error.
func exitCode(err error) int {
	var e *apiError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case !errors.As(err, &e):
		return exitFailed
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitRefused
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return exitInvalid
	}
	return exitFailed
}

// api asks a gateway's management API.
type api struct {
	s            streams
	url, keyFile string
	json         bool
	timeout      time.Duration
}

// apiFlags adds the flags that every command against a gateway has.
func apiFlags(f *flag.FlagSet, s streams) *api {
	a := &api{s: s}
	base := os.Getenv("GRANTWAY_URL")
	if base == "" {
		base = "http://" + defaultAddr
	}
	f.StringVar(&a.url, "url", base, "`URL` of the gateway")
	f.StringVar(&a.keyFile, "key-file", "", "`file` with the access key; \"-\" reads it from standard input")
	f.BoolVar(&a.json, "json", false, "print JSON, for scripts")
	f.DurationVar(&a.timeout, "timeout", time.Minute, "how `long` to wait for an answer")
	usage := f.Usage
	f.Usage = func() {
		usage()
		_, _ = fmt.Fprint(f.Output(), exitCodes)
	}
	return a
}

// key finds the access key. It is no flag: arguments are seen by other users.
func (a *api) key() (string, error) {
	file := a.keyFile
	if file == "" {
		if k := os.Getenv("GRANTWAY_KEY"); k != "" {
			return k, nil
		}
		if k := os.Getenv(adminKeyVariable); k != "" {
			return k, nil
		}
		file = filepath.Join(defaultData, adminKeyFile)
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("%w: no access key: set GRANTWAY_KEY or give --key-file; there is no %s here", errUsage, file)
		}
	}
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(io.LimitReader(a.s.in, 4096))
	} else {
		b, err = os.ReadFile(file)
	}
	return strings.TrimSpace(string(b)), err
}

// call sends a request; the answer's body is handed out as it is.
func (a *api) call(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	key, err := a.key()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.url, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: --url: %w", errUsage, err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no gateway answers at %s; start one with hostsim serve, or name another by --url or GRANTWAY_URL: %w", a.url, reason(err))
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 400 {
		return b, nil
	}
	out := struct {
		Error apiError `json:"error"`
	}{}
	if json.Unmarshal(b, &out) != nil || out.Error.Code == "" {
		return nil, &apiError{Status: res.StatusCode, Code: "http_error", Message: "The answer was " + res.Status + ", not from a Grantway gateway."}
	}
	out.Error.Status = res.StatusCode
	return nil, &out.Error
}

// reason is why a request failed, without the URL before it.
func reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// get reads JSON into out, and prints it when JSON is wanted: then printed is true.
func (a *api) get(ctx context.Context, method, path string, in, out any) (printed bool, err error) {
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return false, err
		}
	}
	b, err := a.call(ctx, method, path, "application/json", body)
	if err != nil {
		return false, err
	}
	if a.json {
		if len(b) > 0 {
			_, err = fmt.Fprintf(a.s.out, "%s\n", bytes.TrimSpace(b))
		}
		return true, err
	}
	if out == nil || len(b) == 0 {
		return false, nil
	}
	return false, json.Unmarshal(b, out)
}

// each reads all pages of a list.
func (a *api) each(ctx context.Context, path string, query url.Values, row func(json.RawMessage) error) error {
	for {
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next *string           `json:"next_cursor"`
		}
		b, err := a.call(ctx, http.MethodGet, path+"?"+query.Encode(), "", nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &page); err != nil {
			return err
		}
		for _, r := range page.Data {
			if err := row(r); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		query.Set("cursor", *page.Next)
	}
}

// table prints rows for people, or each row's JSON on a line.
type table struct {
	a *api
	w *tabwriter.Writer
}

func (a *api) table(heads ...string) *table {
	t := &table{a, tabwriter.NewWriter(a.s.out, 0, 0, 2, ' ', 0)}
	if !a.json {
		_, _ = fmt.Fprintln(t.w, strings.Join(heads, "\t"))
	}
	return t
}

func (t *table) row(raw json.RawMessage, cells ...any) error {
	if t.a.json {
		_, err := fmt.Fprintf(t.a.s.out, "%s\n", raw)
		return err
	}
	texts := make([]string, len(cells))
	for i, c := range cells {
		// What a server or key is called is somebody's input: it must not move the cursor.
		texts[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				return '?'
			}
			return r
		}, fmt.Sprint(c))
		if texts[i] == "" {
			texts[i] = "-"
		}
	}
	_, err := fmt.Fprintln(t.w, strings.Join(texts, "\t"))
	return err
}

func (t *table) done() error { return t.w.Flush() }

// verb is a subcommand of a subcommand.
type verb struct {
	name, synopsis string
	run            func(ctx context.Context, f *flag.FlagSet, a *api, args []string) error
}

// dispatch runs the verb that args begins with.
func dispatch(ctx context.Context, s streams, name string, verbs []verb, args []string) error {
	if len(args) > 0 {
		for _, v := range verbs {
			if v.name == args[0] {
				f := newFlags(s, name+" "+v.name, v.synopsis)
				return v.run(ctx, f, apiFlags(f, s), args[1:])
			}
		}
	}
	var names []string
	for _, v := range verbs {
		names = append(names, v.name)
		_, _ = fmt.Fprintf(s.err, "  hostsim %s %s %s\n", name, v.name, v.synopsis)
	}
	if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "help") {
		return flag.ErrHelp
	}
	return fmt.Errorf("%w: one of %s", errUsage, strings.Join(names, ", "))
}

// parseAround reads flags that may stand before and after up to n arguments.
func parseAround(f *flag.FlagSet, args []string, n int) ([]string, error) {
	var rest []string
	for {
		if err := parse(f, args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			break
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
	if len(rest) != n {
		return nil, fmt.Errorf("%w: %d arguments besides the flags, not %d; hostsim %s --help tells them", errUsage, len(rest), n, f.Name())
	}
	return rest, nil
}
