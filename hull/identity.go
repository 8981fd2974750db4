package hull

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Times in JWTs are compared with clocks that may be this far apart.
const clockSkew = 60 * time.Second

// identityLife is how far ahead an identity token may expire: it stands in a
// page, and is good for whoever finds it there.
const identityLife = 24 * time.Hour

// identity verifies an identity token and returns its claims. Errors wrap
// ErrIdentityToken and name no value.
func (p Policy) identity(token string, now time.Time) (Claims, error) {
	var keys jwt.VerificationKeySet
	for _, secret := range p.secrets() {
		keys.Keys = append(keys.Keys, []byte(secret))
	}
	if len(keys.Keys) == 0 {
		return Claims{}, fmt.Errorf("%w: the connector has no identity secret", ErrIdentityToken)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithLeeway(clockSkew),
		jwt.WithIssuedAt(),
		jwt.WithExpirationRequired(),
	)
	// MapClaims match names exactly: a struct would take EXP for exp.
	registered := jwt.MapClaims{}
	read, err := parser.ParseWithClaims(token, registered, func(*jwt.Token) (any, error) { return keys, nil })
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %s", ErrIdentityToken, tokenFault(err))
	}
	if _, ok := read.Header["crit"]; ok { // RFC 7515, 4.1.11: refuse what one does not understand
		return Claims{}, fmt.Errorf("%w: crit names extensions, of which none is known", ErrIdentityToken)
	}
	if err := p.checkIdentity(registered, now); err != nil {
		return Claims{}, err
	}
	payload, err := parser.DecodeSegment(strings.Split(token, ".")[1])
	if err != nil || hasRepeats(payload) {
		return Claims{}, fmt.Errorf("%w: malformed", ErrIdentityToken)
	}
	claims, err := ParseClaims(payload, p.Limits)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %v", ErrIdentityToken, err)
	}
	return claims, nil
}

// hasRepeats tells whether a member of an object comes twice (RFC 7519, 4: names must be
// unique), as it does where a site has pasted what a visitor typed into its JSON.
func hasRepeats(payload []byte) bool {
	object, err := readJSON(payload, claimsDepth)
	if err != nil {
		return true
	}
	seen := make(map[string]bool)
	for name := range members(object) {
		if seen[string(name)] {
			return true
		}
		seen[string(name)] = true
	}
	return false
}

// checkIdentity checks what golang-jwt does not: how far ahead exp is, and an
// aud that may be absent.
func (p Policy) checkIdentity(registered jwt.MapClaims, now time.Time) error {
	expires, err := registered.GetExpirationTime()
	if err != nil || expires == nil || expires.After(now.Add(identityLife+clockSkew)) {
		return fmt.Errorf("%w: exp is more than %v ahead", ErrIdentityToken, identityLife)
	}
	if _, ok := registered["aud"]; !ok {
		return nil
	}
	audience, err := registered.GetAudience()
	if err != nil || !slices.Contains(audience, p.Connector) {
		return fmt.Errorf("%w: aud is not the connector's id", ErrIdentityToken)
	}
	return nil
}

// tokenFault says what is wrong with a JWT in words of our own, since those of
// the library may quote the token.
func tokenFault(err error) string {
	for _, fault := range []struct {
		err  error
		says string
	}{
		{jwt.ErrTokenMalformed, "malformed"},
		{jwt.ErrTokenUnverifiable, "unknown algorithm"},
		{jwt.ErrTokenSignatureInvalid, "wrong algorithm or signature"},
		{jwt.ErrTokenRequiredClaimMissing, "exp is missing"},
		{jwt.ErrTokenExpired, "expired"},
		{jwt.ErrTokenNotValidYet, "not valid yet"},
		{jwt.ErrTokenUsedBeforeIssued, "issued in the future"},
	} {
		if errors.Is(err, fault.err) {
			return fault.says
		}
	}
	return "unreadable times"
}
