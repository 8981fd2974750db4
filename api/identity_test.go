package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/store"
)

const (
	siteKey      = "the site's identity secret"
	signsAndLets = `{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan","email"],"public_traits_unsigned":["plan"],"identity_secret":"` + siteKey + `"}`
)

// asks asks for a token with the anonymous id, beside claims that are signed; none: alone.
// It returns what counts, or the code of the refusal.
func (s *server) asks(id string, signed jwt.MapClaims) string {
	s.t.Helper()
	body := map[string]any{"claims": map[string]string{"anonymous_id": id}}
	if signed != nil {
		signed["exp"] = s.now().Add(time.Hour).Unix()
		body["identity_token"] = identityToken(siteKey, signed)
	}
	r := s.do("POST", tokenPath, string(must(json.Marshal(body))), "Origin: "+page, "Content-Type: application/json")
	if r.status != http.StatusCreated {
		return r.code()
	}
	var answer struct{ Topics, Unproven []string }
	if err := json.Unmarshal(r.body, &answer); err != nil {
		s.t.Fatal(err)
	}
	if len(answer.Unproven) > 0 {
		answer.Topics = append(answer.Topics, "not", strings.Join(answer.Unproven, " "))
	}
	return strings.Join(answer.Topics, " ")
}

// step is a token request, and what is to become of it.
type step struct {
	id     string
	signed jwt.MapClaims
	want   string
}

func ada() jwt.MapClaims { return jwt.MapClaims{"email": "ada@harbor.example"} }
func bob() jwt.MapClaims { return jwt.MapClaims{"email": "bob@harbor.example"} }

// An anonymous id that came with the signed claims of two people proves neither, for as
// long as that is remembered; one person may be known by more than one identifier.
func TestAnonymousIDsOfTwoPeople(t *testing.T) {
	const id, counts, not = "anonymous_id:" + anonymous, "anonymous_id:" + anonymous, "claims_unproven"
	adaBoth := jwt.MapClaims{"email": "ada@harbor.example", "external_id": "1"}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"one person", []step{{anonymous, ada(), "email:ada@harbor.example " + id}, {anonymous, ada(), "email:ada@harbor.example " + id}, {anonymous, nil, counts}}},
		{"two people", []step{
			{anonymous, ada(), "email:ada@harbor.example " + id},
			{anonymous, bob(), "email:bob@harbor.example not anonymous_id"},
			{anonymous, nil, not},
			{anonymous, ada(), "email:ada@harbor.example not anonymous_id"},
			{second, nil, "anonymous_id:" + second},
			{second, ada(), "email:ada@harbor.example anonymous_id:" + second},
		}},
		{"one person who is known by more and more", []step{
			{anonymous, ada(), "email:ada@harbor.example " + id},
			{anonymous, adaBoth, "external_id:1 email:ada@harbor.example " + id},
			{anonymous, jwt.MapClaims{"external_id": "1"}, "external_id:1 " + id},
			{anonymous, jwt.MapClaims{"external_id": "2"}, "external_id:2 not anonymous_id"},
		}},
		{"one person whose email has changed", []step{
			{anonymous, adaBoth, "external_id:1 email:ada@harbor.example " + id},
			{anonymous, jwt.MapClaims{"email": "lovelace@harbor.example", "external_id": "1"}, "external_id:1 email:lovelace@harbor.example " + id},
			{anonymous, jwt.MapClaims{"email": "lovelace@harbor.example"}, "email:lovelace@harbor.example " + id},
			{anonymous, ada(), "email:ada@harbor.example not anonymous_id"},
		}},
		{"identifiers of different kinds with one text", []step{
			{anonymous, jwt.MapClaims{"external_id": "x"}, "external_id:x " + id},
			{anonymous, jwt.MapClaims{"id": "x"}, "id:x " + id}, // it may be one person
			{anonymous, jwt.MapClaims{"external_id": "y"}, "external_id:y not anonymous_id"},
		}},
		{"an id that the site signs is not asked after", []step{
			{anonymous, ada(), "email:ada@harbor.example " + id},
			{anonymous, bob(), "email:bob@harbor.example not anonymous_id"},
			{second, jwt.MapClaims{"anonymous_id": anonymous}, id},
		}},
		{"an id shaped like an email", []step{
			{"ada.lovelace@harbor.example", nil, not},
			{"ada.lovelace@harbor.example", ada(), "email:ada@harbor.example not anonymous_id"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, options{noHull: true, private: signsAndLets})
			for i, step := range test.steps {
				if got := s.asks(step.id, maps.Clone(step.signed)); got != step.want {
					t.Errorf("step %d: got %s, want %s", i, got, step.want)
				}
			}
			if log := s.log.String(); strings.Contains(log, anonymous) || strings.Contains(log, "ada") {
				t.Errorf("the log holds a claim:\n%s", log)
			}
		})
	}
}

