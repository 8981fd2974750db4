// Package api is the edge of Hullbeam: routes, origins, limits, problems, and
// the order of the steps between what Hull says (hull), who is listening
// (stream) and what is remembered (store). It holds no SQL and no SSE bytes.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// Config is what the routes need to know. Of the groups, the keys in messages
// are those of config.yaml.
type Config struct {
	// PublicURL is the address that browsers use, without a path. "": each page
	// is told the address that it asked.
	PublicURL string
	// AdminKeys let operators in.
	AdminKeys []string
	// AdminApart keeps operators' routes off Handler: they are on AdminHandler.
	AdminApart bool
	// TrustedProxies are the addresses and networks whose X-Forwarded-For counts.
	TrustedProxies []string
	// Demo serves the demonstration page, in development mode.
	Demo bool

	Identity Identity
	Limits   Limits
	Hull     Hull
	Cluster  Cluster
	Stream   stream.Config
}

// Identity says which claims count (docs/protocol.md, proof of identity).
type Identity struct {
	// Verification holds for connectors that do not say themselves:
	// "possession": anonymous ids count as such, other claims when signed;
	// "signed": only signed claims; "off": every claim counts, and anyone may
	// read anyone's public traits. Default possession.
	Verification string `mapstructure:"verification"`
	// PossessionServices are the services whose anonymous ids, written
	// service:id, count by possession; others can be counted through. Default
	// [intercom].
	PossessionServices []string `mapstructure:"possession_services"`
}

// DefaultIdentity is what holds when nothing is configured.
func DefaultIdentity() Identity {
	return Identity{Verification: "possession", PossessionServices: []string{"intercom"}}
}

// Validate names the first key whose value is out of its range.
func (i Identity) Validate() error {
	if !slices.Contains([]string{"possession", "signed", "off"}, i.Verification) {
		return fmt.Errorf("identity.verification: %q is out of range: possession, signed or off", i.Verification)
	}
	for _, service := range i.PossessionServices {
		if service == "" || strings.ContainsAny(service, ": ") {
			return fmt.Errorf("identity.possession_services: %q is out of range: names without a colon", service)
		}
	}
	return nil
}

// Hull says from which organizations connectors are accepted.
type Hull struct {
	// Organizations are the suffixes of organizations from which a connector
	// that is not known yet is accepted. Default [hullapp.io].
	Organizations []string `mapstructure:"organizations"`
	// MaxConnectors is how many connectors there may be for another one to be
	// learnt that way. 0 to 1000000; default 1000.
	MaxConnectors int `mapstructure:"max_connectors"`
}

// DefaultHull is what holds when nothing is configured.
func DefaultHull() Hull { return Hull{Organizations: []string{"hullapp.io"}, MaxConnectors: 1000} }

// Validate names the first key whose value is out of its range.
func (h Hull) Validate() error {
	if h.MaxConnectors < 0 || h.MaxConnectors > 1_000_000 {
		return fmt.Errorf("hull.max_connectors: %d is out of range: 0 to 1000000", h.MaxConnectors)
	}
	for _, suffix := range h.Organizations {
		if suffix == "" || strings.ContainsAny(suffix, "/@ ") || strings.HasPrefix(suffix, ".") {
			return fmt.Errorf("hull.organizations: %q is out of range: host names such as hullapp.io", suffix)
		}
	}
	return nil
}

// verifier checks that a notification is Hull's. hull.Verifier is one.
type verifier interface {
	CheckHeaders(http.Header) error
	Verify(ctx context.Context, h http.Header, notificationID string) error
}

// directory asks Hull. hull.Client is one.
type directory interface {
	UserReport(ctx context.Context, cred hull.Credentials, topics []hull.Topic) ([]byte, error)
	App(ctx context.Context, cred hull.Credentials) ([]byte, error)
}

// Parts are what New joins. All but Bus and Now are required.
type Parts struct {
	Store store.Store
	// Bus makes that to the other nodes, which Run runs; nil: there are none.
	// With it the store is one that nodes share.
	Bus      func(stream.Listener) stream.Bus
	Broker   *stream.Broker
	Tokens   *stream.Sealer
	Visitors *stream.Sealer
	Verifier verifier
	Hull     directory
	Registry prometheus.Gatherer
	Log      *slog.Logger
	Now      func() time.Time // time.Now when nil
}

// Server answers requests.
type Server struct {
	cfg        Config
	store      store.Store
	broker     *stream.Broker
	tokens     *stream.Sealer
	visitors   *stream.Sealer
	verifier   verifier
	hull       directory
	registry   prometheus.Gatherer
	log        *slog.Logger
	now        func() time.Time
	connectors *connectors
	cluster    *cluster // nil: this node is alone
	events     *events
	metrics    *metrics
	operators  operators
	hullFails  atomic.Bool // the last look-up failed
	storeFails atomic.Bool // the last write failed
	prepared   atomic.Bool
	pings      singleflight.Group

	tokenRates       *rates
	addressStreams   *places
	connectorStreams *places
	openings         *places

	public, admin *gin.Engine
}

