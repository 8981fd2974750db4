package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"hullbeam/store"
)

// offer is one of connector c, sent at that time for ten minutes.
func offer(id string, at time.Time, about ...string) store.Offer {
	return store.Offer{ConnectorID: "c", ID: id, To: []byte(`{"all":true}`), Data: []byte(`{"text":"` + id + `"}`),
		SentAt: at, Expires: at.Add(10 * time.Minute), Digest: "digest of " + id, Sender: "key:1", About: about}
}

// sends puts offers that are new.
func (s *suite) sends(offers ...store.Offer) {
	s.Helper()
	for _, o := range offers {
		stored, created, err := s.PutOffer(s.Context(), o)
		if err != nil || !created {
			s.Fatalf("PutOffer(%s): %v, %v, want it created", o.ID, created, err)
		}
		s.diff("the offer", stored, o)
	}
}

func (s *suite) offerOf(id string) store.Offer {
	s.Helper()
	o, err := s.Offer(s.Context(), "c", id)
	if err != nil {
		s.Fatal(err)
	}
	return o
}

func ids(offers []store.Offer) (ids []string) {
	for _, o := range offers {
		ids = append(ids, o.ID)
	}
	return ids
}

// putOffers: an offer is stored once, and read as it was stored.
func (s *suite) putOffers() {
	now := s.clock.Now()
	o := offer("o", now, "id:u", "v")
	s.sends(o)
	elsewhere := offer("o", now)
	elsewhere.ConnectorID, elsewhere.Digest = "d", "other"
	s.sends(elsewhere)
	second := offer("o", now.Add(time.Hour))
	second.Digest = "another"
	stored, created, err := s.PutOffer(s.Context(), second)
	if err != nil || created {
		s.Fatalf("a second offer with that id: %v, %v, want it not created", created, err)
	}
	s.diff("the offer that has the id", stored, o)
	s.again()
	s.diff("after opening again", s.offerOf("o"), o)
	for connectorID, id := range map[string]string{"c": "none", "unknown": "o"} {
		if _, err := s.Offer(s.Context(), connectorID, id); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("Offer(%q, %q): %v, want ErrNotFound", connectorID, id, err)
		}
	}
}

