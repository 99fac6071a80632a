package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxTokenLength bounds an access token, in bytes: it must fit into a header.
const MaxTokenLength = 16 << 10

// Life limits what expires_in may say.
type Life struct {
	Assumed time.Duration // for an answer without a usable expires_in
	Longest time.Duration // believed at most
}

// tokenResponse is a successful answer of a token endpoint (RFC 6749 §5.1).
type tokenResponse struct {
	AccessToken string
	Scope       string
	Life        time.Duration // ≤ 0: it must not be used again
	LifeAssumed bool          // there was no usable expires_in

	RefreshToken string
	IDToken      string
}

// parseTokenResponse reads a 200 answer strictly: one JSON object, access_token a
// non-empty string that can stand in a header, token_type Bearer. expires_in may be
// a number or a string of one; anything else counts as missing. A string of digits
// stays a string.
func parseTokenResponse(body []byte, life Life) (*tokenResponse, *Failure) {
	members, ok := object(body)
	if !ok {
		what := "something that is not a JSON object"
		switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
		case len(trimmed) == 0:
			what = "an empty body"
		case trimmed[0] == '<':
			what = "HTML"
		case trimmed[0] == '[':
			what = "a JSON array"
		}
		return nil, invalid("it is " + what)
	}
	if code := errorCode(members); code != "" {
		return nil, errorFailure(http.StatusOK, code, 0)
	}
	r := &tokenResponse{}
	raw, ok := members["access_token"]
	if !ok {
		return nil, invalid("access_token is missing")
	}
	if !text(raw, &r.AccessToken) {
		return nil, invalid("access_token is not a string")
	}
	if r.AccessToken == "" {
		return nil, invalid("access_token is empty")
	}
	if len(r.AccessToken) > MaxTokenLength {
		return nil, invalid("access_token is longer than 16 KiB")
	}
	for i := range len(r.AccessToken) {
		if c := r.AccessToken[i]; c <= ' ' || c > '~' {
			return nil, invalid("access_token holds characters that cannot stand in a header")
		}
	}
	var kind string
	if raw, ok := members["token_type"]; !ok || !text(raw, &kind) || !strings.EqualFold(kind, "Bearer") {
		return nil, invalid("token_type is not Bearer")
	}
	if raw, ok := members["scope"]; ok {
		_ = text(raw, &r.Scope)
	}
	if raw, ok := members["refresh_token"]; ok {
		_ = text(raw, &r.RefreshToken)
	}
	if raw, ok := members["id_token"]; ok {
		_ = text(raw, &r.IDToken)
	}
	if len(r.RefreshToken) > MaxTokenLength || len(r.IDToken) > MaxTokenLength {
		return nil, invalid("refresh_token or id_token is longer than 16 KiB")
	}
	r.Life, ok = expiresIn(members["expires_in"])
	if !ok {
		r.Life, r.LifeAssumed = life.Assumed, true
	}
	r.Life = min(r.Life, life.Longest)
	return r, nil
}

func invalid(why string) *Failure {
	f := fail(Misconfigured, "idp_invalid_response", "The token endpoint's answer is not a token response (RFC 6749 §5.1): "+why+". Check token_url.")
	f.Status = http.StatusOK
	return f
}

// object decodes exactly one JSON object.
func object(body []byte) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}

func text(raw json.RawMessage, into *string) bool {
	return len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, into) == nil
}

// errorCode answers the member error if it is a code as RFC 6749 §5.2 defines its
// characters, at most 64 of them; "invalid" for anything else that is there.
func errorCode(members map[string]json.RawMessage) string {
	raw, ok := members["error"]
	if !ok || string(raw) == "null" {
		return ""
	}
	var code string
	if !text(raw, &code) || code == "" || len(code) > 64 {
		return "invalid"
	}
	for i := range len(code) {
		c := code[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return "invalid"
		}
	}
	return code
}

// expiresIn reads expires_in, in seconds; false if there is no number in it.
// A fraction is cut off. 0 and less mean that the token is at its end.
func expiresIn(raw json.RawMessage) (time.Duration, bool) {
	if len(raw) == 0 {
		return 0, false
	}
	number := string(raw)
	if raw[0] == '"' {
		if !text(raw, &number) {
			return 0, false
		}
		number = strings.TrimSpace(number)
		if !decimal(number) {
			return 0, false
		}
	} else if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil && !math.IsInf(x, 0) || math.IsNaN(x) {
		return 0, false
	}
	x = math.Trunc(x)
	if x <= 0 {
		return 0, true
	}
	if x > math.MaxInt32 {
		x = math.MaxInt32
	}
	return time.Duration(x) * time.Second, true
}

// decimal says whether s is a plain decimal number: no exponent, no hexadecimal, no Inf.
func decimal(s string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return digits(whole) && (!point || digits(fraction))
}

// readLimited reads at most limit bytes; false if there are more.
func readLimited(r io.Reader, limit int) ([]byte, bool, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(body) > limit {
		return nil, false, nil
	}
	return body, true, err
}

func itoa(n int) string { return strconv.Itoa(n) }
