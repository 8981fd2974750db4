package hull

import (
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// ParseCaller reads which connector a request of Hull's that is no notification says
// it is for: a token in hullToken, token or state, or else organization, ship (or id)
// and secret (docs/hull-protocol.md 7.2). A token is signed with one of secrets, which
// are Hullbeam's own. Whether the credentials are good is for the caller to find out.
//
// Errors: ErrMissingCredentials; ErrInvalidCredentials, which tells no value.
func ParseCaller(query url.Values, secrets []string) (Configuration, error) {
	for _, name := range []string{"hullToken", "token", "state"} {
		if query.Has(name) {
			return parseCallerToken(query.Get(name), secrets)
		}
	}
	id := query["ship"]
	if id == nil {
		id = query["id"]
	}
	return newCaller(single(query["organization"]), single(id), single(query["secret"]))
}

// single is a parameter's value, none when it is given twice: readers differ in which
// of two counts.
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

func parseCallerToken(token string, secrets []string) (Configuration, error) {
	var keys jwt.VerificationKeySet
	for _, secret := range secrets {
		keys.Keys = append(keys.Keys, []byte(secret))
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return keys, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(), jwt.WithLeeway(clockSkew))
	if err != nil {
		return Configuration{}, ErrInvalidCredentials.Because("the token is " + tokenFault(err))
	}
	organization, _ := claims["organization"].(string)
	id, _ := claims["ship"].(string)
	secret, _ := claims["secret"].(string)
	return newCaller(organization, id, secret)
}

func newCaller(organization, id, secret string) (Configuration, error) {
	c := Configuration{ID: id, Organization: strings.ToLower(organization), Secret: secret}
	if id == "" || organization == "" || secret == "" {
		return c, ErrMissingCredentials
	}
	if fault := c.check(); fault != "" {
		return c, ErrInvalidCredentials.Because(fault)
	}
	return c, nil
}
