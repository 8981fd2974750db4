package hulltest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

func TestKeySurvivesPEM(t *testing.T) {
	key := hulltest.ProcessKey()
	again, err := hulltest.ParseKey([]byte(key.PrivatePEM()))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	if again.Sign("id", now) != key.Sign("id", now) {
		t.Error("it signs differently")
	}
	for _, text := range []string{"", key.PublicPEM(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := hulltest.ParseKey([]byte(text)); err == nil {
			t.Errorf("parsed %q", text)
		}
	}
}

func TestServerServesItsKey(t *testing.T) {
	server := httptest.NewServer(hulltest.NewServer(hulltest.ProcessKey()))
	defer server.Close()
	response, err := http.Post(server.URL+hulltest.KeyPath, "", strings.NewReader("jwt"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != hulltest.ProcessKey().PublicPEM() {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestServerChecksAccessTokens(t *testing.T) {
	credentials := hull.Credentials{ConnectorID: "c", Organization: "acme.hullapp.io", Secret: "s"}
	server := hulltest.NewServer(hulltest.ProcessKey())
	server.PutConnector(credentials, nil)
	if err := server.PutReport("c", json.RawMessage(`{"id":"u","anonymous_ids":["a"]}`)); err != nil {
		t.Fatal(err)
	}
	good := hull.TokenOptions{Scopes: []string{"admin"}, Create: new(false)}
	stranger := hull.Credentials{ConnectorID: "c", Organization: "acme.hullapp.io", Secret: "x"}
	other := hull.Credentials{ConnectorID: "d", Organization: "acme.hullapp.io", Secret: "s"}
	claims := hull.Claims{AnonymousIDs: []string{"a"}}
	now := time.Now()
	tests := []struct {
		name  string
		token string
		want  int
	}{
		{"as it should be", hull.AccessToken(credentials, claims, good, now), 200},
		{"of nobody known", hull.AccessToken(credentials, hull.Claims{ID: "v"}, good, now), 404},
		{"by another secret", hull.AccessToken(stranger, claims, good, now), 401},
		{"of another connector", hull.AccessToken(other, claims, good, now), 401},
		{"without the scope", hull.AccessToken(credentials, claims, hull.TokenOptions{Create: new(false)}, now), 401},
		{"that would create users", hull.AccessToken(credentials, claims, hull.TokenOptions{Scopes: []string{"admin"}}, now), 401},
		{"that is the secret", "s", 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodGet, "/api/v1/me/user_report", nil)
			request.Header.Set("Hull-App-Id", "c")
			request.Header.Set("Hull-Organization", "acme.hullapp.io")
			request.Header.Set("Hull-Access-Token", test.token)
			recorder := httptest.NewRecorder()
			server.ServeHTTP(recorder, request)
			if recorder.Code != test.want {
				t.Errorf("%d %s, want %d", recorder.Code, recorder.Body, test.want)
			}
		})
	}
}
