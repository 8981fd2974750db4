package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Config says what is loaded, and from where. All fields but the optional ones
// are needed; DefaultConfig has the rest.
type Config struct {
	// URLs are the nodes, http://host[:port] each; streams and requests take them
	// in turn.
	URLs []string
	// Connector is the id of the connector whose streams are opened.
	Connector string
	// Origin is what pages say; empty: that of the first URL.
	Origin string
	// StreamPath and PublishPath make Hold, Fanout and Churn load another server
	// of event streams, to compare with: GET of the one opens a stream and POST
	// to the other sends the body as an event, {topic} replaced in both. Empty: it
	// is Hullbeam.
	StreamPath, PublishPath string
	// PIDs are the server's processes on this machine, whose memory and CPU are
	// read. Empty: those that listen at the URLs' ports, if they are here.
	PIDs []int
	// Addresses is how many addresses, 127.0.1.1 and on, streams come from when
	// the server is on this machine. 1 to 250; default 200.
	Addresses int
	// Direct has each stream opened over the connection that its token came by, as
	// a browser without a proxy does. Otherwise tokens share connections, and each
	// stream has one of its own.
	Direct bool
	// Threads read the streams. 1 to 64; default 1, which takes some 200,000
	// events a second.
	Threads int
	// Drain is how long to wait, after the last arrival, for what has not arrived
	// before it counts as lost. Default 5s.
	Drain time.Duration
	// AdminKey opens the routes of operators: offers and users. It is in no
	// result.
	AdminKey string
	// Sign makes the headers of a notification with this id, and Configuration is
	// its member of that name. Only what goes via notifications needs them; they
	// are in no result.
	Sign          func(id string) http.Header
	Configuration json.RawMessage
	// Trait is an attribute of users that the connector shows to pages: it
	// carries the mark by which an update is known again. Default plan.
	Trait string
	// Progress is told how it goes: one line that is rewritten when Terminal,
	// else a line every 5 s. Optional.
	Progress io.Writer
	Terminal bool
}

// DefaultConfig is what holds unless something else is said.
func DefaultConfig() Config {
	return Config{
		URLs: []string{"http://127.0.0.1:8082"}, Connector: "demo",
		Addresses: 200, Threads: 1, Drain: 5 * time.Second, Trait: "plan",
	}
}

// Validate names the first field that is out of its range.
func (c Config) Validate() error {
	switch {
	case c.Addresses < 1 || c.Addresses > 250:
		return fmt.Errorf("addresses: %d is out of range: 1 to 250", c.Addresses)
	case c.Threads < 1 || c.Threads > 64:
		return fmt.Errorf("threads: %d is out of range: 1 to 64", c.Threads)
	case c.Drain <= 0:
		return fmt.Errorf("drain: %v is out of range: above 0", c.Drain)
	case c.Connector == "":
		return errors.New("connector: there is none")
	case c.Trait == "" || strings.ContainsAny(c.Trait, "\"\\"):
		return fmt.Errorf("trait: %q is no name", c.Trait)
	}
	return nil
}

// Scenario is one of Hold, Fanout, Unicast, Churn, Slow, Notifications, Views, Live,
// Siege and Soak.
type Scenario interface {
	name() string
	validate() error
	// streams is how many are open at a time, at most.
	streams() int
	run(context.Context, *session) error
}

