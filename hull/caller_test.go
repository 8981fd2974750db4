package hull_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/hull"
)

func TestParseCaller(t *testing.T) {
	var vector struct {
		Token struct {
			HostSecret string `json:"host_secret"`
			Claims     struct{ Organization, Ship, Secret string }
			Token      string
		} `json:"configuration_token"`
	}
	if err := json.Unmarshal(readFixture(t, "vectors/hull-access-token.json"), &vector); err != nil {
		t.Fatal(err)
	}
	v := vector.Token
	want := hull.Configuration{ID: v.Claims.Ship, Organization: v.Claims.Organization, Secret: v.Claims.Secret}
	sign := func(key string, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	claims := jwt.MapClaims{"organization": want.Organization, "ship": want.ID, "secret": want.Secret}
	with := func(name string, value any) jwt.MapClaims {
		more := jwt.MapClaims{name: value}
		for k, v := range claims {
			if _, ok := more[k]; !ok {
				more[k] = v
			}
		}
		return more
	}
	none := signNone(t, claims)
	plain := url.Values{"organization": {want.Organization}, "ship": {want.ID}, "secret": {want.Secret}}.Encode()
	for name, c := range map[string]struct {
		query string
		err   error
	}{
		"three parts":                      {plain, nil},
		"id instead of ship":               {strings.Replace(plain, "ship=", "id=", 1), nil},
		"white space around":               {strings.Replace(plain, "secret=", "secret=%20", 1) + "%0A", nil},
		"upper case organization":          {strings.Replace(plain, want.Organization, strings.ToUpper(want.Organization), 1), nil},
		"token":                            {"token=" + v.Token, nil},
		"hullToken, first of all":          {"hullToken=" + v.Token + "&token=x&organization=evil.example", nil},
		"state":                            {"state=" + v.Token, nil},
		"a token of the older secret":      {"token=" + sign("older", claims), nil},
		"a token that is good for a while": {"token=" + sign("older", with("exp", time.Now().Add(time.Hour).Unix())), nil},
		"nothing":                          {"", hull.ErrMissingCredentials},
		"two of three":                     {"organization=a.example&ship=" + want.ID, hull.ErrMissingCredentials},
		"an empty part":                    {plain + "&id=", nil},
		"ship twice":                       {plain + "&ship=" + want.ID, hull.ErrMissingCredentials},
		"a hostile organization":           {"organization=evil.example%2Fx%3F&ship=" + want.ID + "&secret=s", hull.ErrInvalidCredentials},
		"a ship that is a path":            {"organization=a.example&ship=..%2Fx&secret=s", hull.ErrInvalidCredentials},
		"a token of somebody else":         {"token=" + sign("1234", claims), hull.ErrInvalidCredentials},
		"a token without signature":        {"token=" + none, hull.ErrInvalidCredentials},
		"a token whose time is over":       {"token=" + sign("older", with("exp", time.Now().Add(-time.Hour).Unix())), hull.ErrInvalidCredentials},
		"a token with a number for a ship": {"token=" + sign("older", with("ship", 1)), hull.ErrMissingCredentials},
		"an empty token":                   {"token=&" + plain, hull.ErrInvalidCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := hull.ParseCaller(query, []string{v.HostSecret, "older"})
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if err == nil && got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if err != nil && strings.Contains(err.Error(), want.Secret) {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
}

func signNone(t *testing.T, claims jwt.MapClaims) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
