package registry

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/grantway/grantway/worker/problem"
)

// Merge answers the record that old becomes by a request, and everything that is
// wrong with it. old is not changed and may be nil: the server is new. The secrets
// themselves are still old's: who holds the sealing key puts the new ones in.
//
// A field that does not belong to the chosen auth_type and flow is a problem if the
// request sends it, and is dropped if it was merely stored.
func Merge(old *Record, in *Input) (*Record, []problem.Field) {
	base := &Record{Transport: "http"}
	if old != nil {
		base = old.Clone()
	}
	rec, err := overlay(base, in.Fields)
	if err != nil {
		return base, []problem.Field{{Code: "invalid_type", Message: "The record is not readable."}}
	}
	var problems []problem.Field
	strangers := foreign(rec)
	for _, name := range strangers {
		if in.sends(name) || in.Secrets[name] != nil || name == SecretClientPrivateKey && in.GenerateKey != "" {
			problems = append(problems, problem.Field{Path: in.Path(name), Code: "not_applicable", Message: "This field does not belong to the chosen authentication."})
		}
	}
	drop := map[string]json.RawMessage{}
	for _, name := range strangers {
		if !isSecret(name) {
			drop[name] = json.RawMessage("null")
			continue
		}
		delete(rec.Secrets, name)
		if name == SecretClientPrivateKey {
			rec.ClientKey = nil
		}
	}
	if rec, err = overlay(rec, drop); err != nil {
		return base, []problem.Field{{Code: "invalid_type", Message: "The record is not readable."}}
	}
	if rec.Slug == "" {
		rec.Slug = SlugOf(rec.ServerName)
	}
	if rec.AuthType == AuthOAuth2 && rec.TokenEndpointAuthMethod == "" && rec.OAuth2Flow == FlowClientCredentials {
		rec.TokenEndpointAuthMethod = ClientSecretBasic // RFC 7591 §2: the default when nothing is said
	}
	problems = append(problems, protectSecrets(old, rec, in)...)
	v := &validator{in: in, rec: rec}
	v.record()
	return rec, append(problems, v.problems...)
}

// overlay lays fields over a record; null takes a field away.
func overlay(rec *Record, fields map[string]json.RawMessage) (*Record, error) {
	doc, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(doc, &all); err != nil {
		return nil, err
	}
	for name, raw := range fields {
		if string(raw) == "null" {
			delete(all, name)
		} else {
			all[name] = raw
		}
	}
	if all["transport"] == nil {
		all["transport"] = json.RawMessage(`"http"`)
	}
	if doc, err = json.Marshal(all); err != nil {
		return nil, err
	}
	out := &Record{}
	if err := json.Unmarshal(doc, out); err != nil {
		return nil, err
	}
	out.CreatedAt, out.UpdatedAt, out.CreatedBy, out.UpdatedBy = rec.CreatedAt, rec.UpdatedAt, rec.CreatedBy, rec.UpdatedBy
	out.Secrets, out.ClientKey, out.TokenEpoch, out.CallerEpochs = maps.Clone(rec.Secrets), rec.ClientKey, rec.TokenEpoch, rec.CallerEpochs
	return out, nil
}

