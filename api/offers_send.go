package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// addressee is a visitor who may be sent offers: with the streams that are sent them.
type addressee struct {
	visitor, user string
	active        time.Time
	tabs          []tab
	subs          []*stream.Subscriber
	last          stream.ID // with a stream that was just opened: what its page saw last
	arrival       uint64    // the number of that; 0: the streams were there before
}

// key is the person, to whom an offer is sent once.
func (a *addressee) key() string { return cmp.Or(a.user, a.visitor) }

// keys are under what offers to the addressee may be known: a visitor may have been sent
// some before anybody knew who it is.
func (a *addressee) keys() []string {
	if a.user == "" {
		return []string{a.visitor}
	}
	return []string{a.user, a.visitor}
}

// sendPending sends an offer to those of this node whom it is for, of a person's browsers
// to the one that was active last, and returns to how many persons.
func (s *Server) sendPending(ctx context.Context, conn *connector, o *pendingOffer) (live int, err error) {
	defer func() {
		if o.sending.Store(false); o.waited.Swap(false) {
			s.presence.lookAgain(conn.id)
		}
	}()
	present, latest := s.presence.addressees(conn.id)
	o.sentTo.Store(latest)
	defer func() {
		if err != nil {
			o.sentTo.Store(0) // those that have arrived may get it yet
		}
	}()
	if err := s.recognise(ctx, conn, present); err != nil {
		return 0, err
	}
	meant, err := s.meant(ctx, conn, o, present)
	if err != nil {
		return 0, err
	}
	slices.SortStableFunc(meant, func(a, b *addressee) int { return b.active.Compare(a.active) })
	seen := map[string]bool{}
	meant = slices.DeleteFunc(meant, func(a *addressee) bool {
		before := seen[a.key()]
		seen[a.key()] = true
		return before
	})
	for chunk := range slices.Chunk(meant, readChunk) {
		sent, err := s.sendEach(ctx, conn, o, o.event, chunk)
		if live += sent; err != nil {
			return live, err
		}
	}
	return live, nil
}

// meant are those of list whom an offer is for.
func (s *Server) meant(ctx context.Context, conn *connector, o *pendingOffer, list []*addressee) ([]*addressee, error) {
	var users []string
	if o.to.Segment != "" {
		for _, a := range list {
			if a.user != "" {
				users = append(users, a.user)
			}
		}
		slices.Sort(users)
	}
	people, err := readPeople(ctx, s.store, conn, slices.Compact(users))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(a *addressee) bool { return !o.isFor(a, people) }), nil
}

// isFor tells whether an offer is for an addressee; people are the users, if the offer is
// for a segment.
func (o *pendingOffer) isFor(a *addressee, people map[string]hull.Person) bool {
	switch to := o.to; {
	case to.All:
		return true
	case to.Visitor != "":
		return a.visitor == to.Visitor
	case to.Segment != "":
		return slices.Contains(people[a.user].Segments, to.Segment)
	case to.Page != "":
		return slices.ContainsFunc(a.tabs, func(t tab) bool { return o.page.matches(t.URL) })
	}
	return slices.ContainsFunc(a.subs, func(sub *stream.Subscriber) bool {
		for topic := range sub.Topics() {
			if topic == o.to.Topic {
				return true
			}
		}
		return false
	})
}

// sendEach claims an offer for addressees and sends it, as event, to those for whom it may be.
func (s *Server) sendEach(ctx context.Context, conn *connector, o *pendingOffer, event *stream.Event, to []*addressee) (sent int, err error) {
	if len(to) == 0 {
		return 0, nil
	}
	claims := make([]store.Claim, len(to))
	for i, a := range to {
		claims[i] = store.Claim{Offer: o.id, Person: a.key(), Visitor: a.visitor, At: s.now()}
		if o.to.isMass() {
			claims[i].Cap, claims[i].Window = s.cfg.Offers.Cap, s.cfg.Offers.CapWindow
		}
	}
	ok, err := s.store.ClaimOffers(ctx, conn.id, claims)
	if err != nil {
		return 0, fmt.Errorf("noting to whom the offer %s is sent: %w", o.id, err)
	}
	for i, a := range to {
		s.presence.settle(conn.id, a.visitor, o.id)
		if !ok[i] {
			s.metrics.offers.WithLabelValues("kept_back").Inc()
		} else if s.broker.Send(a.subs, event) > 0 {
			s.metrics.offers.WithLabelValues("sent").Inc()
			sent++
		}
	}
	return sent, nil
}

// stillOffered is how long an offer that was written to a page, of which nobody has said
// that it was seen, is sent again to the next pages of the visitor: it may have gone down
// with the page. Pages drop an offer that comes again.
const stillOffered = 5 * time.Minute

