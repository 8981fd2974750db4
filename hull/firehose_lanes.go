package hull

import "time"

// How entries are put together, as by Hull's clients (docs/hull-protocol.md 8.5),
// but that a batch leaves a while after its first entry: after its last, a steady
// trickle would wait for the fiftieth.
const (
	batchEntries = 50
	batchLinger  = time.Second

	// laneRequests is how many batches of a connector are on their way at a time, so
	// that one that does not get through leaves room for others.
	laneRequests = 4

	// idleWait is how long nothing is looked at when nothing waits.
	idleWait = time.Hour
)

// firehoseLane is what waits for Hull under one secret of a connector.
type firehoseLane struct {
	waiting []firehoseEntry // oldest first
	sending map[*firehoseBatch]struct{}
}

// firehoseEntry is an entry that waits.
type firehoseEntry struct {
	about About
	kind  string
	body  any
	since time.Time
}

// firehoseBatch is what one request has.
type firehoseBatch struct {
	credentials Credentials
	entries     []firehoseEntry // of whom sends them; none: all were forgotten
	left        []firehoseEntry // those of the next try; with the firehose's mu
}

func (f *Firehose) put(about About, kind string, body any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		f.count(droppedStopped, 1)
		return
	}
	l := f.lanes[about.Credentials]
	if l == nil {
		l = &firehoseLane{sending: make(map[*firehoseBatch]struct{})}
	}
	if f.held >= f.cfg.Queue && !f.makeRoomLocked(len(l.waiting)) {
		return
	}
	f.lanes[about.Credentials] = l
	l.waiting = append(l.waiting, firehoseEntry{about, kind, body, time.Now()})
	f.held++
	if n := len(l.waiting); n == 1 || n == batchEntries {
		f.wake()
	}
}

// makeRoomLocked drops an entry: the newest of the connector of which most wait, so
// that a Hull that does not answer for one leaves room for the others. It returns
// false when that is the one which wants in, of which so many wait.
func (f *Firehose) makeRoomLocked(waiting int) bool {
	f.count(droppedFull, 1)
	var longest *firehoseLane
	for _, l := range f.lanes {
		if len(l.waiting) > waiting {
			longest, waiting = l, len(l.waiting)
		}
	}
	if longest == nil {
		return false
	}
	longest.waiting = longest.waiting[:waiting-1]
	f.held--
	return true
}

// due takes the batches that are to be sent now, and says when to look again.
func (f *Firehose) due(now time.Time) (batches []*firehoseBatch, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	wait = idleWait
	for credentials, l := range f.lanes {
		for len(l.waiting) > 0 && len(l.sending) < laneRequests {
			age := now.Sub(l.waiting[0].since)
			if len(l.waiting) < batchEntries && age < batchLinger && !f.stopped {
				wait = min(wait, batchLinger-age)
				break
			}
			n := min(batchEntries, len(l.waiting))
			b := &firehoseBatch{credentials, l.waiting[:n:n], l.waiting[:n:n]}
			batches = append(batches, b)
			l.waiting = l.waiting[n:]
			l.sending[b] = struct{}{}
		}
	}
	return batches, wait
}

// done gives back what a batch has held.
func (f *Firehose) done(b *firehoseBatch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held -= len(b.entries)
	l := f.lanes[b.credentials]
	delete(l.sending, b)
	f.leaveLocked(b.credentials, l)
	f.wake()
}

// leaveLocked forgets a lane in which nothing is any more.
func (f *Firehose) leaveLocked(credentials Credentials, l *firehoseLane) {
	if len(l.sending) == 0 && len(l.waiting) == 0 {
		delete(f.lanes, credentials)
	}
}

func (f *Firehose) wake() {
	select {
	case f.woken <- struct{}{}:
	default: // it has not looked yet
	}
}

// stop takes no more, and has all that waits be due.
func (f *Firehose) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

func (f *Firehose) queued() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

// dropAll drops what waits.
func (f *Firehose) dropAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(droppedStopped, f.held)
	f.held = 0
	clear(f.lanes)
}