// The confusion is counted and explained, and ends 30 days after the last claim or when
// the user whom the id leads to is erased.
func TestConfusionsEnd(t *testing.T) {
	clock := clockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s := start(t, options{noHull: true, private: signsAndLets, now: clock.now, store: func(c *store.Config) { c.Now = clock.now }})
	confuse := func() {
		t.Helper()
		s.asks(anonymous, ada())
		if got := s.asks(anonymous, bob()); !strings.HasSuffix(got, "not anonymous_id") {
			t.Fatalf("got %s", got)
		}
	}
	confuse()
	if got := s.metric("hullbeam_identity_confusions_total", "kind", "shared"); got != 1 {
		t.Errorf("counted: %v", got)
	}
	if e := s.explain("anonymous_id:" + anonymous); !strings.Contains(e.failing(), "identity") || !strings.Contains(e.gate("identity"), "two people") {
		t.Errorf("explained: %+v", e.Gates)
	}
	clock.pass(20 * 24 * time.Hour)
	s.asks(anonymous, bob())
	clock.pass(29 * 24 * time.Hour)
	if got := s.asks(anonymous, nil); got != "claims_unproven" {
		t.Errorf("within the time: got %s", got)
	}
	clock.pass(24 * time.Hour)
	if got := s.asks(anonymous, nil); got != "anonymous_id:"+anonymous {
		t.Errorf("afterwards: got %s", got)
	}
	confuse()
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	s.erase(userPath("id:u1"))
	if got := s.asks(anonymous, nil); got != "anonymous_id:"+anonymous {
		t.Errorf("of somebody erased: got %s", got)
	}
}

// A memory that fails leaves out what is not needed, and lets in what is.
func TestConfusionsWithoutAMemory(t *testing.T) {
	memory := &claimantsCounted{}
	s := start(t, options{noHull: true, private: signsAndLets, store: func(*store.Config) {}, wrap: func(inner store.Store) store.Store {
		memory.Store = inner
		return memory
	}})
	for _, step := range []step{
		{anonymous, ada(), "email:ada@harbor.example anonymous_id:" + anonymous},
		{anonymous, bob(), "email:bob@harbor.example not anonymous_id"},
	} {
		if got := s.asks(step.id, step.signed); got != step.want {
			t.Errorf("with it: got %s, want %s", got, step.want)
		}
	}
	memory.set(true, true)
	for _, step := range []step{{anonymous, nil, "anonymous_id:" + anonymous}, {second, ada(), "email:ada@harbor.example not anonymous_id"}} {
		if got := s.asks(step.id, step.signed); got != step.want {
			t.Errorf("unreadable: got %s, want %s", got, step.want)
		}
	}
	memory.set(false, true)
	if got := s.asks(second, ada()); got != "email:ada@harbor.example not anonymous_id" {
		t.Errorf("not to be written: got %s", got)
	}
	if got := s.asks(anonymous, nil); got != "claims_unproven" {
		t.Errorf("readable again: got %s", got)
	}
}

// A person's claims are written down once a day, and of new ids so many in a minute; those
// above it do not count.
func TestClaimsAreFew(t *testing.T) {
	clock := clockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	memory := &claimantsCounted{}
	s := start(t, options{noHull: true, private: signsAndLets, now: clock.now, store: func(c *store.Config) { c.Now = clock.now }, wrap: func(inner store.Store) store.Store {
		memory.Store = inner
		return memory
	}})
	for range 3 {
		s.asks(anonymous, ada())
	}
	clock.pass(24 * time.Hour)
	s.asks(anonymous, ada())
	if got := memory.written(); got != 2 {
		t.Errorf("written %d times, want 2", got)
	}
	counted := 0
	for i := range 20 {
		if got := s.asks(fmt.Sprintf("%s-%d", anonymous, i), ada()); strings.Contains(got, anonymous) {
			counted++
		}
	}
	if got := memory.written(); counted != 16 || got != 18 {
		t.Errorf("%d ids counted, %d writes", counted, got)
	}
	if got := s.asks(anonymous+"-0", ada()); !strings.Contains(got, anonymous) {
		t.Errorf("one that is known: got %s", got)
	}
}

// claimantsCounted is a store whose memory of claimants can fail, and which counts.
type claimantsCounted struct {
	store.Store
	mu                        sync.Mutex
	unreadable, unwritable    bool
	reads, writes, userQuests int
}

func (c *claimantsCounted) set(unreadable, unwritable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unreadable, c.unwritable = unreadable, unwritable
}

