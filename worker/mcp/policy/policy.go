// Package policy decides which tools of a server a caller may see and call, and with
// which arguments. Display names and descriptions belong here too: they are the
// server's policy on what callers read.
package policy

import (
	"net/http"
	"slices"

	"github.com/grantway/grantway/worker/access"
	"github.com/grantway/grantway/worker/mcp/rawjson"
	"github.com/grantway/grantway/worker/problem"
	"github.com/grantway/grantway/worker/registry"
)

// Allows reports whether the caller may use the tool, by the server's lists and the
// caller's own. tool is the server's name for it.
func Allows(rec *registry.Record, p *access.Principal, tool string) bool {
	if rec.AllowedTools != nil && !slices.Contains(rec.AllowedTools, tool) {
		return false
	}
	if slices.Contains(rec.DisallowedTools, tool) {
		return false
	}
	return p.MayUseTool(rec.ServerID, tool)
}

// Restricts reports whether the list of tools depends on policy.
func Restricts(rec *registry.Record, p *access.Principal) bool {
	_, own := p.Tools[rec.ServerID]
	return own || rec.AllowedTools != nil || len(rec.DisallowedTools) > 0
}

// Check answers a 403 problem for a call that policy denies. arguments is the raw
// object, nil for none.
func Check(rec *registry.Record, p *access.Principal, tool string, arguments []byte) error {
	if !Allows(rec, p, tool) {
		return problem.New(http.StatusForbidden, "tool_denied", "This tool is not permitted.")
	}
	params, limited := rec.AllowedParams[tool]
	if !limited || len(arguments) == 0 || arguments[0] != '{' {
		return nil
	}
	o, err := rawjson.ParseObject(arguments)
	if err != nil {
		return problem.New(http.StatusBadRequest, "invalid_arguments", "The arguments are not an object.")
	}
	for i := range o {
		if !slices.Contains(params, o[i].Name) {
			return problem.New(http.StatusForbidden, "parameter_denied", "A parameter of this call is not permitted.")
		}
	}
	return nil
}
