package hulltest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"hullbeam/hull/hulltest"
)

func readFixture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/hull/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// play sends a request to the control surface, as curl at this machine would but for
// edit.
func play(s *hulltest.Server, method, path, body string, edit func(*http.Request)) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Host = "127.0.0.1:8082"
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(request)
	}
	recorder := httptest.NewRecorder()
	hulltest.Control(s).ServeHTTP(recorder, request)
	return recorder
}

func TestHullIsPlayed(t *testing.T) {
	s, r := connected(t)
	hullServer := httptest.NewServer(s)
	defer hullServer.Close()
	s.ServedAt(hullServer.URL)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string // in the answer
		told               string // the channel of the last notification
	}{
		{"POST", "/users/ada", `{"user":{"plan":"pro","big":12345678901234567890},"enter":["vip"]}`, 200, `"type":"next"`, "user:update"},
		{"POST", "/users/bob", `{}`, 200, "", "user:update"},
		{"GET", "/", "", 200, `"big":12345678901234567890`, ""},
		{"POST", "/users/ada/merge", `{"absorb":"bob"}`, 200, "", "user:update"},
		{"POST", "/users/ada/merge", `{"absorb":"bob"}`, 404, "not found", ""},
		{"POST", "/users/ada/merge", `{"absorb":"ada"}`, 400, "themselves", ""},
		{"POST", "/segments/vip", `{"name":"VIP"}`, 200, "", "users_segment:update"},
		{"DELETE", "/segments/vip", "", 200, "", "users_segment:delete"},
		{"POST", "/settings/c", `{"private_settings":{"public_traits":["a"]}}`, 200, "", "ship:update"},
		{"POST", "/replay", `{}`, 200, "", "user:update"},
		{"POST", "/extract", `{"format":"csv"}`, 200, `"status":200`, ""},
		{"POST", "/extract", `{"format":"xml"}`, 400, "neither", ""},
		{"DELETE", "/users/ada", "", 200, "", "user:delete"},
		{"GET", "/calls", "", 200, "[", ""},
		{"POST", "/users/ada", `{"usr":{}}`, 400, "usr", ""},
		{"PUT", "/users/ada", `{}`, 405, "", ""},
	} {
		got := play(s, test.method, test.path, test.body, nil)
		if got.Code != test.status || !strings.Contains(got.Body.String(), test.want) {
			t.Errorf("%s %s: got %d %s", test.method, test.path, got.Code, got.Body)
		}
		if test.told != "" && r.last().body["channel"] != test.told {
			t.Errorf("%s %s: told %v", test.method, test.path, r.last().body["channel"])
		}
	}
	r.Close()
	if got := play(s, "POST", "/users/ada", `{}`, nil); got.Code != http.StatusBadGateway {
		t.Errorf("nobody is there: got %d %s", got.Code, got.Body)
	}
}

func TestControlTellsNoSecret(t *testing.T) {
	s, r := connected(t)
	call(s, "GET", "/api/v1/app", "")
	hullServer := httptest.NewServer(s)
	defer hullServer.Close()
	s.ServedAt(hullServer.URL)
	if _, err := s.SendExtract(t.Context(), "json"); err != nil {
		t.Fatal(err)
	}
	extract := fmt.Sprint(r.last().body["url"])
	if response, err := http.Get(extract); err != nil {
		t.Fatal(err)
	} else {
		response.Body.Close()
	}
	key := strings.Split(extract, "/")[4]
	for _, path := range []string{"/", "/calls"} {
		got := play(s, "GET", path, "", nil).Body.String()
		if strings.Contains(got, credentials.Secret) || strings.Contains(got, "very secret") || strings.Contains(got, key) || !strings.Contains(got, `"c"`) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// Pages of other origins, names that are made to lead here, and forms play nothing.
func TestControlIsForThisMachine(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, test := range map[string]struct {
		edit func(*http.Request)
		want int
	}{
		"curl":                          {nil, 200},
		"localhost":                     {host("localhost:8082"), 200},
		"IPv6":                          {host("[::1]:8082"), 200},
		"IPv6 without a port":           {host("::1"), 200},
		"a page of this server":         {header("Sec-Fetch-Site", "same-origin"), 200},
		"a page of another site":        {header("Sec-Fetch-Site", "cross-site"), 403},
		"an old browser's other origin": {header("Origin", "https://evil.example"), 403},
		"a name that leads here":        {host("evil.example:8082"), 403},
		"another machine":               {host("192.0.2.1"), 403},
		"a form":                        {header("Content-Type", "application/x-www-form-urlencoded"), 415},
		"a form's text":                 {header("Content-Type", "text/plain"), 415},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := connected(t)
			if got := play(s, "POST", "/users/u", `{}`, test.edit); got.Code != test.want || (len(r.all()) == 1) != (test.want == 200) {
				t.Errorf("got %d %s", got.Code, got.Body)
			}
		})
	}
}
