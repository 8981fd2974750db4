package api_test

import (
	"strings"
	"testing"
)

const (
	better = "anon-better-0123456789"
	second = "anon-second-0123456789"
)

// bothIDs claims two anonymous ids, of which the better comes first.
const bothIDs = `{"claims":{"anonymous_id":["` + better + `","` + second + `"]}}`

// What is put at one node is shown by the others: once, with the names of its
// events, and under the same version.
func TestClusterUpdate(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	token := a.token(claim("anonymous_id", anonymous))
	here, there := a.listen(token), b.listen(token)
	for _, l := range []*listener{here, there} {
		l.expect("cache.miss")
		l.expect("user.error")
	}
	for _, p := range []string{"free", "pro", "max"} { // the first time nobody follows the user yet
		a.update(userMessage("u1", plan(p), anonymousIDs(anonymous)))
		e, f := here.expectPlan(p), there.expectPlan(p)
		if string(e.ID) != string(f.ID) {
			t.Errorf("ids of one state: %s and %s", e.ID, f.ID)
		}
		for _, data := range [][]byte{e.Data, f.Data} {
			if !strings.Contains(string(data), `"events":["Signed Up"]`) {
				t.Errorf("%s: the names of events are lost: %s", p, data)
			}
		}
	}
	c.settle()
	a.nothing(here, there)
	third := b.listen(token)
	if e := third.expectPlan("max"); !strings.Contains(string(e.Data), `"events":[]`) {
		t.Errorf("an event is told again on open: %s", e.Data)
	}
}

// A better topic gets a user at another node: the page is told to forget the old one.
func TestClusterBetterTopic(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u2", plan("free"), anonymousIDs(second)))
	l := b.listen(b.token(bothIDs))
	l.expectPlan("free")
	a.update(userMessage("u1", plan("pro"), anonymousIDs(better)))
	if e := l.expect("user.private"); !strings.Contains(string(e.Data), `"u2"`) {
		t.Errorf("farewell: got %s", e.Data)
	}
	if e := l.expectPlan("pro"); !strings.Contains(string(e.Data), `"events":["Signed Up"]`) {
		t.Errorf("the names of events are lost: %s", e.Data)
	}
	a.update(userMessage("u2", plan("max"), anonymousIDs(second))) // a worse one
	c.settle()
	a.nothing(l)
	a.update(userMessage("u1", plan("last"), anonymousIDs(better)))
	l.expectPlan("last")
}

// A topic that another user takes leads the stream there, whether the taker is
// new or known.
func TestClusterTakenTopic(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u2", plan("two"), anonymousIDs(second)))
	a.update(userMessage("u1", plan("one"), anonymousIDs(anonymous)))
	l := b.listen(b.token(claim("anonymous_id", anonymous)))
	l.expectPlan("one")
	for _, taker := range []string{"u2", "u3", "u1"} {
		a.update(userMessage(taker, plan("of-"+taker), anonymousIDs(anonymous)))
		l.expect("user.private")
		l.expectPlan("of-" + taker)
	}
	c.settle()
	a.nothing(l)
}

// A user that does not have the topic any more is not followed by it, and the page
// finds its user anew.
func TestClusterDroppedTopic(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("one"), anonymousIDs(anonymous, second)))
	token := b.token(claim("anonymous_id", anonymous))
	l, stays := b.listen(token), b.listen(b.token(`{"claims":{"anonymous_id":["`+anonymous+`","`+second+`"]}}`))
	l.expectPlan("one")
	stays.expectPlan("one")
	a.update(userMessage("u1", plan("two"), anonymousIDs(second)))
	l.expect("user.private")
	if e := l.expect("close"); !strings.Contains(string(e.Data), "identity_changed") {
		t.Errorf("got %s", e.Data)
	}
	stays.expectPlan("two")
	again := b.listen(token)
	again.expect("cache.miss")
	again.expect("user.error")
	a.update(userMessage("u9", plan("nine"), anonymousIDs(anonymous))) // the better topic has a user again
	again.expectPlan("nine")
	stays.expect("user.private")
	stays.expectPlan("nine")
}
