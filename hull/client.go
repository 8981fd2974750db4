package hull

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// What a question to Hull may come to besides an answer. The fourth is
// ErrUnavailable: Hull did not answer in time or with a 5xx, or has failed so
// often lately that it is left alone for a while.
var (
	// ErrNotFound: Hull does not know the user, or the connector.
	ErrNotFound = errors.New("not found in Hull")

	// ErrRefused: the credentials cannot be used or are not accepted, or Hull's
	// answer is none (a redirect, not an object, more than 1 MiB). Asking again
	// does not help.
	ErrRefused = errors.New("refused by Hull")

	// ErrBusy: too much is being asked at the moment, by us or in Hull's view.
	ErrBusy = errors.New("too many look-ups in Hull")
)

// ClientConfig says how Hull's REST API is used.
type ClientConfig struct {
	// APIURL takes the place of https://{organization}, for tests and for those
	// who run an API of their own. It may be http and private, since the operator
	// sets it; organizations may then have a port, and extracts may come from there, too.
	// Without a path /api/v1/ is meant. Default "": the organization's host, which is
	// refused when it is not public.
	APIURL string `mapstructure:"api_url"`
	// LookupTimeout bounds a look-up with all its waiting and its repetitions,
	// 100ms to 1m. Default 5s.
	LookupTimeout time.Duration `mapstructure:"lookup_timeout"`
	// Lookups is how many run at a time on this node, 1 to 1000, beside
	// connectorPlaces questions about connectors. Default 16. Up
	// to lookupQueue more wait for a place, half their LookupTimeout at most;
	// above that the answer is ErrBusy at once.
	Lookups int `mapstructure:"lookups"`
	// NegativeTTL is how long Hull is not asked again for a user that it did not
	// know, 0 to 1h. Default 30s; 0 asks each time. At most negativeEntries are
	// remembered.
	NegativeTTL time.Duration `mapstructure:"negative_ttl"`
	// ExtractHosts are the domains that extracts may be downloaded from: these hosts
	// and those below them. Requests name the URLs. Default amazonaws.com, hullapp.io
	// and hull.io; a domain has at least two labels; none: nothing is downloaded.
	ExtractHosts []string `mapstructure:"extract_hosts"`
	// ExtractBytes is how much of an extract is read, unpacked, 1024 to 1<<40.
	// Default 1<<30.
	ExtractBytes int64 `mapstructure:"extract_bytes"`
	// Version is what we call ourselves, in User-Agent. Default "dev".
	Version string `mapstructure:"-"`
	// Traceparent sends with each request of a traced look-up which trace it is part of.
	// Default false: that is nobody's business but ours.
	Traceparent bool `mapstructure:"-"`
}

// DefaultClientConfig returns the settings of a node in production.
func DefaultClientConfig() ClientConfig {
	return ClientConfig{
		LookupTimeout: 5 * time.Second,
		Lookups:       16,
		NegativeTTL:   30 * time.Second,
		ExtractHosts:  []string{"amazonaws.com", "hullapp.io", "hull.io"},
		ExtractBytes:  1 << 30,
		Version:       "dev",
	}
}

// Validate reports the first setting that is out of range.
func (c ClientConfig) Validate() error {
	if err := checkOperatorURL("hull.api_url", c.APIURL); err != nil {
		return err
	}
	switch {
	case c.LookupTimeout < 100*time.Millisecond || c.LookupTimeout > time.Minute:
		return fmt.Errorf("hull.lookup_timeout: %v is not within 100ms and 1m", c.LookupTimeout)
	case c.Lookups < 1 || c.Lookups > 1000:
		return fmt.Errorf("hull.lookups: %d is not within 1 and 1000", c.Lookups)
	case c.NegativeTTL < 0 || c.NegativeTTL > time.Hour:
		return fmt.Errorf("hull.negative_ttl: %v is not within 0 and 1h", c.NegativeTTL)
	case c.ExtractBytes < 1<<10 || c.ExtractBytes > 1<<40:
		return fmt.Errorf("hull.extract_bytes: %d is not within 1024 and %d", c.ExtractBytes, 1<<40)
	}
	for i, host := range c.ExtractHosts {
		if !isHostName(host) || !strings.Contains(host, ".") {
			return fmt.Errorf("hull.extract_hosts[%d]: %q is not a domain of two labels or more", i, host)
		}
	}
	return nil
}

// checkOperatorURL checks an address that an operator may set.
func checkOperatorURL(key, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%s: not an http or https URL without user, query and fragment", key)
	}
	return nil
}

// Credentials are a connector's with Hull.
type Credentials struct {
	ConnectorID  string
	Organization string // a host name, e.g. acme.hullapp.io
	Secret       string
}

// check keeps an organization from being more than a host: it comes from
// notifications, and makes a URL, unless an operator's URL takes its place, as
// operatorURL says.
func (c Credentials) check(operatorURL bool) error {
	switch {
	case !isHostName(c.Organization) && (!operatorURL || !isHostPort(c.Organization)):
		return fmt.Errorf("%w: the organization is not a host name", ErrRefused)
	case !isPrintable(c.ConnectorID) || !isPrintable(c.Secret):
		return fmt.Errorf("%w: no connector id or no secret that fits a header", ErrRefused)
	}
	return nil
}

