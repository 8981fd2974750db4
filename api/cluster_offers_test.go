package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hullbeam/store/storetest"
)

// An offer that one node is told to send reaches the streams of all that it is for,
// each once, and they are counted.
func TestClusterOffers(t *testing.T) {
	// A canary that is late would keep an offer from a node.
	c := startNodes(t, 3, options{noHull: true, canary: 5 * time.Second})
	a, b := c.all[0], c.all[1] // the third has no streams
	token, other := a.token(claim("anonymous_id", anonymous)), a.token(claim("anonymous_id", second))
	grant := must(a.tokens.OpenGrant(token))
	all := []*listener{a.listen(token), b.listen(token), b.listen(token), a.listen(other), b.listen(other)}
	for _, l := range all {
		l.expect("cache.miss")
		l.expect("user.error")
	}
	for _, s := range c.all { // a node that finds an offer for who has just come sends it again when it hears of it
		storetest.Eventually(t, "nobody has just come", func() bool { return s.api.Arrivals() == 0 })
	}
	for i, offer := range []struct {
		to      string
		streams int // the first so many of all
		live    int // persons, at each node
	}{
		{`{"topic":"anonymous_id:` + anonymous + `"}`, 3, 2},
		{`{"visitor":"` + grant.Visitor + `"}`, 3, 2},
		{`{"all":true}`, 5, 4},
		{`{"topic":"anonymous_id:nobody-has-this-one"}`, 0, 0},
	} {
		for j, s := range c.all {
			id := fmt.Sprintf("offer-%d-%d", i, j)
			if live := s.postOffer(`{"id":"` + id + `","to":` + offer.to + `,"data":{"n":1}}`); live != offer.live {
				t.Errorf("%s at node %d: got %d live, want %d", offer.to, j, live, offer.live)
			}
			var ids []string
			for _, l := range all[:offer.streams] {
				e := l.expect("offer")
				if !strings.Contains(string(e.Data), id) {
					t.Errorf("got %s, want %s", e.Data, id)
				}
				ids = append(ids, string(e.ID))
			}
			for _, got := range ids {
				if got != ids[0] {
					t.Errorf("ids of one offer: %s and %s", ids[0], got)
				}
			}
		}
	}
	a.nothing(all...)
}

// An operator is told when an offer cannot be sent.
func TestClusterOfferWithoutRedis(t *testing.T) {
	c := startNodes(t, 1, options{noHull: true})
	c.redis.Kill()
	r := c.all[0].do("POST", "/api/v1/connectors/"+ship+"/offers", `{"to":{"all":true},"data":1}`,
		"Authorization: Bearer an admin key for tests", "Content-Type: application/json")
	if r.status != 503 || r.code() != "unavailable" {
		t.Errorf("got %d %s", r.status, r.body)
	}
}
