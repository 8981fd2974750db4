package bench

import (
	"context"
	"time"
)

// person is a user as those who send know it.
type person struct {
	update, offer sent
	offered       uint32 // the newest offer that one of their visits got
	key           string // visitor_key of one who was there
}

// sent is what was sent to a user of one kind.
type sent struct {
	latest     message
	taken, due message // the latest that the server took, and one that pages are still to be asked for
}

// message is known by its number; 0: there is none. Times are of clock.
type message struct {
	seq       uint32
	at, taken int64 // when it was sent, and when the server took it
}

// ripe tells whether pages must know by now what is due.
func (s *sent) ripe(now int64, grace time.Duration) bool {
	return s.due.seq > 0 && now-s.due.taken > int64(grace)
}

// asked has the next one be due.
func (s *sent) asked() { s.due, s.taken = s.taken, message{} }

// What lookForLosses finds.
const (
	lostUpdates = "pages did not get the latest state of their user"
	lostOffers  = "people who were there did not get an offer"
)

// prepare tells the number of the next update, or offer, of a user, which is sent now.
func (y *soaking) prepare(of func(*person) *sent, user int) uint32 {
	y.mu.Lock()
	defer y.mu.Unlock()
	s := of(&y.people[user])
	s.latest = message{seq: s.latest.seq + 1, at: clock()}
	return s.latest.seq
}

// again tells that what was prepared is sent once more.
func (y *soaking) again(of func(*person) *sent, users ...int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, user := range users {
		of(&y.people[user]).latest.at = clock()
	}
}

// took tells that the server has taken it.
func (y *soaking) took(of func(*person) *sent, users ...int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, user := range users {
		s := of(&y.people[user])
		s.taken = s.latest
		s.taken.taken = clock()
		if s.due.seq == 0 {
			s.asked()
		}
	}
}

func theUpdate(p *person) *sent { return &p.update }
func theOffer(p *person) *sent  { return &p.offer }

// lookForLosses counts pages that have read their stream for longer than Grace, and have not
// got what was taken longer ago. What they were late for in an outage they are given anew.
func (y *soaking) lookForLosses() {
	now := clock()
	excused, over := y.outages.excuse(now)
	if excused {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	for v := range y.visits {
		if v.reading > 0 && now-max(v.reading, over) > int64(y.Grace) {
			y.lookAtLocked(v, now)
		}
	}
	for i := range y.people {
		for _, s := range []*sent{&y.people[i].update, &y.people[i].offer} {
			if s.ripe(now, y.Grace) {
				s.asked()
			}
		}
	}
}

func (y *soaking) lookAtLocked(v *visit, now int64) {
	p := &y.people[v.user]
	if p.update.ripe(now, y.Grace) {
		y.counts["looked_for_updates"]++
		if v.update < p.update.due.seq {
			y.wrongLocked(lostUpdates)
		}
	}
	// An offer is for a person, of whom one browser gets it. Who is there when it is sent is
	// sent it for five minutes, also when they come back.
	if o := &p.offer; o.ripe(now, y.Grace) && v.came > 0 && v.came < o.due.at && now-o.due.at < int64(4*time.Minute) {
		y.counts["looked_for_offers"]++
		if p.offered < o.due.seq {
			y.wrongLocked(lostOffers)
		}
	}
}

// introduce has each user known once before anybody comes.
func (y *soaking) introduce(ctx context.Context) error {
	var present *updates
	err := y.session.introduce(ctx, &present, ViaUsers, y.Users+1, 1, min(100, y.Users+1), markLength)
	y.session.epoch++ // what comes now is told apart from that
	return err
}
