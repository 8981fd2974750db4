package api_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"hullbeam/store/storetest"
)

// A session is one of all nodes, and so is its end. A code is good once on all of them.
func TestClusterSessions(t *testing.T) {
	c := startNodes(t, 2, options{private: wellSet})
	a, b := c.all[0], c.all[1]
	cookie := a.signIn(withHull)
	if !a.lets(cookie) || !b.lets(cookie) {
		t.Error("a node does not know the session")
	}
	if r := b.do("DELETE", "/api/v1/session", "", cookie, sameSite); r.status != http.StatusNoContent {
		t.Errorf("signing out: %d %s", r.status, r.body)
	}
	if a.lets(cookie) || b.lets(cookie) {
		t.Error("the session goes on")
	}
	body := `{"code":"` + strings.TrimPrefix(a.installCode(), "/admin/#code=") + `"}`
	var begun sync.WaitGroup
	answers := make(chan reply, 8)
	for i := range cap(answers) {
		begun.Go(func() { answers <- c.all[i%2].do("POST", "/api/v1/session", body, asJSON) })
	}
	begun.Wait()
	close(answers)
	good := 0
	for r := range answers {
		if r.status == http.StatusCreated {
			good++
		}
	}
	if good != 1 {
		t.Errorf("the code was good %d times", good)
	}
}

// A connector that an operator makes or deletes at one node is so at all, also at one
// that has not heard of it; that one does not put it back.
func TestClusterConnectors(t *testing.T) {
	for _, cut := range []bool{false, true} {
		name := "Told"
		if cut {
			name = "Missed"
		}
		t.Run(name, func(t *testing.T) { deleteConnector(t, cut) })
	}
}

func deleteConnector(t *testing.T, cut bool) {
	c := startNodes(t, 2, options{noHull: true})
	a, b := c.all[0], c.all[1]
	a.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	token := b.token(claim("anonymous_id", anonymous))
	page := b.listen(token)
	page.expectPlan("pro")
	c.settle()
	const path = "/api/v1/connectors/" + ship
	put := `{"private_settings":{"whitelisted_domains":["www.harbor.example"]}}`
	if r := a.do("PUT", path, put, adminKey); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if e := page.expect("user.update"); strings.Contains(string(e.Data), "plan") {
		t.Errorf("under the old settings: %s", e.Data)
	}
	if cut {
		c.cutBus(1)
	}
	if r := a.do("DELETE", path, "", adminKey); r.status != http.StatusNoContent {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if cut {
		c.healBus(1)
	}
	if e := page.expect("close"); !strings.Contains(string(e.Data), "revoked") {
		t.Errorf("the page got %s", e.Data)
	}
	c.settle() // the end of the tokens and that of the connector are told one after the other
	for i, s := range c.all {
		storetest.Eventually(t, "the node refuses the token", func() bool {
			return s.do("GET", "/api/v1/stream?token="+token, "").code() == "token_invalid"
		})
		if r := s.do("GET", path, "", adminKey); r.code() != "connector_unknown" {
			t.Errorf("node %d: %d %s", i, r.status, r.body)
		}
	}
	c.settle()
	if _, err := a.store.Connector(t.Context(), ship); err == nil {
		t.Error("a node has put it back")
	}
	if r := b.do("PUT", path, put, adminKey); r.status != http.StatusCreated {
		t.Errorf("put anew: %d %s", r.status, r.body)
	}
	if r := a.do("GET", path, "", adminKey); r.status != http.StatusOK {
		t.Errorf("at the other node: %d %s", r.status, r.body)
	}
}
