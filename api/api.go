// Package api is the edge of Hullbeam: routes, origins, limits, problems, and
// the order of the steps between what Hull says (hull), who is listening
// (stream) and what is remembered (store). It holds no SQL and no SSE bytes.
package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// verifier checks that a notification is Hull's. hull.Verifier is one.
type verifier interface {
	CheckHeaders(http.Header) error
	Verify(ctx context.Context, h http.Header, notificationID string) error
	VerifySNS(ctx context.Context, m *hull.SNSMessage, connectorID string) error
	ConfirmSNS(ctx context.Context, m *hull.SNSMessage) error
	KnowsSNS() bool
	ReplayWindow() time.Duration
	Verifies() bool
}

// directory asks Hull. hull.Client is one.
type directory interface {
	UserReport(ctx context.Context, cred hull.Credentials, topics []hull.Topic) ([]byte, error)
	App(ctx context.Context, cred hull.Credentials) ([]byte, error)
	Segments(ctx context.Context, cred hull.Credentials, of hull.SegmentsOf) ([]byte, error)
	Extract(ctx context.Context, url string) (io.ReadCloser, error)
	PutStatus(ctx context.Context, cred hull.Credentials, status hull.Status) error
}

// firehose tells Hull what visitors do, without waiting. hull.Firehose is one.
type firehose interface {
	Track(about hull.About, event hull.Event)
	SetTraits(about hull.About, traits map[string]any)
	Forget(connectorID string, topics []hull.Topic)
	Tell(told func(connectorID string, err error))
}

// Parts are what New joins. All but Bus, Demo and Now are required.
type Parts struct {
	Store store.Store
	// Bus makes that to the other nodes, which Run runs; nil: there are none.
	// With it the store is one that nodes share.
	Bus      func(stream.Listener) stream.Bus
	Broker   *stream.Broker
	Tokens   *stream.Sealer
	Visitors *stream.Sealer
	Sessions *stream.Sealer
	Verifier verifier
	Hull     directory
	Firehose firehose
	Registry prometheus.Gatherer
	Log      *slog.Logger
	// Demo answers, below /demo/, what is no file of the demonstration site: all but GET,
	// and what is below hull/. It is asked when Config.Demo is set; nil: nothing is there.
	Demo   http.Handler
	Now    func() time.Time // time.Now when nil
	Tracer trace.Tracer     // nil: nothing is traced
}

