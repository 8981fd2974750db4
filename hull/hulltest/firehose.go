package hulltest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/hull"
)

// Entry is one of a firehose request.
type Entry struct {
	Type   string          `json:"type"`
	Topics []string        `json:"topics"` // whom it is about
	Create bool            `json:"create"` // a user whom nobody knows is created
	Active bool            `json:"active"` // the user's updates travel in the fast lane
	Body   json.RawMessage `json:"body"`
}

// firehose takes entries, all of them or none (docs/hull-protocol.md 8.5).
func (s *Server) firehose(r *http.Request) reply {
	known, refusal := s.authorized(r)
	if refusal != nil {
		return *refusal
	}
	var request struct {
		Batch []struct {
			Type    string
			Body    json.RawMessage
			Headers map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return failure(http.StatusBadRequest, "not a batch")
	}
	answer := ok(map[string]bool{"ok": true})
	for _, e := range request.Batch {
		token, err := readAccessToken(e.Headers["Hull-Access-Token"], known.credentials)
		if err != nil {
			return failure(http.StatusUnauthorized, err.Error())
		}
		answer.call.Entries = append(answer.call.Entries, Entry{e.Type, topicTexts(token.Claims), token.Create, token.Active, e.Body})
	}
	return answer
}

func topicTexts(claims hull.Claims) (texts []string) {
	for _, topic := range claims.Topics() {
		texts = append(texts, topic.String())
	}
	return texts
}

// accessToken is what a token lets one do (docs/hull-protocol.md 8.2).
type accessToken struct {
	Claims         hull.Claims
	Scopes         []any
	Create, Active bool
}

// readAccessToken reads a token that is scoped to a user.
func readAccessToken(token string, credentials hull.Credentials) (accessToken, error) {
	registered := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, registered,
		func(*jwt.Token) (any, error) { return []byte(credentials.Secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer(credentials.ConnectorID))
	if err != nil {
		return accessToken{}, errors.New("invalid access token")
	}
	if registered["io.hull.subjectType"] != "user" {
		return accessToken{}, errors.New("io.hull.subjectType is not user")
	}
	t := accessToken{Create: registered["io.hull.create"] != false, Active: registered["io.hull.active"] == true}
	t.Scopes, _ = registered["scopes"].([]any)
	asUser, err := json.Marshal(registered["io.hull.asUser"])
	if err != nil {
		return t, err
	}
	t.Claims, err = hull.ParseClaims(asUser, hull.ClaimLimits{})
	return t, err
}

// checkReader demands what Hull demands of who reads a report, and that no user is
// created by reading, which Hull leaves open.
func (t accessToken) checkReader() error {
	switch {
	case !slices.Contains(t.Scopes, any("admin")):
		return errors.New("scope admin is missing")
	case t.Create:
		return errors.New("io.hull.create is not false")
	}
	return nil
}