// foreign answers the fields and secrets that mean nothing for this record's
// authentication.
func foreign(r *Record) []string {
	oauth := r.AuthType == AuthOAuth2
	flow := func(flows ...Flow) bool { return oauth && slices.Contains(flows, r.OAuth2Flow) }
	method := r.TokenEndpointAuthMethod
	static := slices.Contains([]AuthType{AuthAPIKey, AuthBearer, AuthBasic, AuthAuthorization, AuthToken}, r.AuthType)
	var out []string
	for _, f := range []struct {
		belongs bool
		names   string
	}{
		{oauth, "oauth2_flow client_id token_url issuer token_endpoint_auth_method scopes audience upstream_resource extra_token_params"},
		{flow(FlowClientCredentials, FlowJWTBearer, FlowTokenExchange), "allow_scope_step_up"},
		{flow(FlowClientCredentials), "keep_warm"},
		{flow(FlowAuthorizationCode), "authorization_url registration_url"},
		{flow(FlowJWTBearer, FlowTokenExchange), "subject_token_type"},
		{flow(FlowJWTBearer), "identity_token_url identity_client_id identity_client_secret"},
		{oauth && (method == PrivateKeyJWT || method == ClientSecretJWT), "assertion_audience"},
		{oauth || r.AuthType == AuthAPIKey, "upstream_token_header"},
		{oauth && method != PrivateKeyJWT, "client_secret client_secret_next"},
		{oauth && method == PrivateKeyJWT, "client_private_key"},
		{static, "auth_value"},
	} {
		if !f.belongs {
			out = append(out, strings.Fields(f.names)...)
		}
	}
	return out
}

// protectSecrets asks for a stored secret again when the place that it is sent to
// changes: else whoever may edit a record could have its secret sent to a host of
// their own. A private key is never sent anywhere and stays.
func protectSecrets(old, rec *Record, in *Input) []problem.Field {
	if old != nil && old.IdentityTokenURL != rec.IdentityTokenURL {
		_, stored := rec.Secrets[SecretIdentityClient]
		if _, sent := in.Secrets[SecretIdentityClient]; stored && !sent {
			return []problem.Field{{Path: "credentials." + SecretIdentityClient, Code: "secret_required_again", Message: "identity_token_url changes: give the secret again, so that it is sent to the new place on purpose."}}
		}
	}
	if old == nil || old.URL == rec.URL && old.TokenURL == rec.TokenURL && old.Issuer == rec.Issuer {
		return nil
	}
	var problems []problem.Field
	again := func(path string) {
		problems = append(problems, problem.Field{Path: path, Code: "secret_required_again", Message: "url, token_url or issuer changes: give the secret again, so that it is sent to the new place on purpose."})
	}
	for _, name := range []string{SecretAuthValue, SecretClientSecret} {
		if _, stored := rec.Secrets[name]; stored {
			if _, sent := in.Secrets[name]; !sent {
				again("credentials." + name)
			}
		}
	}
	if _, sent := in.Secrets[SecretClientSecretNext]; !sent {
		delete(rec.Secrets, SecretClientSecretNext)
	}
	for _, name := range slices.Sorted(maps.Keys(rec.StaticHeaders)) {
		if rec.StaticHeaders[name] == Masked {
			again("static_headers." + name)
		}
	}
	return problems
}

// Masked stands for the value of a static header that is kept sealed.
const Masked = "***"

// SensitiveHeader reports whether the value of a static header is kept as a secret.
func SensitiveHeader(name string) bool {
	n := strings.ToLower(name)
	switch n {
	case "authorization", "proxy-authorization", "cookie":
		return true
	}
	for _, word := range [...]string{"key", "token", "secret", "password", "auth", "session"} {
		if strings.Contains(n, word) {
			return true
		}
	}
	return false
}

// hopHeaders are the headers that the gateway sets or that belong to one
// connection (RFC 9110 §7.6.1); no record may send or forward them.
var hopHeaders = map[string]bool{
	"Connection": true, "Content-Length": true, "Content-Type": true, "Accept": true, "Host": true, "Keep-Alive": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Proxy-Connection": true, "Mcp-Session-Id": true, "Mcp-Protocol-Version": true,
	"Last-Event-Id": true,
}

// gatewayHeaders carry the caller's credential for the gateway itself, which never leaves it.
var gatewayHeaders = map[string]bool{"X-Grantway-Key": true, "X-Litellm-Api-Key": true, "X-Grantway-Csrf": true}

func reservedHeader(name string, forwarded bool) bool {
	n := http.CanonicalHeaderKey(name)
	return hopHeaders[n] || gatewayHeaders[n] || strings.HasPrefix(n, "Grantway-Internal-") || forwarded && n == "Cookie"
}
