package hull

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// TokenOptions are the parts of an access token that Hull lets one choose. What
// is nil is left out, and Hull's default holds.
type TokenOptions struct {
	Scopes []string // "admin": with an administrator's rights
	Create *bool    // whether an unknown user is created; true when left out
	Active *bool    // whether the user's updates travel in the fast lane
}

// accessHeader is a JWT's header as Hull's own clients write it; golang-jwt has
// the members in another order.
const accessHeader = `{"typ":"JWT","alg":"HS256"}`

// asUser has the order of Hull's clients, which is not that of Claims.
type asUser struct {
	ID          string `json:"id,omitempty"`
	Email       string `json:"email,omitempty"`
	ExternalID  string `json:"external_id,omitempty"`
	AnonymousID string `json:"anonymous_id,omitempty"`
}

// AccessToken returns a token with which a request to Hull acts as the user that
// the claims name (docs/hull-protocol.md 8.2). Hull takes one anonymous id: the first.
// The token has no exp; it is made for one request.
func AccessToken(credentials Credentials, claims Claims, options TokenOptions, now time.Time) string {
	user := asUser{ID: claims.ID, Email: claims.Email, ExternalID: claims.ExternalID}
	if len(claims.AnonymousIDs) > 0 {
		user.AnonymousID = claims.AnonymousIDs[0]
	}
	payload := struct {
		Issuer   string   `json:"iss"`
		IssuedAt int64    `json:"iat"`
		Subject  string   `json:"sub,omitempty"`
		AsUser   asUser   `json:"io.hull.asUser"`
		Scopes   []string `json:"scopes,omitempty"`
		Create   *bool    `json:"io.hull.create,omitempty"`
		Active   *bool    `json:"io.hull.active,omitempty"`
		Type     string   `json:"io.hull.subjectType"`
	}{credentials.ConnectorID, now.Unix(), claims.ID, user, options.Scopes, options.Create, options.Active, "user"}

	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // as JSON.stringify
	if err := encoder.Encode(payload); err != nil {
		panic(err) // strings, numbers and booleans always encode
	}
	return signHS256(accessHeader, bytes.TrimSuffix(text.Bytes(), []byte("\n")), credentials.Secret)
}

func signHS256(header string, payload []byte, secret string) string {
	encoding := base64.RawURLEncoding
	signed := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encoding.EncodeToString(mac.Sum(nil))
}
