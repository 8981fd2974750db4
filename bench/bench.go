package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
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