// Server answers requests.
type Server struct {
	cfg        Config
	store      store.Store
	broker     *stream.Broker
	tokens     *stream.Sealer
	visitors   *stream.Sealer
	sessions   *stream.Sealer
	verifier   verifier
	hull       directory
	firehose   firehose
	demo       http.Handler // nil: there is none
	tracer     trace.Tracer // nil: nothing is traced
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
	claimRates       *rates // of anonymous ids that a person claims first
	connectorTokens  *rates
	addressStreams   *places
	visitorPlaces    *places
	connectorStreams *places
	openings         *places
	visitorRates     *rates
	wrongKeys        *rates // by address
	offerRates       *rates // by operator
	refusals         *rates // that are noted in the audit log
	views            views

	proxies                       proxies
	connections, adminConnections *connections

	intake  *intake
	pace    hull.Pace
	scratch sync.Pool // of *[]byte, for payloads

	extracts *extracts
	docs     *docsFiles

	presence    *presence
	live        liveViews
	liveStreams *places
	pending     *pendingOffers
	deliveries  deliveries
	storeRests  time.Time    // until then: stepStore
	recording   atomic.Int64 // page views and emails that wait for the store
	onlyHTTPS   bool         // the address that browsers use is https

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
		cfg:              cfg,
		store:            parts.Store,
		broker:           parts.Broker,
		tokens:           parts.Tokens,
		visitors:         parts.Visitors,
		sessions:         parts.Sessions,
		verifier:         parts.Verifier,
		hull:             parts.Hull,
		firehose:         parts.Firehose,
		demo:             parts.Demo,
		tracer:           parts.Tracer,
		registry:         parts.Registry,
		log:              parts.Log,
		now:              parts.Now,
		connectors:       newConnectors(parts.Store),
		events:           newEvents(),
		metrics:          newMetrics(),
		tokenRates:       newRates(cfg.Limits.TokensPerAddress),
		claimRates:       newRates(claimsPerPerson),
		connectorTokens:  newRates(cfg.Limits.TokensPerConnector),
		visitorPlaces:    newPlaces(cfg.Limits.StreamsPerVisitor),
		addressStreams:   newPlaces(cfg.Limits.StreamsPerAddress),
		connectorStreams: newPlaces(cfg.Limits.StreamsPerConnector),
		openings:         newPlaces(cfg.Limits.Openings),
		visitorRates:     newRates(cfg.Limits.PagesPerVisitor),
		wrongKeys:        newRates(cfg.Limits.WrongKeysPerAddress),
		offerRates:       newRates(cfg.Limits.OffersPerOperator),
		refusals:         newRates(refusalsNoted),
		extracts:         newExtracts(cfg.Hull.Extracts),
		docs:             newDocsFiles(),
		liveStreams:      newPlaces(cfg.Visitors.LiveStreams),
		onlyHTTPS:        isOnlyHTTPS(cfg.PublicURL),
	}
	s.intake = newIntake(cfg.Limits.NotificationMemory, cfg.Limits.NotificationBody, s.met)
	s.connections, s.adminConnections = newConnections(cfg.Limits, s.met), newConnections(cfg.Limits, s.met)
	s.scratch.New = func() any { return new([]byte) }
	if s.now == nil {
		s.now = time.Now
	}
	s.connectors.revokedSince = s.revokedSince
	s.presence = newPresence(cfg.Visitors.Grace, s.now)
	s.pending = &pendingOffers{store: parts.Store, now: s.now, taken: s.tookOffer, lists: map[string]*pendingList{}}
	if s.prepared.Store(parts.Bus == nil); parts.Bus != nil {
		shared, ok := parts.Store.(sharedStore)
		if !ok {
			return nil, fmt.Errorf("api: a %T is not shared by nodes", parts.Store)
		}
		s.cluster = newCluster(s, shared, cfg.Cluster)
		s.cluster.bus = parts.Bus(s.cluster)
		s.pending.path = stream.PathBus
		s.connectors.shared, s.connectors.watched = true, s.cluster.watch
	}
	s.firehose.Tell(s.markViews)
	var err error
	if s.operators, err = newOperators(cfg.AdminKeys, cfg.OperatorKeys); err != nil {
		return nil, err
	}
	if s.proxies, err = parseProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	s.public = s.engine(s.missing)
	s.publicRoutes(s.public)
	if s.admin = s.public; cfg.AdminApart {
		s.admin = s.engine(s.fail) // it has no documents that a page could lead to
		s.healthRoutes(s.admin)
	}
	s.adminRoutes(s.admin)
	s.track(boot)
	return s, nil
}

func init() { gin.SetMode(gin.ReleaseMode) } // its debug mode prints routes

// engine makes a router with what holds for every route, and refuses what has none.
func (s *Server) engine(refuse func(*gin.Context, error)) *gin.Engine {
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.UseRawPath, r.UnescapePathValues = true, true // a topic is one percent-encoded segment
	r.RedirectTrailingSlash = false
	r.ForwardedByClientIP = false // forwardedAddress
	r.Use(requestID, s.headers, s.accessLog, s.recovery, s.shedConnections, s.readDeadline)
	if s.cfg.Demo {
		r.Use(s.thisMachine)
	}
	r.NoRoute(cors, func(c *gin.Context) { refuse(c, newProblem("not_found", "No route has this path.")) })
	r.NoMethod(cors, func(c *gin.Context) { s.fail(c, newProblem("method_not_allowed", "See /openapi.yaml.")) })
	return r
}

// Run reads extracts, writes the marks of connectors and who visitors are, sends the
// offers that wait, tells operators who is there, forgets what is too old, and keeps the
// node in touch with the others, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { s.runExtracts(ctx) })
	running.Go(func() { s.runMarks(ctx) })
	running.Go(func() { s.runHistory(ctx) })
	running.Go(func() { s.runPresence(ctx) })
	if s.cluster == nil {
		return nil
	}
	running.Go(func() { s.cluster.run(ctx) })
	return s.cluster.bus.Run(ctx)
}

// Handler serves browsers and Hull, and operators unless Config.AdminApart.
func (s *Server) Handler() http.Handler { return s.public }

// AdminHandler serves operators.
func (s *Server) AdminHandler() http.Handler { return s.admin }

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
	return append(s.metrics.collectors(), s.events.vec, backlog, s.extracts.gauge(), s.historyQueue(), s.visitorsLive(), &nodeState{s})
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

// StreamPath is the path of event streams.
const StreamPath = "/api/v1/stream"

