package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"hullbeam/api"
)

// requestsOfAll are requests that read what others send: a query, headers, a part of the path
// (%s) and a body.
var requestsOfAll = []string{
	"POST " + tokenPath, "GET /api/v1/stream", "POST /api/v1/pages", "POST /api/v1/visitors/email", "POST /api/v1/offers/%s/receipt",
	"GET /api/v1/connectors/" + ship + "/%s", "POST /smart-notifier", "POST /batch", "GET /status", "POST /install/code", "GET /install/check", "GET /admin.html",
	"POST /api/v1/session", "GET /api/v1/session", "GET /docs/%s", "GET /docs/errors/%s", "GET /install/files/%s", "GET /ship/%s", "GET /admin/%s",
	"GET /api/v1/connectors/%s", "OPTIONS " + tokenPath, "GET /manifest.json",
}

// requestsOfOperators come with a key.
var requestsOfOperators = []string{
	"PUT /api/v1/connectors/other", "PUT /api/v1/connectors/%s", "POST /api/v1/connectors/" + ship + "/users", "GET /api/v1/connectors/" + ship + "/users/%s",
	"DELETE /api/v1/connectors/" + ship + "/users/%s", "DELETE /api/v1/connectors/" + ship + "/visitors/%s", "POST /api/v1/connectors/" + ship + "/offers",
	"GET /api/v1/connectors/" + ship + "/offers", "GET /api/v1/connectors/" + ship + "/offers/%s", "GET /api/v1/connectors/" + ship + "/visitors",
	"GET /api/v1/connectors/" + ship + "/visitors/%s", "GET /api/v1/connectors/" + ship + "/visitors/%s/pages", "GET /api/v1/connectors/" + ship + "/visitors/%s/pages/summary",
	"DELETE /api/v1/connectors/" + ship + "/streams", "GET /api/v1/connectors/" + ship + "/audit", "GET /api/v1/audit", "GET /api/v1/connectors",
}

// FuzzRequests sends a real server what it may be sent. It is never at fault, and a refusal
// repeats nothing of a request to others than operators; nor does the log, or a header.
func FuzzRequests(f *testing.F) {
	mark := marks[nobody]
	for _, seed := range []struct{ query, text, body string }{
		{"", "", ""},
		{"limit=1&cursor=v.abc.def&q=a&page=/**&live=true&segment=S", "v_abc", `{"claims":{"anonymous_id":["` + anonymous + `"]},"page":{"url":"` + page + `/","view":"v","tab":"t"},"visitor_key":"k"}`},
		{"limit=-1&cursor=" + mark + "&live=maybe", mark, `{"claims":{"email":"` + mark + `"},"identity_token":"e30.e30.` + mark + `","user_hash":"` + mark + `"}`},
		{"token=" + mark + "&last_event_id=1-a", "1-" + mark, `{"token":"` + mark + `","url":"javascript:` + mark + `","email":"` + mark + `","event":"seen"}`},
		{"topic=email:" + mark + "&expires_in=1h", "email:a@x.io", `{"to":{"topic":"email:` + mark + `"},"data":{"a":1},"expires_in":"1h","id":"` + mark + `"}`},
		{"ship=" + ship + "&organization=" + org + "&secret=" + mark, "10.0.0.1, [::1]:80, " + mark, `{"organization":"acme.hullapp.io","secret":5,"settings":{"script":1},"private_settings":{"public_traits":"` + mark + `"}}`},
		{"state=" + mark + "&hullToken=a", "hullbeam_session=" + mark, `[{"user":{"id":"u","email":"` + mark + `"}},{"user":` + mark + `]`},
		{"%zz&;=", "../../" + mark, `{"key":"` + mark + `","code":"` + mark + `","url":"http://127.0.0.1/` + mark + `","to":{"page":"[` + mark + `"}}`},
	} {
		for route := range len(requestsOfAll) + len(requestsOfOperators) {
			f.Add(byte(route), seed.query, seed.text, []byte(seed.body))
		}
	}
	s := start(f, options{config: func(c *api.Config) {
		c.Limits = api.Limits{ClaimLength: 256, AnonymousIDs: 10, UserTopics: 16, Body: 1 << 10, NotificationBody: 64 << 10, NotificationMemory: 1 << 20, JSONDepth: 50, ReadTimeout: c.Limits.ReadTimeout}
		c.TrustedProxies = []string{"192.0.2.1"}
	}})
	f.Fuzz(func(t *testing.T, route byte, query, text string, body []byte) {
		all := append(requestsOfAll[:len(requestsOfAll):len(requestsOfAll)], requestsOfOperators...)
		n := int(route) % len(all)
		r := request(all[n], query, text, body)
		if r == nil {
			return
		}
		if n >= len(requestsOfAll) {
			r.Header.Set("Authorization", strings.TrimPrefix(adminKey, "Authorization: "))
		}
		w := httptest.NewRecorder()
		s.api.Handler().ServeHTTP(w, r)
		checkAnswer(t, r, w, n >= len(requestsOfAll))
		if log := s.log.take(); nobody.find(log) >= 0 {
			t.Errorf("the log tells %s", log)
		}
	})
}

