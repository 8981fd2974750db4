package api_test

import (
	"net/http"
	"strings"
	"testing"
)

const receiptPath = "/api/v1/offers/spring-1/receipt"

// visitRoutes take what a page tells while its visitor is there.
var visitRoutes = []string{"/api/v1/pages", "/api/v1/visitors/email", receiptPath}

// receipt is the body of a receipt.
func receipt(token, event string) string { return `{"token":"` + token + `","event":"` + event + `"}` }

// offered opens a stream that gets an offer of this id.
func (s *server) offered(token, id string) {
	s.t.Helper()
	page := s.listen(token)
	if r := s.do("POST", "/api/v1/connectors/"+ship+"/offers", `{"id":"`+id+`","to":{"all":true},"data":1}`, adminKey); r.status != http.StatusAccepted {
		s.t.Fatalf("offer: %d %s", r.status, r.body)
	}
	for string(page.next().Event) != "offer" {
	}
}

func TestReceiptsAreCounted(t *testing.T) {
	s := start(t, options{})
	token := s.token(claim("anonymous_id", anonymous))
	s.offered(token, "spring-1")
	for _, event := range []string{"seen", "clicked", "dismissed", "seen"} {
		if r := s.beacon(receiptPath, receipt(token, event)); r.status != http.StatusAccepted || len(r.body) != 0 {
			t.Errorf("%s: %d %s", event, r.status, r.body)
		}
	}
	for event, want := range map[string]float64{"seen": 2, "clicked": 1, "dismissed": 1} {
		if got := s.metric("hullbeam_offer_receipts_total", "event", event); got != want {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
}

func TestReceiptAnswers(t *testing.T) {
	s := start(t, options{})
	token := s.token(claim("anonymous_id", anonymous))
	s.offered(token, strings.Repeat("x", 64))
	s.offered(s.token(claim("anonymous_id", second)), "another-visitors")
	path := func(id string) string { return "/api/v1/offers/" + id + "/receipt" }
	for _, c := range []struct {
		name   string
		path   string
		body   string
		status int
		code   string
	}{
		{"an offer with the longest id", path(strings.Repeat("x", 64)), receipt(token, "seen"), 202, ""},
		{"an offer that nobody has sent", path("unknown"), receipt(token, "seen"), 404, "not_found"},
		{"a longer id", path(strings.Repeat("x", 65)), receipt(token, "seen"), 404, "not_found"},
		{"an id with other signs", path("a%20b"), receipt(token, "seen"), 404, "not_found"},
		{"an id of several segments", path("a%2Fb"), receipt(token, "seen"), 404, "not_found"},
		{"no id", path(""), receipt(token, "seen"), 404, "not_found"},
		{"another event", path("o"), receipt(token, "bought"), 400, "invalid_request"},
		{"an event in capitals", path("o"), receipt(token, "Seen"), 400, "invalid_request"},
		{"no event", path("o"), `{"token":"` + token + `"}`, 400, "invalid_request"},
		{"an event of the wrong type", path("o"), `{"token":"` + token + `","event":["seen"]}`, 400, "invalid_request"},
	} {
		r := s.beacon(c.path, c.body)
		if r.status != c.status || c.code != "" && r.code() != c.code {
			t.Errorf("%s: got %d %s, want %d %s", c.name, r.status, r.body, c.status, c.code)
		}
		if c.code == "invalid_request" && !strings.Contains(string(r.body), `"pointer":"/event"`) {
			t.Errorf("%s: got %s", c.name, r.body)
		}
	}
}