// putOfferAtOnce: of many who put an offer under one id, one creates it.
func (s *suite) putOfferAtOnce() {
	created := make([]bool, 20)
	var all sync.WaitGroup
	for i := range created {
		all.Go(func() {
			var err error
			if _, created[i], err = s.PutOffer(s.Context(), offer("o", s.clock.Now())); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	if n := trues(created); n != 1 {
		s.Errorf("the offer was created %d times", n)
	}
}

// listOffers: the latest first, each once; pending in the order in which they were sent.
func (s *suite) listOffers() {
	now := s.clock.Now()
	var want []string
	for i := range 10 {
		s.sends(offer(fmt.Sprint("o", i), now.Add(time.Duration(i)*time.Minute), "v"))
		want = append([]string{fmt.Sprint("o", i)}, want...)
	}
	for _, limit := range []int{1, 3, 10, 11} {
		got := all(s, limit, func(cursor string) ([]store.Offer, string, error) {
			return s.Offers(s.Context(), "c", cursor, limit)
		})
		s.diff(fmt.Sprint(limit, " at a time"), ids(got), want)
		s.diff("about whom", got[0].About, []string{"v"})
	}
	pending := func(connectorID string, at time.Time) []string {
		s.Helper()
		got, err := s.PendingOffers(s.Context(), connectorID, at)
		if err != nil {
			s.Fatal(err)
		}
		return ids(got)
	}
	s.diff("pending", pending("c", now.Add(17*time.Minute)), []string{"o8", "o9"}) // o7 expires just then
	s.diff("pending at the end", pending("c", now.Add(19*time.Minute)), []string{})
	s.diff("pending elsewhere", pending("d", now), []string{})
}

// listOffersTies: offers of one moment come each once.
func (s *suite) listOffersTies() {
	for i := range 7 {
		s.sends(offer(fmt.Sprint("o", i), s.clock.Now()))
	}
	for _, limit := range []int{1, 2, 6, 7} {
		got := map[string]int{}
		for _, o := range all(s, limit, func(cursor string) ([]store.Offer, string, error) {
			return s.Offers(s.Context(), "c", cursor, limit)
		}) {
			got[o.ID]++
		}
		s.diff("offers", got, map[string]int{"o0": 1, "o1": 1, "o2": 1, "o3": 1, "o4": 1, "o5": 1, "o6": 1})
	}
}

// claims claims offers of connector c and compares which may be sent.
func (s *suite) claims(want []bool, claims ...store.Claim) {
	s.Helper()
	ok, err := s.ClaimOffers(s.Context(), "c", claims)
	if err != nil {
		s.Fatal(err)
	}
	s.diff("claims that may be sent", ok, want)
}

// claimOffers: an offer goes to one visitor of a person, and is counted once for each
// person.
func (s *suite) claimOffers() {
	now := s.clock.Now()
	s.sends(offer("o", now))
	claim := func(person, visitor string) store.Claim {
		return store.Claim{Offer: "o", Person: person, Visitor: visitor, At: now}
	}
	s.claims([]bool{true, true}, claim("u", "v"), claim("x", "w"))
	s.claims([]bool{true, false, true}, claim("u", "v"), claim("u", "v2"), claim("y", "z"))
	s.claims([]bool{false}, store.Claim{Offer: "none", Person: "u", Visitor: "v", At: now})
	s.claims([]bool{})
	s.again()
	s.claims([]bool{true, false}, claim("u", "v"), claim("u", "v2"))
	s.diff("counts", s.offerOf("o").Counts, store.OfferCounts{Sent: 3})
	s.claims([]bool{true}, store.Claim{Offer: "o", Person: "u", Visitor: "v", At: now, Cap: 1, Window: time.Hour}) // it counts already
}

// claimOffersAtOnce: of the visitors of a person one gets the offer.
func (s *suite) claimOffersAtOnce() {
	now := s.clock.Now()
	s.sends(offer("o", now))
	may := make([]bool, 20)
	var all sync.WaitGroup
	for i := range may {
		all.Go(func() {
			ok, err := s.ClaimOffers(s.Context(), "c", []store.Claim{{Offer: "o", Person: "u", Visitor: fmt.Sprint("v", i), At: now}})
			if err != nil {
				s.Error(err)
				return
			}
			may[i] = ok[0]
		})
	}
	all.Wait()
	s.diff("visitors that may have it, and counts", []any{trues(may), s.offerOf("o").Counts}, []any{1, store.OfferCounts{Sent: 1}})
}

// claimOffersCap: a person is given as many that count as the cap says within its window,
// to the millisecond.
func (s *suite) claimOffersCap() {
	now := s.clock.Now()
	for i := range 6 {
		s.sends(offer(fmt.Sprint("o", i), now))
	}
	claim := func(id int, person string, at time.Time, limit int) store.Claim {
		return store.Claim{Offer: fmt.Sprint("o", id), Person: person, Visitor: "v", At: at, Cap: limit, Window: time.Hour}
	}
	s.claims([]bool{true, true, true}, claim(0, "u", now, 0), claim(1, "u", now, 2), claim(2, "u", now.Add(time.Minute), 2)) // the first does not count
	s.claims([]bool{false, true, true}, claim(3, "u", now.Add(time.Minute), 2), claim(3, "x", now, 2), claim(4, "u", now, 0))
	s.claims([]bool{false, true}, claim(3, "u", now.Add(time.Hour-time.Millisecond), 2), claim(1, "u", now, 2)) // the second was sent before
	s.diff("counts of what was capped twice", s.offerOf("o3").Counts, store.OfferCounts{Sent: 1, Capped: 1})
	if states := s.states([]string{"u"}, "o3"); len(states) != 0 {
		s.Errorf("what was capped has a state: %v", states)
	}
	s.claims([]bool{true}, claim(3, "u", now.Add(time.Hour), 2)) // the first of the two is out of the window
	s.claims([]bool{false}, claim(5, "u", now.Add(time.Hour+time.Minute-time.Millisecond), 2))
	s.claims([]bool{true}, claim(5, "u", now.Add(time.Hour+time.Minute), 2))
	s.diff("counts", s.offerOf("o3").Counts, store.OfferCounts{Sent: 2, Capped: 1})
}

func (s *suite) states(persons []string, ids ...string) map[string]store.OfferState {
	s.Helper()
	states, err := s.OfferStates(s.Context(), "c", persons, ids)
	if err != nil {
		s.Fatal(err)
	}
	return states
}

func (s *suite) offerMarks(want []bool, marks ...store.OfferMark) {
	s.Helper()
	ok, err := s.MarkOffers(s.Context(), "c", marks)
	if err != nil {
		s.Fatal(err)
	}
	s.diff("marks that are noted", ok, want)
}

// markOffers: each step of an offer to a person is noted once, with its first time.
func (s *suite) markOffers() {
	now := s.clock.Now()
	s.sends(offer("o", now), offer("p", now))
	mark := func(step store.OfferStep, at time.Time, persons ...string) store.OfferMark {
		return store.OfferMark{Offer: "o", Persons: persons, Step: step, At: at}
	}
	later := now.Add(time.Minute)
	s.offerMarks([]bool{false}, mark(store.OfferDelivered, now, "u"))
	for _, person := range []string{"u", "x", "v"} {
		s.claims([]bool{true}, store.Claim{Offer: "o", Person: person, Visitor: "v of " + person, At: now})
	}
	s.offerMarks([]bool{true, true, false}, mark(store.OfferDelivered, later, "u"), mark(store.OfferDelivered, later.Add(time.Hour), "u"), mark(store.OfferDelivered, later, "nobody"))
	s.offerMarks([]bool{true, true, true}, mark(store.OfferDelivered, later, "nobody", "x", "v"), mark(store.OfferSeen, later, "x"), mark(store.OfferClicked, later, "x"))
	s.offerMarks([]bool{true, true, true}, mark(store.OfferSeen, later, "u"), mark(store.OfferDismissed, later, "u"), mark(store.OfferDismissed, later, "x"))
	s.offerMarks([]bool{false}, store.OfferMark{Offer: "none", Persons: []string{"u"}, Step: store.OfferSeen, At: now})
	s.again()
	s.diff("counts", s.offerOf("o").Counts, store.OfferCounts{Sent: 3, Delivered: 2, Seen: 2, Clicked: 1, Dismissed: 2})

	u := store.OfferState{Visitor: "v of u", At: [5]time.Time{now, later, later, {}, later}}
	v := store.OfferState{Visitor: "v of v", At: [5]time.Time{now}}
	s.diff("with u", s.states([]string{"u"}, "o", "p", "none"), map[string]store.OfferState{"o": u})
	s.diff("with v", s.states([]string{"nobody", "v"}, "o"), map[string]store.OfferState{"o": v})
	s.diff("with u or v, the furthest", s.states([]string{"v", "u"}, "o"), map[string]store.OfferState{"o": u})
	s.diff("with nobody", s.states([]string{"nobody"}, "o"), map[string]store.OfferState{})
}

// eraseOffers: with a person goes what became of offers to them, and what was about
// them.
func (s *suite) eraseOffers() {
	now := s.clock.Now()
	s.news(view("v", "a", now))
	s.join("u", now, "v")
	s.sends(offer("to all", now), offer("to u", now, "u"), offer("to v", now, "v", "w"), offer("to w", now, "w"))
	claim := func(id, person string) store.Claim {
		return store.Claim{Offer: id, Person: person, Visitor: "v", At: now}
	}
	s.claims([]bool{true, true, true}, claim("to all", "u"), claim("to u", "u"), claim("to all", "w"))
	s.clock.advance(time.Minute)
	s.erase(person("u"))
	s.again()
	left := all(s, 10, func(cursor string) ([]store.Offer, string, error) { return s.Offers(s.Context(), "c", cursor, 10) })
	got := map[string]bool{}
	for _, o := range left {
		got[o.ID] = true
	}
	s.diff("offers that are left", got, map[string]bool{"to all": true, "to w": true})
	s.diff("what became of them", s.states([]string{"u", "v"}, "to all", "to u", "to v"), map[string]store.OfferState{})
	if states := s.states([]string{"w"}, "to all"); len(states) != 1 {
		s.Errorf("what became of an offer to somebody else: %v, want it there", states)
	}
	s.offerMarks([]bool{false}, store.OfferMark{Offer: "to all", Persons: []string{"u", "v"}, Step: store.OfferSeen, At: now})
	if _, err := s.Offer(s.Context(), "c", "to u"); !errors.Is(err, store.ErrNotFound) {
		s.Errorf("an erased offer: %v, want ErrNotFound", err)
	}
}