// isPrintable reports whether text is not empty and of printable ASCII without
// space. Other text would fail in net/http and look as if Hull had failed.
func isPrintable(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Client asks Hull's REST API. Look-ups are caused by pages that have proven
// little, so each of its ways to Hull has a bound. It may be used by many
// goroutines; those it starts end within LookupTimeout.
type Client struct {
	cfg        ClientConfig
	http       *http.Client
	downloads  *http.Client
	flights    singleflight.Group
	lookups    gate
	connectors gate // for what is asked about a connector, not about a user
	negatives  negatives
	breakers   breakers
	metrics    clientMetrics
}

// NewClient returns a client, or the error of cfg.Validate.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Version = cmp.Or(cfg.Version, DefaultClientConfig().Version)
	return &Client{
		cfg:        cfg,
		http:       newHTTPClient(newTransport(cfg.APIURL == "")),
		downloads:  newHTTPClient(newTransport(true)),
		lookups:    newGate(cfg.Lookups),
		connectors: newGate(connectorPlaces),
		negatives:  negatives{ttl: cfg.NegativeTTL},
		metrics:    newClientMetrics(),
	}, nil
}

// Close drops the connections that are kept open for the next look-up or download.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.downloads.CloseIdleConnections()
}

// UserReport returns the JSON object that Hull has on the user whom the topics
// name, which must be proven: Hull is asked with an administrator's rights. It
// asks with one topic of a kind, never makes Hull create a user, and marks the
// user active, so that updates come by the fast lane.
//
// It blocks until the answer is there, until LookupTimeout or until ctx ends,
// which others who ask for the same user do not notice. The bytes are shared with
// them and must not be changed. Errors wrap ErrNotFound, ErrRefused, ErrBusy,
// ErrUnavailable or the error of ctx, and tell neither secret nor claim;
// ErrNoClaims: there are no topics.
func (c *Client) UserReport(ctx context.Context, credentials Credentials, topics []Topic) ([]byte, error) {
	claims := ClaimsOf(topics)
	if claims.Empty() {
		return nil, ErrNoClaims
	}
	claims.AnonymousIDs = claims.AnonymousIDs[:min(1, len(claims.AnonymousIDs))]
	if err := credentials.check(c.cfg.APIURL != ""); err != nil {
		return nil, err
	}
	key := newFlightKey(credentials, "me/user_report", claims)
	if c.negatives.has(key) {
		return nil, ErrNotFound
	}
	return c.fly(ctx, c.lookups, key, func(ctx context.Context) ([]byte, error) {
		report, err := c.get(ctx, credentials, question{call: callUser, path: "me/user_report"}, func() string {
			options := TokenOptions{Scopes: []string{"admin"}, Create: new(false), Active: new(true)}
			return AccessToken(credentials, claims, options, time.Now())
		})
		if _, noUser := ParseReport(report); err == nil && noUser != nil {
			err = fmt.Errorf("%w: a report without id", ErrNotFound)
		}
		if errors.Is(err, ErrNotFound) {
			c.negatives.add(key)
		}
		return report, err
	})
}

// App returns the JSON object that Hull has on the connector itself. An answer
// proves that the credentials are right for that organization; the caller
// compares the id in it. It blocks and fails like UserReport, but remembers no
// failure: a notification that brings new credentials is rare.
func (c *Client) App(ctx context.Context, credentials Credentials) ([]byte, error) {
	if err := credentials.check(c.cfg.APIURL != ""); err != nil {
		return nil, err
	}
	key := newFlightKey(credentials, "app", Claims{})
	return c.fly(ctx, c.connectors, key, func(ctx context.Context) ([]byte, error) {
		return c.get(ctx, credentials, question{call: callConnector, path: "app"}, func() string { return credentials.Secret })
	})
}

// SegmentsOf says whose segments are meant.
type SegmentsOf string

// The paths of Hull's REST API.
const (
	SegmentsOfUsers    SegmentsOf = "users_segments"
	SegmentsOfAccounts SegmentsOf = "accounts_segments"
)

// Segments returns the JSON list that Hull has of the organization's segments. It
// blocks and fails like App.
func (c *Client) Segments(ctx context.Context, credentials Credentials, of SegmentsOf) ([]byte, error) {
	if err := credentials.check(c.cfg.APIURL != ""); err != nil {
		return nil, err
	}
	key := newFlightKey(credentials, string(of), Claims{})
	return c.fly(ctx, c.connectors, key, func(ctx context.Context) ([]byte, error) {
		asked := question{call: callSegments, path: string(of), query: url.Values{"shipId": {credentials.ConnectorID}}, list: true}
		return c.get(ctx, credentials, asked, func() string { return credentials.Secret })
	})
}

// newFlightKey hashes all that an answer depends on. The secret is part of it:
// whoever asks with a wrong one must not share the answer to the right one.
func newFlightKey(credentials Credentials, path string, claims Claims) flightKey {
	text, err := json.Marshal([]any{credentials, path, claims})
	if err != nil {
		panic(err) // strings always encode
	}
	return sha256.Sum256(text)
}

// fly joins the flight of key, or starts one with ask once g lets it through. It does
// not end with the ctx of whoever started it.
func (c *Client) fly(ctx context.Context, g gate, key flightKey, ask func(context.Context) ([]byte, error)) ([]byte, error) {
	flight := c.flights.DoChan(string(key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.LookupTimeout)
		defer cancel()
		if err := c.enter(ctx, g); err != nil {
			return nil, err
		}
		defer g.leave()
		return ask(ctx)
	})
	select {
	case result := <-flight:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.([]byte), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enter waits for a place no longer than half the time of a look-up. What comes
// in later would run out of time in the midst of its request, and Hull would get
// the blame.
func (c *Client) enter(ctx context.Context, g gate) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LookupTimeout/2)
	defer cancel()
	return g.enter(ctx)
}