// isBeingSent tells that the offer is just being sent to all who are there. They are
// looked at again after that.
func (o *pendingOffer) isBeingSent() bool {
	if !o.sending.Load() {
		return false
	}
	o.waited.Store(true)
	return o.sending.Load() // else it may have been over before it was noted that somebody waits
}

// isNewTo tells whether the addressee's stream was opened after the offer was sent to
// those who were there.
func (o *pendingOffer) isNewTo(a *addressee) bool { return a.arrival > o.sentTo.Load() }

// offerAgain tells whether an offer is sent to an addressee of whom this is known.
func (o *pendingOffer) offerAgain(a *addressee, is store.OfferState, known bool, now time.Time) bool {
	seen := cmp.Or(is.At[store.OfferSeen], is.At[store.OfferClicked], is.At[store.OfferDismissed])
	delivered := is.At[store.OfferDelivered]
	switch {
	case !known:
		return true
	case !seen.IsZero() || is.Visitor != a.visitor || !o.isNewTo(a):
		return false
	case delivered.IsZero() || now.Sub(delivered) < stillOffered:
		return true
	case a.last.IsZero():
		return false
	}
	// The page goes on with a stream, and what it saw last may have been before the offer.
	return uint64(o.at.Add(stillOffered).UnixMicro()) > a.last.Version
}

// sendWaiting sends the offers that wait for visitors who have come, turned to another page,
// or become somebody else.
func (s *Server) sendWaiting(ctx context.Context) (err error) {
	for connectorID, due := range s.presence.takeDue() {
		conn := s.connectors.known(connectorID)
		if conn == nil {
			continue
		}
		if err == nil {
			if err = s.sendWaitingTo(ctx, conn, due); err != nil {
				err = fmt.Errorf("sending the offers that wait for visitors: %w", err)
			}
		}
		if err != nil {
			s.presence.returnDue(connectorID, due)
		}
	}
	return err
}

func (s *Server) sendWaitingTo(ctx context.Context, conn *connector, due []*addressee) error {
	pending, err := s.pending.of(ctx, conn.id)
	if err != nil || len(pending) == 0 {
		return err
	}
	if err := s.recognise(ctx, conn, due); err != nil {
		return err
	}
	for _, o := range pending {
		if o.isBeingSent() {
			continue
		}
		unsettled := slices.DeleteFunc(slices.Clone(due), func(a *addressee) bool {
			return !o.isNewTo(a) && s.presence.isSettled(conn.id, a.visitor, o.id)
		})
		meant, err := s.meant(ctx, conn, o, unsettled)
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(meant, readChunk) {
			if err := s.sendUnlessDone(ctx, conn, o, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendUnlessDone sends an offer to those of whom it is not known to have come.
func (s *Server) sendUnlessDone(ctx context.Context, conn *connector, o *pendingOffer, meant []*addressee) error {
	var again []*addressee
	for _, a := range meant {
		states, err := s.store.OfferStates(ctx, conn.id, a.keys(), []string{o.id})
		if err != nil {
			return fmt.Errorf("reading what became of the offer %s: %w", o.id, err)
		}
		if is, known := states[o.id]; o.offerAgain(a, is, known, s.now()) {
			again = append(again, a)
		} else {
			s.presence.settle(conn.id, a.visitor, o.id)
		}
	}
	_, err := s.sendEach(ctx, conn, o, o.event.Uncounted(), again)
	return err
}

// recognise says who visitors are of whom only the store knows it.
func (s *Server) recognise(ctx context.Context, conn *connector, list []*addressee) error {
	var unknown []string
	for _, a := range list {
		if a.user == "" {
			unknown = append(unknown, a.visitor)
		}
	}
	users, err := s.usersOf(ctx, conn.id, unknown)
	if err != nil {
		return err
	}
	for _, a := range list {
		a.user = cmp.Or(a.user, users[a.visitor])
	}
	return nil
}

// usersOf are the users whom the store knows visitors as.
func (s *Server) usersOf(ctx context.Context, connectorID string, visitors []string) (map[string]string, error) {
	visitors = slices.Clone(visitors)
	slices.Sort(visitors)
	users := map[string]string{}
	for chunk := range slices.Chunk(slices.Compact(visitors), readChunk) {
		records, err := s.store.Visitors(ctx, connectorID, chunk)
		if err != nil {
			return nil, fmt.Errorf("reading who visitors are: %w", err)
		}
		for _, record := range records {
			users[record.ID] = record.UserID
		}
	}
	return users, nil
}