// Run runs a scenario so many times, each with streams and users of its own, and
// returns the medians. An error is that it could not be run; what was lost or
// refused is in the result.
func Run(ctx context.Context, cfg Config, scenario Scenario, runs int) (*Result, error) {
	if err := errors.Join(cfg.Validate(), scenario.validate()); err != nil {
		return nil, err
	}
	switch scenario.(type) {
	case Hold, Fanout, Churn:
	default:
		if cfg.StreamPath != "" {
			return nil, fmt.Errorf("%s is of Hullbeam alone", scenario.name())
		}
	}
	if runs < 1 {
		return nil, fmt.Errorf("runs: %d is out of range: 1 or more", runs)
	}
	server, err := parseServer(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := room(scenario.streams()); err != nil {
		return nil, err
	}
	pids := cfg.PIDs
	if len(pids) == 0 {
		pids = listeners(server)
	}
	results := make([]*Result, 0, runs)
	for i := range runs {
		s := &session{cfg: cfg, server: server, pids: pids, run: fmt.Sprintf("%08x", rand.Uint32()), epoch: rand.Uint32()}
		s.progress = &progress{out: cfg.Progress, terminal: cfg.Terminal}
		if runs > 1 {
			s.progress.prefix = fmt.Sprintf("run %d of %d: ", i+1, runs)
		}
		r, err := s.measure(ctx, scenario)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return median(results), nil
}

// room tells whether this process can hold so many streams.
func room(streams int) error {
	if streams > maxStreams {
		return fmt.Errorf("%d streams are more than the %d that one process holds: start several, each with a part", streams, maxStreams)
	}
	limit, err := descriptors()
	if need := uint64(streams + 150); err == nil && limit < need {
		err = fmt.Errorf("%d streams need %d file descriptors here, and RLIMIT_NOFILE allows %d: ulimit -n %d", streams, need, limit, need)
	}
	return err
}

// session is one run of a scenario.
type session struct {
	cfg      Config
	server   *server
	pids     []int
	run      string // in the ids of its visitors and users, so that they are new
	epoch    uint32 // of the marks
	engine   *engine
	progress *progress
	result   *Result
}

func (s *session) measure(ctx context.Context, scenario Scenario) (*Result, error) {
	var err error
	if s.engine, err = newEngine(s.server, s.cfg.Threads); err != nil {
		return nil, err
	}
	defer s.engine.close()
	s.engine.direct = s.cfg.Direct
	s.result = newResult(scenario, s.cfg)
	if len(s.pids) == 0 {
		s.result.note("the server's processes are not on this machine, or not ours to read: its memory and CPU are left out; --pid names them")
	}
	stop := s.progress.start()
	client := ownCPU()
	began := time.Now()
	err = scenario.run(ctx, s)
	stop()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	s.result.add("client_cpu", "% of a core", 100*(ownCPU()-client)/time.Since(began).Seconds(), "less")
	s.conclude()
	return s.result, nil
}

// conclude says in the result what went wrong on the side of the streams.
func (s *session) conclude() {
	e := s.engine
	if n := e.failed.Load(); n > 0 {
		s.result.fail("%d streams could not be opened", n)
	}
	if n := e.dropped.Load(); n > 0 {
		s.result.fail("%d streams were ended by the server", n)
	}
	reasons := e.noted()
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		s.result.note("%d × %s", reasons[why], why)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, keys := range slices.Sorted(maps.Keys(e.limits)) {
		s.result.limit(keys)
	}
}

// visitor is an anonymous id that is nobody else's: at least 16 characters, so
// that it counts by possession.
func (s *session) visitor(i int) string { return fmt.Sprintf("bench-%s-%08d", s.run, i) }

func (s *session) user(i int) string { return fmt.Sprintf("bench-user-%s-%d", s.run, i) }

// start begins to open and read streams as plan says.
func (s *session) start(plan func(int) opening, sink func(*tally, *stream, event, int64)) {
	s.engine.plan, s.engine.sink = plan, sink
	s.engine.run()
}

// open opens streams until there have been n, and returns how many are open. It
// gives up when a limit is met, since more would be refused too.
func (s *session) open(ctx context.Context, n int) (int, error) {
	e := s.engine
	e.want.Store(int64(n))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for e.ready.Load()+e.failed.Load() < int64(n) {
		s.progress.say("%d of %d streams are open, %d failed", e.ready.Load(), n, e.failed.Load())
		if e.failed.Load() >= 500 && e.ready.Load() < e.failed.Load() || e.limited.Load() >= 20 {
			e.want.Store(e.started.Load())
			if e.ready.Load()+e.failed.Load() >= e.started.Load() {
				break
			}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
	ready := int(e.ready.Load() - e.dropped.Load())
	if ready == 0 {
		return 0, fmt.Errorf("no stream could be opened: %s", s.why())
	}
	return ready, nil
}

// why are the reasons of what failed, the most frequent first.
func (s *session) why() string {
	reasons := s.engine.noted()
	list := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int { return reasons[b] - reasons[a] })
	for i, why := range list {
		list[i] = fmt.Sprintf("%d × %s", reasons[why], why)
	}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, keys := range slices.Sorted(maps.Keys(s.engine.limits)) {
		list = append(list, "set "+keys+" to 0 for the measurement")
	}
	return strings.Join(list, "; ")
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// settle waits until done, or until nothing has arrived for the time of Drain.
func (s *session) settle(ctx context.Context, done func() bool) error {
	from := clock()
	for !done() {
		if clock()-max(from, s.engine.peek().lastArrival) > int64(s.cfg.Drain) {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// serverCPU is what the server's processes have used, in seconds.
func (s *session) serverCPU() float64 { return cpuOf(s.pids) }

// addCPU adds the server's CPU per unit of work to the result.
func (s *session) addCPU(name, unit string, seconds, count float64) {
	if len(s.pids) > 0 && count > 0 {
		s.result.add(name, unit, seconds/count, "less")
	}
}
