package attack

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Target is a server to be attacked.
type Target struct {
	URL      string // of the server, as its pages know it: http://host:port
	AdminKey string // one that lets do everything

	// HullKey signs notifications that the server believes. Without it attacks of who has
	// a good signature are left out.
	HullKey *rsa.PrivateKey
	// HullURL is the server's hull.api_url, where Bait.Hull answers. Without it
	// attacks by what Hull answers are left out.
	HullURL string
	// FetchesKeys is whether the server has no hull.public_keys, and looks at the address
	// of a key.
	FetchesKeys bool
	// Development is whether it runs in development mode.
	Development bool
	// Bait is what nothing may connect to.
	Bait *Bait
	// Patience is how long the server may take to end a connection on which nothing
	// comes: longer than its limits.read_timeout.
	Patience time.Duration

	victim, foe connector
	table       string // a name for what this run makes
	keys        operatorKeys
	attempts    atomic.Int64
}

// operatorKeys are for the foe alone; "" when the server has none.
type operatorKeys struct{ read, write string }

// connector is a connector of the table's own.
type connector struct {
	id, organization, secret, identitySecret string

	domain                               string // of its pages
	user, externalID, email, anonymousID string // of the user whom it knows
	marker                               string // in a trait that is not public

	token, visitorKey, visitor string // of a page that has proven to be the user
	offer                      string
	session                    string // the cookie of an operator of this connector alone
}

func newConnector(run, name string) connector {
	return connector{
		id: "attack-" + run + "-" + name, organization: name + "-" + run + ".attack.invalid",
		secret: "secret of " + name + " " + rand.Text(), identitySecret: "identity of " + name + " " + rand.Text(),
		domain: name + "." + run + ".attack.test", user: name + "-user-" + run, externalID: name + "-external-" + run,
		email: name + "@" + run + ".attack.test", anonymousID: name + "-anonymous-" + run,
		marker: "marker of " + name + " " + rand.Text(), offer: "offer-of-" + name,
	}
}

// page is the origin of the connector's pages.
func (c *connector) page() string { return "https://" + c.domain }

// route is one below the connector's.
func (c *connector) route(rest string) string { return "/api/v1/connectors/" + c.id + rest }

// userRoute is that of whom a topic leads to.
func (c *connector) userRoute(topic string) string { return c.route("/users/" + url.PathEscape(topic)) }

// secrets are what must not come out, by what they are.
func (t *Target) secrets() map[string]string {
	return map[string]string{
		"an admin key":                 t.AdminKey,
		"the victim's secret":          t.victim.secret,
		"the foe's secret":             t.foe.secret,
		"the victim's identity secret": t.victim.identitySecret,
		"what is not public":           t.victim.marker,
	}
}

// Prepare makes the connectors, and what is to be attacked in them.
func (t *Target) Prepare(ctx context.Context) error {
	t.URL = strings.TrimSuffix(t.URL, "/")
	if t.Patience == 0 {
		t.Patience = time.Minute
	}
	t.table = cmp.Or(t.table, newTable())
	t.victim, t.foe = newConnector(t.table, "victim"), newConnector(t.table, "foe")
	x := &try{Target: t, ctx: ctx}
	x.protect(func(x *try) {
		x.make(&t.victim)
		x.make(&t.foe)
	})
	return x.err("preparing the connectors")
}

// newTable names what a run makes.
func newTable() string { return strings.ToLower(rand.Text()[:8]) }

func (x *try) err(doing string) error {
	if len(x.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, errors.New(strings.Join(x.faults, "; ")))
}

