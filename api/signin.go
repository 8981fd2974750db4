package api

import (
	"errors"
	"mime"
	"net/url"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
)

// signInRequest is what who signs in shows: one of the three.
type signInRequest struct {
	Key string `json:"key"` // an operators' key

	Ship         string `json:"ship"` // a connector's credentials, as Hull's dashboard has them
	Organization string `json:"organization"`
	Secret       string `json:"secret"`

	Code string `json:"code"` // of POST /install/code
}

// maxSignIn bounds the body of a request to sign in, in bytes.
const maxSignIn = 8 << 10

// readSignIn reads a request to sign in. Its type is one that a page of another origin
// cannot send.
func readSignIn(c *gin.Context) (*signInRequest, error) {
	if kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || kind != "application/json" {
		return nil, newProblem("unsupported_media_type", "Send JSON as application/json.")
	}
	body, err := readText(c, maxSignIn)
	if err != nil {
		return nil, err
	}
	req := &signInRequest{}
	if err := decode(body, "invalid_request", req); err != nil {
		return nil, err
	}
	if req.method() == "" {
		return nil, newProblem("invalid_request", "Show one of key, code, and ship with organization and secret.")
	}
	return req, nil
}

// method is how who signs in does: key, hull or code; "" when that is not clear.
func (r *signInRequest) method() string {
	hulls := r.Ship != "" || r.Organization != "" || r.Secret != ""
	switch {
	case r.Key != "" && r.Code == "" && !hulls:
		return "key"
	case hulls && r.Key == "" && r.Code == "":
		return "hull"
	case r.Code != "" && r.Key == "" && !hulls:
		return "code"
	}
	return ""
}

// errWrong tells nothing of what was wrong.
var errWrong = newProblem("unauthorized", "This does not let you in. Is it complete? A code from Hull's page is good once, for a minute.")

// shown returns what was shown, when it is right. errWrong, or hull.ErrTooManyTries: it is not.
func (s *Server) shown(c *gin.Context, req *signInRequest) (credential, error) {
	ctx := c.Request.Context()
	switch req.method() {
	case "key":
		hash, _, known := s.operators.find(req.Key)
		if !known {
			return credential{}, s.wrong(c, "key", errWrong)
		}
		return credential{Key: hash[:]}, nil
	case "code":
		shown, err := s.redeem(ctx, req.Code)
		if errors.Is(err, errWrong) {
			err = s.wrong(c, "code", err)
		}
		return shown, err
	}
	conn, err := s.connectorOf(c, url.Values{"ship": {req.Ship}, "organization": {req.Organization}, "secret": {req.Secret}})
	switch _, told := errors.AsType[*hull.NotificationError](err); {
	case err == nil:
		return credentialOf(conn), nil
	case told && !errors.Is(err, hull.ErrTooManyTries):
		return credential{}, errWrong
	}
	return credential{}, err
}