func (c *claimantsCounted) written() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

func (c *claimantsCounted) Claimants(ctx context.Context, connectorID string, topics []string) (map[string]store.Claimant, error) {
	c.mu.Lock()
	c.reads++
	unreadable := c.unreadable
	c.mu.Unlock()
	if unreadable {
		return nil, store.ErrUnavailable
	}
	return c.Store.Claimants(ctx, connectorID, topics)
}

func (c *claimantsCounted) PutClaimants(ctx context.Context, connectorID string, claimants map[string]store.Claimant) error {
	c.mu.Lock()
	c.writes++
	unwritable := c.unwritable
	c.mu.Unlock()
	if unwritable {
		return store.ErrUnavailable
	}
	return c.Store.PutClaimants(ctx, connectorID, claimants)
}

func (c *claimantsCounted) asked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.userQuests++
}

func (c *claimantsCounted) Find(ctx context.Context, connectorID string, topics []string) (store.Snapshot, int, error) {
	c.asked()
	return c.Store.Find(ctx, connectorID, topics)
}

func (c *claimantsCounted) Snapshots(ctx context.Context, connectorID string, ids []string) ([]store.Snapshot, error) {
	c.asked()
	return c.Store.Snapshots(ctx, connectorID, ids)
}

func (c *claimantsCounted) Buried(ctx context.Context, connectorID string, topics []string) ([]time.Time, error) {
	c.asked()
	return c.Store.Buried(ctx, connectorID, topics)
}

// What is claimed and not proven is not looked for: whether there is such a user, neither
// the answer nor the work behind it says.
func TestAnswersDoNotTellWhoExists(t *testing.T) {
	memory := &claimantsCounted{}
	clock := clockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s := start(t, options{noHull: true, private: signsAndLets, now: clock.now, store: func(*store.Config) {}, wrap: func(inner store.Store) store.Store {
		memory.Store = inner
		return memory
	}})
	s.update(userMessage("u1", plan("pro"), `"email":"there@harbor.example","external_id":"there"`, anonymousIDs("there-0123456789abcdef")))
	random := regexp.MustCompile(`"(token|visitor|visitor_key)":"[^"]*"`)
	for _, body := range []string{
		`{"claims":{"email":"%s@harbor.example"}}`,
		`{"claims":{"external_id":"%s"}}`,
		`{"claims":{"anonymous_id":"` + anonymous + `","email":"%s@harbor.example","external_id":"%[1]s"}}`,
		`{"claims":{"anonymous_id":"` + anonymous + `","id":"u1","email":"%s@harbor.example"}}`,
		`{"claims":{"email":"%s@harbor.example"},"identity_token":"x.y.z"}`,
		`{"claims":{"email":"%s@harbor.example"},"user_hash":"00"}`,
		`{"claims":{"anonymous_id":"%s@harbor.example"}}`,
	} {
		answer := func(who string) (string, int) {
			memory.mu.Lock()
			memory.reads, memory.userQuests = 0, 0
			memory.mu.Unlock()
			r := s.do("POST", tokenPath, fmt.Sprintf(body, who), "Origin: "+page, "Content-Type: application/json")
			for _, name := range []string{"Date", "X-Request-Id"} {
				r.header.Del(name)
			}
			memory.mu.Lock()
			defer memory.mu.Unlock()
			if memory.userQuests > 0 {
				t.Errorf("%s: the store was asked %d times who it is", body, memory.userQuests)
			}
			return fmt.Sprintf("%d %v %s", r.status, r.header, random.ReplaceAll(r.body, []byte(`"$1":`))), memory.reads
		}
		there, reads := answer("there")
		nobody, none := answer("never")
		if there != nobody || reads != none {
			t.Errorf("%s:\n%s (%d reads)\n%s (%d reads)", body, there, reads, nobody, none)
		}
	}
}