// make makes a connector with a user, a visitor, an offer and an operator.
func (x *try) make(c *connector) {
	x.send(put(c.route(""), object{
		"organization": c.organization, "secret": c.secret,
		"settings": object{"script": "window.attacked = true"},
		"private_settings": object{
			"whitelisted_domains": []string{
				c.domain, "*.wild." + c.domain, "https://port." + c.domain + ":8443", "http://plain." + c.domain,
			},
			"public_traits": []string{"plan", "note"}, "public_events": []string{"Bought"}, "identity_secret": c.identitySecret,
			"identity_verification": "possession",
		},
	}).key(x.AdminKey)).taken(201)
	x.send(post(c.route("/users"), object{"user": object{
		"id": c.user, "external_id": c.externalID, "email": c.email, "anonymous_ids": []string{c.anonymousID}, "plan": "pro", "secret_trait": c.marker,
	}}).key(x.AdminKey)).taken(202)
	x.send(post(c.route("/offers"), object{
		"id": c.offer, "to": object{"topic": "external_id:" + c.externalID}, "data": object{"text": c.marker}, "expires_in": "1h",
	}).key(x.AdminKey)).taken(202)
	var got tokenAnswer
	signed := jwt(hs256, object{"external_id": c.externalID, "exp": in(time.Hour)}, hs(c.identitySecret))
	x.send(post(c.route("/token"), object{
		"identity_token": signed, "page": object{"url": c.page() + "/start", "title": "Start", "view": "view-1", "tab": "tab-1"},
	}).origin(c.page())).taken(201).into(&got)
	c.token, c.visitorKey, c.visitor = got.Token, got.VisitorKey, got.Visitor
	x.settle(c)
	c.session = x.signIn(object{"ship": c.id, "organization": c.organization, "secret": c.secret})
}

// settle waits until what was made has come to rest: the user is told of, the offer was
// sent, the page view is in the history.
func (x *try) settle(c *connector) {
	s := x.open(c.token)
	s.next("user.update")
	s.next("offer")
	s.close()
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var offer struct {
			Delivered int `json:"delivered"`
		}
		x.send(get(c.route("/offers/" + c.offer)).key(x.AdminKey)).taken(200).into(&offer)
		var visitor struct {
			User  *struct{} `json:"user"`
			Views int       `json:"views"`
			Live  bool      `json:"live"`
		}
		x.send(get(c.route("/visitors/" + c.visitor)).key(x.AdminKey)).taken(200).into(&visitor)
		if offer.Delivered == 1 && visitor.Views == 1 && visitor.User != nil {
			return
		} else if time.Now().After(late) {
			x.stop("the offer is not delivered, or the visitor not known: %+v %+v", offer, visitor)
		}
	}
}

// tokenAnswer is what a page gets for its claims.
type tokenAnswer struct {
	Token      string   `json:"token"`
	StreamURL  string   `json:"stream_url"`
	Topics     []string `json:"topics"`
	Unproven   []string `json:"unproven"`
	Visitor    string   `json:"visitor"`
	VisitorKey string   `json:"visitor_key"`
}

// signIn begins a session and returns its cookie.
func (x *try) signIn(shown object) (cookie string) {
	return cookieOf(x.send(ownSignIn(shown)).taken(201))
}

func cookieOf(a *answer) string {
	pair, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return pair
}

// local is an address of this machine's to come from, so that an attack uses up the
// allowance of no other; "" when the server is elsewhere, or the machine has no such
// addresses.
func (t *Target) local(address string) string {
	if !strings.HasPrefix(t.address(), "127.") && !strings.HasPrefix(t.address(), "localhost:") {
		return ""
	}
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		return ""
	}
	l.Close()
	return address
}

// nextAddress is one that no attack has come from yet.
func (t *Target) nextAddress() string {
	n := t.attempts.Add(1)
	return t.local(fmt.Sprintf("127.1.%d.%d", n/250, n%250+1))
}

// Clean takes away what Prepare has made.
func (t *Target) Clean(ctx context.Context) error {
	x := &try{Target: t, ctx: ctx}
	for _, c := range []*connector{&t.victim, &t.foe} {
		x.protect(func(x *try) {
			x.send(del(c.userRoute("id:" + c.user)).key(x.AdminKey)).taken(204)
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		})
	}
	return x.err("taking the connectors away")
}
