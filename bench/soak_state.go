package bench

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// soaking is a soak while it lasts. What it keeps is bounded by its options.
type soaking struct {
	Soak
	session  *session
	outages  *outages
	receipts chan receipt
	sending  sync.WaitGroup
	visiting sync.WaitGroup
	began    int64 // clock

	mu       sync.Mutex
	people   []person // by user; the last is that of the slow visitors
	visits   map[*visit]bool
	delivery []hist // by node, since the last sample
	all      hist   // before that
	counts   map[string]int64
	wrong    map[string]int64 // what should not have been, by what it was
	last     string           // of these
	nodes    []*nodeSeries
}

func newSoaking(k Soak, s *session) *soaking {
	y := &soaking{
		Soak: k, session: s, outages: &outages{path: k.MarkFile, grace: k.Grace}, receipts: make(chan receipt, 100),
		people: make([]person, k.Users+1), visits: map[*visit]bool{}, counts: map[string]int64{}, wrong: map[string]int64{},
		delivery: make([]hist, len(s.server.nodes)),
	}
	for i := range s.server.nodes {
		y.nodes = append(y.nodes, newNodeSeries(i, len(s.server.nodes)))
	}
	return y
}

func (y *soaking) begin() {
	y.began = clock()
	y.outages.began = y.began
}

// count counts one of what is to be expected.
func (y *soaking) count(what string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counts[what]++
}

// refused counts what was not done, which is as it should be during an outage alone.
func (y *soaking) refused(what string, a answer, err error) {
	if err != nil {
		what += ": " + err.Error()
	} else {
		what = strings.TrimSpace(fmt.Sprintf("%s: %d %s", what, a.status, member(a.body, "code")))
	}
	excused, _ := y.outages.excuse(clock())
	y.mu.Lock()
	defer y.mu.Unlock()
	if excused {
		y.counts["refused_in_outages"]++
		return
	}
	y.wrongLocked(what)
}

// wrongLocked counts what should not have been. Texts have addresses in them: of these
// there may be many.
func (y *soaking) wrongLocked(what string) {
	if len(y.wrong) >= 30 && y.wrong[what] == 0 {
		what = "something else"
	}
	y.wrong[what]++
	y.last = what
}

// someone is a visitor who is there, by chance; without a token: there is none.
func (y *soaking) someone() (user int, token string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for v := range y.visits { // in an order by chance, near enough
		if v.token != "" && v.came > 0 && !v.slow {
			return v.user, v.token
		}
	}
	return 0, ""
}

// tell says how it goes.
func (y *soaking) tell() {
	y.mu.Lock()
	defer y.mu.Unlock()
	wrong := int64(0)
	for _, n := range y.wrong {
		wrong += n
	}
	last := ""
	if wrong > 0 {
		last = "; the last: " + y.last
	}
	y.session.progress.say("%v of %v: %d visits, %d updates delivered, %d things went wrong%s",
		time.Duration(clock()-y.began).Round(time.Second), y.Duration, y.counts["visits"], y.counts["delivered"], wrong, last)
}

// sorted are the names of what was counted.
func sorted(counts map[string]int64) []string { return slices.Sorted(maps.Keys(counts)) }

// about is a time by chance that is d on average, and four times that at most.
func about(d time.Duration) time.Duration {
	return min(time.Duration(rand.ExpFloat64()*float64(d)), 4*d)
}
