package clustertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hullbeam/stream/streamtest"
)

// take is any event but close. known tells that the user was there before the
// stream was asked for.
func (p *page) take(e streamtest.Event, known bool) {
	switch e.Type {
	case "room.joined":
		p.retry = time.Duration(e.Retry) * time.Millisecond
		p.opens.Add(1)
		p.crowd.opens.Add(1)
		p.crowd.timeline.Load().opened(time.Now())
		p.open.Store(true)
	case "heartbeat":
	case "cache.miss", "user.error":
		// Of an unknown user both come at once, and the update may overtake neither.
		if known {
			p.complain(e.Type+" of a user who is there", e)
		}
	case "user.update":
		p.checkID(e)
		p.update(e)
	case "user.private":
		p.checkID(e)
		p.farewell(e)
	default:
		p.complain("an event that may not come", e)
	}
}

// payload is what pages look at in user.update and user.private.
type payload struct {
	User struct {
		ID string
		N  int64
	}
}

// update checks what is shown: one of the page's users, never a worse one than
// before, and never something older.
func (p *page) update(e streamtest.Event) {
	var said payload
	err := json.Unmarshal([]byte(e.Data), &said)
	rank, before := p.rank(said.User.ID), p.following.Load()
	switch {
	case err != nil:
		p.complain("an update that is not JSON", e)
	case rank < 0:
		p.complain("somebody else's update", e)
	case before != nil && rank > p.rank(before.id):
		p.complain("a worse user than "+before.id, e)
	case before == p.users[rank]:
		if n := p.shown.Swap(said.User.N); said.User.N < n {
			p.complain(fmt.Sprintf("an older state after n=%d", n), e)
		}
	default:
		p.shown.Store(-1)
		p.following.Store(p.users[rank])
		p.shown.Store(said.User.N)
	}
}

// farewell checks that the page is to forget whom it was shown, for a better
// one. Nobody is private here.
func (p *page) farewell(e streamtest.Event) {
	var said payload
	err := json.Unmarshal([]byte(e.Data), &said)
	rank := p.rank(said.User.ID)
	if err != nil || p.following.Load() == nil || p.following.Load().id != said.User.ID ||
		!slices.ContainsFunc(p.users[:rank], func(u *user) bool { return u.tried.Load() }) {
		p.complain("a user.private without a reason", e)
	}
}

// rank is the place of a user among the page's; -1: none.
func (p *page) rank(id string) int {
	return slices.IndexFunc(p.users, func(u *user) bool { return u.id == id })
}

// due is the user whom the page is to show; nil: none of them is there.
func (p *page) due() *user {
	for _, u := range p.users {
		if u.accepted.Load() > 0 {
			return u
		}
	}
	return nil
}

// checkID holds that of each tag the versions grow, over all connections: what
// was seen is not told again.
func (p *page) checkID(e streamtest.Event) {
	text, tag, _ := strings.Cut(e.ID, "-")
	version, err := strconv.ParseUint(text, 10, 64)
	switch last := p.versions[tag]; {
	case err != nil || tag == "":
		p.complain("an id that is none", e)
	case version < last:
		p.complain("a version that goes back", e)
	case version == last:
		p.complain("an id that comes twice", e)
	}
	p.versions[tag] = max(version, p.versions[tag])
	p.lastID = e.ID
}

// closed is the server's word that the stream ends, and when to come back.
func (p *page) closed(e streamtest.Event) time.Duration {
	var said struct {
		Message   string
		Reconnect int64 `json:"reconnect_in_ms"`
	}
	err := json.Unmarshal([]byte(e.Data), &said)
	if err != nil || said.Message != "shutting_down" && said.Message != "max_age" {
		p.complain("a close that may not come", e)
	}
	pause := time.Duration(said.Reconnect) * time.Millisecond
	p.crowd.closed.Add(1)
	p.crowd.timeline.Load().told(time.Now(), pause, p.retry)
	return pause
}

func (p *page) complain(what string, e streamtest.Event) {
	p.crowd.complain.add(what, "%v, connection %d: %s %s %.100s", p, p.opens.Load(), e.Type, e.ID, e.Data)
}

// String says how the page stands.
func (p *page) String() string {
	shows, wants, accepted := "nobody", "nobody", int64(0)
	if u := p.following.Load(); u != nil {
		shows = u.id
	}
	if u := p.due(); u != nil {
		wants, accepted = u.id, u.accepted.Load()
	}
	return fmt.Sprintf("%s (%s n=%d, to show %s n=%d, open %v)", p.name, shows, p.shown.Load(), wants, accepted, p.open.Load())
}

// current tells whether the stream is open and shows the final state.
func (p *page) current() bool {
	u := p.due()
	return p.open.Load() && (u == nil || p.following.Load() == u && p.shown.Load() == u.accepted.Load())
}