// A stream of somebody who has signed in is not led to somebody else by an anonymous id of
// a browser that both have used; whom nothing contradicts it follows, until something does.
func TestStreamsAreNotLedToOthers(t *testing.T) {
	both := func(signed jwt.MapClaims) string {
		return `{"claims":{"anonymous_id":"` + anonymous + `"},"identity_token":"` + identityToken(siteKey, signed) + `"}`
	}
	bobs := userMessage("bob", plan("bob's"), `"email":"bob@harbor.example"`, anonymousIDs(anonymous))
	nobody := func(l *listener) {
		t.Helper()
		l.expect("cache.miss")
		l.expect("user.error")
	}
	t.Run("on open, and by updates", func(t *testing.T) {
		s := start(t, options{noHull: true, private: signsAndLets})
		s.update(bobs)
		s.quiet()
		token := s.token(both(ada()))
		l := s.listen(token)
		nobody(l)
		s.update(bobs)
		s.update(userMessage("ada", plan("ada's"), `"email":"ada@harbor.example"`))
		l.expectPlan("ada's")
		s.update(bobs)
		s.update(userMessage("ada", plan("still ada's"), `"email":"ada@harbor.example"`))
		l.expectPlan("still ada's")
		s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("bob's")
		if got := s.metric("hullbeam_identity_confusions_total", "kind", "contradicted"); got < 1 {
			t.Errorf("counted: %v", got)
		}
	})
	t.Run("when it comes to contradict", func(t *testing.T) {
		s := start(t, options{noHull: true, private: signsAndLets})
		s.update(userMessage("bob", plan("somebody's"), `"external_id":"1"`, anonymousIDs(anonymous)))
		s.quiet()
		token := s.token(both(ada()))
		l := s.listen(token)
		if e := l.expectPlan("somebody's"); strings.Contains(string(e.Data), "email") {
			t.Errorf("by an unsigned topic: %s", e.Data)
		}
		s.update(bobs)
		l.expect("user.private")
		if e := l.expect("close"); !strings.Contains(string(e.Data), "identity_changed") {
			t.Errorf("got %s", e.Data)
		}
		nobody(s.listen(token))
	})
	t.Run("past one who contradicts, to one who does not", func(t *testing.T) {
		s := start(t, options{noHull: true, private: signsAndLets})
		s.update(bobs, userMessage("u2", plan("mine"), anonymousIDs(second)))
		s.quiet()
		s.listen(s.token(`{"claims":{"anonymous_id":["` + anonymous + `","` + second + `"]},"identity_token":"` + identityToken(siteKey, ada()) + `"}`)).expectPlan("mine")
	})
	t.Run("who shares one signed identifier is not somebody else", func(t *testing.T) {
		s := start(t, options{noHull: true, private: signsAndLets})
		s.update(userMessage("bob", plan("ours"), `"external_id":"1","email":"old@harbor.example"`, anonymousIDs(anonymous)))
		s.quiet()
		s.listen(s.token(both(jwt.MapClaims{"external_id": "1", "email": "new@harbor.example"}))).expectPlan("ours")
	})
	t.Run("what Hull answers", func(t *testing.T) {
		s := start(t, options{private: signsAndLets})
		s.report(`{"id":"bob","email":"bob@harbor.example","traits_plan":"bob's","anonymous_ids":["` + anonymous + `"]}`)
		nobody(s.listen(s.token(both(ada()))))
		if got := s.metric("hullbeam_lookups_total", "result", "foreign"); got != 1 {
			t.Errorf("foreign: %v", got)
		}
		s.listen(s.token(claim("anonymous_id", second))).expect("cache.miss")
	})
}

// The shorter lists hold for whoever follows a user by an unsigned topic, whenever and
// wherever they are told.
func TestUnsignedListsHoldEverywhere(t *testing.T) {
	c := startNodes(t, 2, options{noHull: true, private: signsAndLets})
	a, b := c.all[0], c.all[1]
	state := func(plan string) string {
		return userMessage("u1", `"plan":"`+plan+`","email":"ada@harbor.example"`, anonymousIDs(anonymous))
	}
	a.update(state("one"))
	c.settle()
	tokens := map[bool]string{true: b.token(`{"identity_token":"` + identityToken(siteKey, ada()) + `"}`), false: b.token(claim("anonymous_id", anonymous))}
	shown := func(l *listener, signed bool, plan string) (id string) {
		t.Helper()
		e := l.expectPlan(plan)
		if strings.Contains(string(e.Data), "ada@") != signed {
			t.Errorf("%s, signed %v: got %s", plan, signed, e.Data)
		}
		return string(e.ID)
	}
	ids, open := map[bool]string{}, map[bool]*listener{}
	for signed, token := range tokens {
		open[signed] = b.listen(token)
		shown(open[signed], signed, "one")
	}
	c.settle()
	a.update(state("two"))
	for signed, l := range open {
		ids[signed] = shown(l, signed, "two")
	}
	for signed, token := range tokens { // on either node, with what another audience has seen
		for _, node := range c.all {
			shown(node.listen(token, "Last-Event-ID: "+ids[!signed]), signed, "two")
		}
	}
	both := b.listen(b.token(`{"claims":{"anonymous_id":"` + anonymous + `"},"identity_token":"` + identityToken(siteKey, jwt.MapClaims{"external_id": "new"}) + `"}`))
	shown(both, false, "two") // something is signed, but that does not lead there
}
