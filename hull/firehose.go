package hull

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// FirehoseConfig says how page views and traits are sent to Hull.
type FirehoseConfig struct {
	// URL takes the place of https://firehose.{domain}, where the domain is a
	// connector's organization without its first label. It may be http and private,
	// since the operator sets it. Default "": what FirehoseURL makes of the URL of
	// Hull's API, or else the organization's, which is refused when it is not under
	// Domains or not public.
	URL string `mapstructure:"firehose_url"`
	// Queue is how many entries may wait or be on their way, 1 to 1000000. Default
	// 10000. One more has one dropped, of the connector of which most wait. An entry
	// of a page view takes about a kilobyte, and 10 at most.
	Queue int `mapstructure:"firehose_queue"`
	// MaxAge is how long an entry is tried to be sent before it is dropped, 1s to
	// 1h. Default 1m.
	MaxAge time.Duration `mapstructure:"firehose_max_age"`
	// Domains are the suffixes under which the firehose of an organization must be.
	Domains []string `mapstructure:"-"`
	// Version is what we call ourselves, in User-Agent. Default "dev".
	Version string `mapstructure:"-"`
	// Log is told when Hull does not take what is sent. Default nil: nobody is.
	Log *slog.Logger `mapstructure:"-"`
}

// DefaultFirehoseConfig returns the settings of a node in production.
func DefaultFirehoseConfig() FirehoseConfig {
	return FirehoseConfig{Queue: 10_000, MaxAge: time.Minute, Version: "dev"}
}

// Validate reports the first setting that is out of range.
func (c FirehoseConfig) Validate() error {
	if err := checkOperatorURL("hull.firehose_url", c.URL); err != nil {
		return err
	}
	switch {
	case c.Queue < 1 || c.Queue > 1_000_000:
		return fmt.Errorf("hull.firehose_queue: %d is not within 1 and 1000000", c.Queue)
	case c.MaxAge < time.Second || c.MaxAge > time.Hour:
		return fmt.Errorf("hull.firehose_max_age: %v is not within 1s and 1h", c.MaxAge)
	}
	return nil
}

// FirehoseURL is where the firehose is of a Hull whose API is at apiURL, as test
// doubles have it; "" for "".
func FirehoseURL(apiURL string) string {
	if apiURL == "" {
		return ""
	}
	return apiBase(apiURL).JoinPath("firehose").String()
}

// About says whom an entry is about, and what caused it.
type About struct {
	Credentials Credentials // of the connector in whose name it is sent
	Claims      Claims      // proven ones: Hull joins those that come together
	RequestID   string      // of the request that caused it; "" for none
	At          time.Time
}

// Event is something that a user did.
type Event struct {
	Name       string         // "page" for a page view
	ID         string         // Hull takes one of several events with the same id
	URL        string         // "": none
	Referrer   string         // "": none
	Properties map[string]any // flat
}

// Firehose tells Hull of events and traits of users (docs/hull-protocol.md 8.5). It
// collects them per connector and secret and sends them in batches, in the background
// and as long as Run runs. Track and SetTraits never wait: what there is no room for,
// or Hull does not take, is dropped and counted. It may be used by many goroutines.
//
// Every entry marks its user active, so that what Hull makes of it comes back by the
// fast lane, and has Hull create a user whom it does not know, as trackers do.
type Firehose struct {
	cfg      FirehoseConfig
	http     *http.Client
	breakers breakers
	metrics  firehoseMetrics
	woken    chan struct{} // Run is to look at the lanes
	told     func(connectorID string, err error)

	mu      sync.Mutex
	lanes   map[Credentials]*firehoseLane // those with entries
	held    int                           // entries that wait or are on their way
	stopped bool                          // nothing is taken any more
	warned  map[string]time.Time          // connectors, when there was a warning last
}

// NewFirehose returns a firehose, or the error of cfg.Validate.
func NewFirehose(cfg FirehoseConfig) (*Firehose, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Version = cmp.Or(cfg.Version, DefaultFirehoseConfig().Version)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Firehose{
		cfg:    cfg,
		http:   newHTTPClient(newTransport(cfg.URL == "")),
		woken:  make(chan struct{}, 1),
		lanes:  make(map[Credentials]*firehoseLane),
		warned: make(map[string]time.Time),
		told:   func(string, error) {},
	}
	f.metrics = newFirehoseMetrics(f)
	return f, nil
}

// Tell has told be called, by any goroutine, each time Hull has taken what was sent for
// a connector, with nil, or did not and it was dropped, with the reason. It is for
// before Run, and told must not wait.
func (f *Firehose) Tell(told func(connectorID string, err error)) { f.told = told }

// Track tells Hull of an event. It keeps event's properties, which must not be
// changed.
func (f *Firehose) Track(about About, event Event) {
	f.put(about, "track", trackBody{
		URL: textOrNull(event.URL), Referrer: textOrNull(event.Referrer), EventID: event.ID,
		Source: "hullbeam", Properties: event.Properties, Event: event.Name,
	})
}

// SetTraits gives a user traits: each the value that it has in traits, which must
// not be changed.
func (f *Firehose) SetTraits(about About, traits map[string]any) {
	f.put(about, "traits", traits)
}

// trackBody has the members and the order of Hull's clients. The visitor's address
// is not sent.
type trackBody struct {
	IP         *string        `json:"ip"`
	URL        *string        `json:"url"`
	Referrer   *string        `json:"referer"`
	EventID    string         `json:"event_id"`
	Source     string         `json:"source"`
	Properties map[string]any `json:"properties"`
	Event      string         `json:"event"`
}

func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// flushTime is how long what waits when a node stops may take to be sent.
const flushTime = 3 * time.Second

// Run sends until ctx ends. Then it sends what waits, for three seconds at most,
// drops the rest, and returns.
func (f *Firehose) Run(ctx context.Context) error {
	defer f.http.CloseIdleConnections()
	sends, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var sending sync.WaitGroup
	for ctx.Err() == nil {
		f.wait(ctx, f.dispatch(sends, &sending))
	}
	f.stop()
	defer time.AfterFunc(flushTime, abandon).Stop()
	for sends.Err() == nil && f.queued() > 0 {
		f.wait(sends, f.dispatch(sends, &sending))
	}
	abandon()
	sending.Wait()
	f.dropAll()
	return nil
}

// dispatch begins to send the batches that are due, and says how long the next is not.
func (f *Firehose) dispatch(ctx context.Context, sending *sync.WaitGroup) (wait time.Duration) {
	batches, wait := f.due(time.Now())
	for _, b := range batches {
		sending.Go(func() {
			f.count(f.deliver(ctx, b), len(b.entries))
			f.done(b)
		})
	}
	return wait
}

// wait returns after d, when there may be something to do, or with ctx.
func (f *Firehose) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-f.woken:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// target is the firehose of an organization. ErrRefused: it is not one that a secret
// may be sent to.
func (f *Firehose) target(organization string) (string, error) {
	if f.cfg.URL != "" {
		return f.cfg.URL, nil
	}
	_, domain, _ := strings.Cut(organization, ".")
	host := "firehose." + strings.ToLower(domain)
	if !HostUnder(host, f.cfg.Domains) {
		return "", fmt.Errorf("%w: the organization's firehose is not under hull.organizations; hull.firehose_url can name another", ErrRefused)
	}
	return (&url.URL{Scheme: "https", Host: host}).String(), nil
}
