package oauth

import (
	"context"
	"encoding/json"
)

// UserInfo asks a UserInfo endpoint for the claims of whoever authorized this access token
// (OpenID Connect Core §5.3), under the rules of a metadata document: address, time, size, no
// redirect. at must come from the metadata of the issuer of the token. The answer must be a JSON
// object with sub; a signed one (§5.3.2) is not read. The error is a *Failure.
func (d *Discovery) UserInfo(ctx context.Context, at, accessToken string) (map[string]json.RawMessage, error) {
	body, err := d.document(ctx, at, accessToken)
	if err != nil {
		return nil, err
	}
	var subject string
	claims, ok := object(body)
	if !ok || !text(claims["sub"], &subject) || subject == "" {
		return nil, notFound("the UserInfo answer is not a JSON object with sub")
	}
	return claims, nil
}
