package shiptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// shopper is a visitor without a browser, who can say what no browser would.
type shopper struct {
	b     *beam
	token string
}

const shopperOrigin = "http://127.0.0.1:9"

// shopper has somebody come, who stays until the test ends.
func (b *beam) shopper(anonymousID string) shopper {
	b.t.Helper()
	s := shopper{b: b}
	status, text := s.post("connectors/demo/token", map[string]any{"claims": map[string]any{"anonymous_id": anonymousID}})
	var answer struct{ Token string }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		b.t.Fatalf("a token: %d %s", status, text)
	}
	s.token = answer.Token
	res, err := http.Get(b.URL + "/api/v1/stream?token=" + url.QueryEscape(s.token))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("a stream: %s", res.Status)
	}
	return s
}

// views tells of a page that the visitor looks at.
func (s shopper) views(page map[string]any) {
	s.b.t.Helper()
	if status, text := s.post("pages", page); status != http.StatusAccepted {
		s.b.t.Fatalf("%v: %d %s", page, status, text)
	}
}

// types tells of an email, and whether it is one.
func (s shopper) types(email string) bool {
	s.b.t.Helper()
	status, text := s.post("visitors/email", map[string]any{"email": email})
	if status != http.StatusAccepted && status != http.StatusBadRequest {
		s.b.t.Fatalf("%q: %d %s", email, status, text)
	}
	return status == http.StatusAccepted
}

// post posts what a page of the visitor's would.
func (s shopper) post(path string, body map[string]any) (status int, answer []byte) {
	s.b.t.Helper()
	if s.token != "" {
		body["token"] = s.token
	}
	text, err := json.Marshal(body)
	if err != nil {
		s.b.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", s.b.URL+"/api/v1/"+path, strings.NewReader(string(text)))
	if err != nil {
		s.b.t.Fatal(err)
	}
	req.Header = http.Header{"Origin": {shopperOrigin}, "User-Agent": {userAgent}, "Content-Type": {"text/plain"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.b.t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		s.b.t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	return res.StatusCode, answer
}