// request is one that can arrive, else nil.
func request(line, query, text string, body []byte) *http.Request {
	method, path, _ := strings.Cut(line, " ")
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, url.PathEscape(text))
	}
	isControl := func(c rune) bool { return c < ' ' || c == 0x7f }
	if strings.ContainsFunc(query, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) || strings.ContainsFunc(text, isControl) {
		return nil
	}
	target, err := url.ParseRequestURI(path + "?" + query)
	if err != nil {
		return nil
	}
	r := httptest.NewRequest(method, "/", bytes.NewReader(body))
	r.URL, r.RequestURI = target, target.RequestURI()
	for _, name := range []string{"Last-Event-ID", "X-Forwarded-For", "X-Forwarded-Proto", "Cookie", "X-Request-Id", "Accept-Language", "If-None-Match", "Range"} {
		r.Header.Set(name, text)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", page)
	return r
}

func checkAnswer(t *testing.T, r *http.Request, w *httptest.ResponseRecorder, toOperator bool) {
	t.Helper()
	if w.Code >= 500 {
		t.Errorf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
	}
	if w.Code >= 400 && w.Header().Get("Content-Type") == "application/problem+json" && !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s: not JSON: %s", r.URL, w.Body)
	}
	for name, values := range w.Header() {
		if text := strings.Join(values, "\n"); strings.ContainsAny(text, "\r\x00") || len(values) > 1 && name != "Vary" && name != "Set-Cookie" || nobody.find(text) >= 0 && name != "Location" {
			t.Errorf("%s: header %s: %q", r.URL, name, values)
		}
	}
	if w.Code >= 400 && !toOperator && nobody.find(w.Body.String()) >= 0 {
		t.Errorf("%s repeats what it was sent: %s", r.URL, w.Body)
	}
}

// What nodes tell each other means the same after it was read.
func FuzzTold(f *testing.F) {
	f.Add([]byte(`{"op":"offer","call":"c","offer":{"ID":"o","To":{"all":true},"Data":{"a":1}},"whole":true}`))
	f.Add([]byte(`{"op":"erased","topics":["id:u"],"persons":[{"UserID":"u"}],"presence":{},"page":{},"live":1e3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := api.ReadTold(data)
		if err != nil {
			return
		}
		if twice, err := api.ReadTold(once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s, %v", once, twice, err)
		}
	})
}

// Only a trusted proxy says for whom it asks, and whoever asks is an address.
func FuzzClientAddress(f *testing.F) {
	f.Add("192.0.2.1:1", "198.51.100.7")
	f.Add("192.0.2.1:1", "2001:db8::1, 198.51.100.7, 192.0.2.1")
	f.Add("203.0.113.9:1", "198.51.100.7")
	f.Add("[2001:db8:0:1::2]:443", "1.2.3.4:80, <script>")
	s := start(f, options{config: func(c *api.Config) { c.TrustedProxies = []string{"192.0.2.1"} }})
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		alone := s.api.AddressOf(r)
		r.Header.Set("X-Forwarded-For", forwarded)
		r.Header.Set("X-Real-IP", forwarded)
		address := s.api.AddressOf(r)
		if from, err := netip.ParseAddrPort(remote); (err != nil || from.Addr().Unmap() != netip.MustParseAddr("192.0.2.1")) && address != alone {
			t.Errorf("%s says that it is %s by %q", remote, address, forwarded)
		}
		_, notAddress := netip.ParseAddr(address)
		if _, notNetwork := netip.ParsePrefix(address); address != "" && notAddress != nil && notNetwork != nil {
			t.Errorf("%s, %q: %q is no address", remote, forwarded, address)
		}
	})
}