const healthPath = "/healthz"

// publicRoutes are those of browsers, of Hull, and of everybody.
func (s *Server) publicRoutes(r *gin.Engine) {
	v1 := r.Group("/api/v1", cors)
	v1.POST("/connectors/:connector/token", s.tracedPage, s.postToken)
	v1.OPTIONS("/connectors/:connector/token", preflight)
	v1.GET("/connectors/:connector/:script", s.getScript)
	v1.GET("/stream", s.tracedPage, s.getStream) // StreamPath
	v1.OPTIONS("/stream", preflight)
	v1.POST("/pages", s.postPage)
	v1.OPTIONS("/pages", preflight)
	v1.POST("/visitors/email", s.postEmail)
	v1.OPTIONS("/visitors/email", preflight)
	v1.POST("/offers/:offer/receipt", s.postReceipt)
	v1.OPTIONS("/offers/:offer/receipt", preflight)

	for _, path := range []string{"/ship.js", "/ship.d.ts", "/ship/:part"} {
		r.GET(path, s.getSnippet)
		r.HEAD(path, s.getSnippet)
	}

	r.POST("/smart-notifier", s.traced, s.postNotification)
	r.POST("/batch", s.traced, s.postBatch)
	r.GET("/status", s.anyStatus)
	r.POST("/status", s.anyStatus)
	r.GET("/manifest.json", s.getManifest)
	r.GET("/readme", getReadme)
	r.GET("/admin.html", s.getInstallPage)
	r.GET("/install/check", s.getInstallCheck)
	r.POST("/install/code", s.audited, s.postInstallCode)
	r.GET("/install/files/:file", s.getInstallFile)

	s.healthRoutes(r)
	r.GET("/openapi.yaml", getOpenAPI)
	r.GET("/llms.txt", getLLMs)
	for _, path := range []string{"/docs", "/docs/*page"} {
		r.GET(path, s.getDocs)
		r.HEAD(path, s.getDocs)
	}
	if s.cfg.Demo {
		r.GET("/demo/*file", s.getDemo)
		r.POST("/demo/*file", s.playDemo)
		r.DELETE("/demo/*file", s.playDemo)
	}
}

func (s *Server) healthRoutes(r *gin.Engine) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Handle(method, healthPath, getHealth)
		r.Handle(method, "/readyz", s.getReady)
	}
}

// adminRoutes are those of operators.
func (s *Server) adminRoutes(r *gin.Engine) {
	r.GET("/metrics", s.machine, s.getMetrics)
	r.GET("/debug/pprof/*name", s.machine, getProfile)
	r.GET(adminPath, toAdmin)
	r.GET(adminPath+"/*file", s.getAdminPage)
	r.HEAD(adminPath+"/*file", s.getAdminPage)

	v1 := r.Group("/api/v1", s.audited)
	v1.POST("/session", s.postSession)
	v1.GET("/session", s.operator, s.getSession)
	v1.DELETE("/session", s.deleteSession)
	v1.GET("/audit", s.operator, s.ofAll, s.getAudit)
	v1.GET("/diagnosis", s.operator, s.ofAll, s.getDiagnosis)
	v1.GET("/connectors", s.operator, s.getConnectors)

	of := v1.Group("/connectors/:connector", s.operator, s.ofConnector)
	of.GET("", s.getConnector)
	of.PUT("", s.putConnector)
	of.DELETE("", s.deleteConnector)
	of.GET("/audit", s.getAudit)
	of.POST("/users", s.traced, s.postUsers)
	of.GET("/users/:topic", s.getUser)
	of.DELETE("/users/:topic", s.deleteUser)
	of.DELETE("/visitors/:visitor", s.deleteVisitor)
	of.DELETE("/streams", s.deleteStreams)
	of.POST("/offers", s.traced, s.postOffer)
	of.GET("/offers", s.getOffers)
	of.GET("/offers/:offer", s.getOffer)
	of.GET("/visitors", s.getVisitors)
	of.GET("/visitors/:visitor", s.getVisitor)
	of.GET("/visitors/:visitor/pages", s.getPages)
	of.GET("/visitors/:visitor/pages/summary", s.getPageSummary)
	of.GET("/live", s.getLive)
}

// Routes lists the routes of both handlers as "METHOD /path".
func (s *Server) Routes() []string {
	var routes []string
	for _, r := range append(s.public.Routes(), s.admin.Routes()...) {
		routes = append(routes, r.Method+" "+r.Path)
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}