// New makes a server. It fails on a public URL or trusted proxies that cannot
// be read.
func New(cfg Config, parts Parts) (*Server, error) {
	if u, err := url.Parse(cfg.PublicURL); cfg.PublicURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "") {
		return nil, fmt.Errorf("public_url: %q is out of range: http(s)://host[:port] without a path", cfg.PublicURL)
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	s := &Server{
		cfg: cfg, store: parts.Store, broker: parts.Broker, tokens: parts.Tokens, visitors: parts.Visitors,
		verifier: parts.Verifier, hull: parts.Hull, registry: parts.Registry, log: parts.Log, now: parts.Now,
		connectors: newConnectors(parts.Store), events: newEvents(), metrics: newMetrics(),
		operators:        newOperators(cfg.AdminKeys),
		tokenRates:       newRates(cfg.Limits.TokensPerAddress),
		addressStreams:   newPlaces(cfg.Limits.StreamsPerAddress),
		connectorStreams: newPlaces(cfg.Limits.StreamsPerConnector),
		openings:         newPlaces(cfg.Limits.Openings),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.prepared.Store(parts.Bus == nil); parts.Bus != nil {
		shared, ok := parts.Store.(sharedStore)
		if !ok {
			return nil, fmt.Errorf("api: a %T is not shared by nodes", parts.Store)
		}
		s.cluster = newCluster(s, shared, cfg.Cluster)
		s.cluster.bus = parts.Bus(s.cluster)
		s.connectors.watched = s.cluster.watch
	}
	var err error
	if s.public, err = s.engine(); err != nil {
		return nil, err
	}
	s.publicRoutes(s.public)
	if s.admin = s.public; cfg.AdminApart {
		if s.admin, err = s.engine(); err != nil {
			return nil, err
		}
		s.healthRoutes(s.admin)
	}
	s.adminRoutes(s.admin)
	s.track(boot)
	return s, nil
}

// StreamPath is the path of event streams.
const StreamPath = "/api/v1/stream"

// publicRoutes are those of browsers, of Hull, and of everybody.
func (s *Server) publicRoutes(r *gin.Engine) {
	v1 := r.Group("/api/v1", cors)
	v1.POST("/connectors/:connector/token", s.postToken)
	v1.OPTIONS("/connectors/:connector/token", preflight)
	v1.GET("/connectors/:connector/:script", s.getScript)
	v1.GET("/stream", s.getStream) // StreamPath
	v1.OPTIONS("/stream", preflight)

	r.POST("/smart-notifier", s.postNotification)

	s.healthRoutes(r)
	r.GET("/openapi.yaml", getOpenAPI)
	r.GET("/docs", s.getDocs)
	r.GET("/docs/*page", s.getDocs)
	if s.cfg.Demo {
		r.GET("/demo/*file", getDemo)
	}
}

func (s *Server) healthRoutes(r *gin.Engine) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Handle(method, "/healthz", getHealth)
		r.Handle(method, "/readyz", s.getReady)
	}
}

// adminRoutes are those of operators.
func (s *Server) adminRoutes(r *gin.Engine) {
	r.GET("/metrics", s.machine, s.getMetrics)
	r.GET("/debug/pprof/*name", s.machine, getProfile)
	of := r.Group("/api/v1/connectors/:connector", s.operator)
	of.POST("/users", s.postUsers)
	of.POST("/offers", s.postOffer)
}

func init() { gin.SetMode(gin.ReleaseMode) } // its debug mode prints routes

// engine makes a router with what holds for every route.
func (s *Server) engine() (*gin.Engine, error) {
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.UseRawPath, r.UnescapePathValues = true, true // a topic is one percent-encoded segment
	r.RedirectTrailingSlash = false
	if err := r.SetTrustedProxies(s.cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	r.Use(requestID, s.accessLog, s.recovery, s.readDeadline)
	r.NoRoute(cors, func(c *gin.Context) { s.fail(c, newProblem("not_found", "No route has this path.")) })
	r.NoMethod(cors, func(c *gin.Context) { s.fail(c, newProblem("method_not_allowed", "See /openapi.yaml.")) })
	return r, nil
}

// Handler serves browsers and Hull, and operators unless Config.AdminApart.
func (s *Server) Handler() http.Handler { return s.public }

// AdminHandler serves operators.
func (s *Server) AdminHandler() http.Handler { return s.admin }

// Routes lists the routes of both handlers as "METHOD /path".
func (s *Server) Routes() []string {
	var routes []string
	for _, r := range append(s.public.Routes(), s.admin.Routes()...) {
		routes = append(routes, r.Method+" "+r.Path)
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}

// Metrics are the server's collectors.
func (s *Server) Metrics() []prometheus.Collector {
	backlog := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hullbeam_resync_backlog",
		Help: "What this node has still to do to be as Redis is: users, topics and connectors to be read, streams to be told of their users. Without Redis 0.",
	}, func() float64 {
		if s.cluster == nil {
			return 0
		}
		return float64(s.cluster.backlog())
	})
	return append(s.metrics.collectors(), s.events.vec, backlog)
}

// Prepared says that the store was in reach: the node, unless it is alone, is not
// ready before. The other nodes are told to read the connectors that were put in
// meanwhile.
func (s *Server) Prepared(put ...string) {
	if s.cluster != nil {
		s.cluster.tellLater(put)
	}
	s.prepared.Store(true)
}

// Started says that the server listens.
func (s *Server) Started() { s.track(listen, started) }
