package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store/storetest"
)

// An operator at one node sees the visitors of the others: who was there before, who
// comes, the pages that a third node is told of, and who is gone with a node.
func TestClusterLiveView(t *testing.T) {
	c := startNodes(t, 3, options{noHull: true, canary: 5 * time.Second, config: func(cfg *api.Config) { cfg.Visitors.Grace = time.Second }})
	operator, other, third := c.all[0], c.all[1], c.all[2]
	first := other.token(claim("anonymous_id", second))
	other.listen(first)
	l := operator.live()
	l.expect("visitor.joined", other.visitorOf(first))
	l.expect("live.ready", `"live":1`)

	token := other.token(claim("anonymous_id", anonymous))
	me := other.visitorOf(token)
	listener := other.listen(token)
	l.expect("visitor.joined", me)
	third.viewed(pageView(token, "tab-1", "/cart", "Cart"))
	l.expect("visitor.page", me, "/cart", `"views":1`)
	third.update(userMessage("u1", anonymousIDs(anonymous)))
	l.expect("visitor.identified", me, `"id":"u1"`, "VIP")
	for _, s := range c.all {
		live := ask[listed[visitorSeen]](s, "/visitors?live=true")
		if len(live.Items) != 2 || live.Items[0].Visitor != me || live.Items[0].User == nil || live.Items[0].Page == nil {
			t.Errorf("seen from another node: %+v", live.Items)
		}
	}
	if r := third.do("POST", "/api/v1/connectors/"+ship+"/offers", `{"id":"o1","to":{"segment":"VIP"},"data":1}`, adminKey); r.status != 202 {
		t.Fatalf("offer: %d %s", r.status, r.body)
	}
	for string(listener.next().Event) != "offer" {
	}
	l.offered("o1")
	third.beacon("/api/v1/offers/o1/receipt", receipt(token, "clicked"))
	l.expect("offer.receipt", `"clicked":1`)
	listener.cancel()
	l.expect("visitor.left", me)
}

// An offer that is sent while nobody is there waits, at whatever node they come back.
func TestClusterOfferWaits(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true, canary: 5 * time.Second})
	a, b := c.all[0], c.all[1]
	token := a.token(claim("anonymous_id", anonymous))
	a.listen(token).cancel()
	storetest.Eventually(t, "nobody is there", func() bool { return a.broker.Streams() == 0 })
	if live := b.postOffer(`{"id":"o1","to":{"visitor":"` + a.visitorOf(token) + `"},"data":1}`); live != 0 {
		t.Errorf("%d live", live)
	}
	back := a.listen(token)
	for string(back.next().Event) != "offer" {
	}
}

// Who reads a page for long is there all the time, though their node has nothing to tell.
func TestClusterQuietVisitorsStay(t *testing.T) {
	const each = 400 * time.Millisecond
	c := startNodes(t, 2, options{noHull: true, canary: 5 * time.Second, looks: each})
	operator, other := c.all[0], c.all[1]
	token := other.token(claim("anonymous_id", anonymous))
	other.listen(token)
	l := operator.live()
	l.expect("visitor.joined", other.visitorOf(token))
	l.expect("live.ready", `"live":1`)
	for until := time.Now().Add(5 * each); time.Now().Before(until); {
		if live := ask[listed[visitorSeen]](operator, "/visitors?live=true"); len(live.Items) != 1 {
			t.Fatal("a visitor who only reads is not seen from another node any more")
		}
	}
}

// What pages say of themselves does not make messages that are too long for the bus.
func TestClusterLiveViewOfLongPages(t *testing.T) {
	const visitors, tabs = 80, 20
	c := startNodes(t, 2, options{noHull: true, canary: 5 * time.Second, config: func(cfg *api.Config) {
		cfg.Visitors.Grace, cfg.Limits.PagesPerVisitor = 10*time.Minute, 0
	}})
	operator, other := c.all[0], c.all[1]
	long := "/" + strings.Repeat("é", 600) // three times as long when it is escaped
	for i := range visitors {
		token := other.token(claim("anonymous_id", fmt.Sprintf("anonymous-%09d", i)))
		for j := range tabs {
			other.viewed(string(must(json.Marshal(map[string]string{
				"token": token, "tab": fmt.Sprint("tab-", j), "url": page + long, "title": long[:1000], "referrer": page + long,
			}))))
		}
	}
	l, n := operator.live(), 0
	for event, _ := l.next(); event != "live.ready"; event, _ = l.next() {
		n++
	}
	if n != visitors {
		t.Errorf("%d joined, want %d", n, visitors)
	}
	if n := operator.metric("hullbeam_bus_interruptions_total"); n > 0 {
		t.Errorf("the bus was interrupted %v times", n)
	}
}
