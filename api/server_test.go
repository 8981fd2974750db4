package api_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/r3labs/sse/v2"
	"go.uber.org/goleak"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/hull/hulltest"
	"hullbeam/store"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

// onRedis runs what does not care about its store on Redis, each test on a server
// of its own: go test ./api -redis.
var onRedis = flag.Bool("redis", false, "run the tests on Redis")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	fixtures    = "../testdata/hull/"
	extractPath = "/extracts/"
	ship        = "3de707bcaa7fee93742e2793"
	secret      = "ce1c5ce021baf6a9214bb428b4ab5056"
	org         = "harbor-demo.hullapp.io"
	page        = "https://www.harbor.example"
	anonymous   = "anon-0123456789abcdef"
)

// options change what a test's server is made of.
type options struct {
	config    func(*api.Config)
	verify    func(*hull.VerifyConfig)
	store     func(*store.Config)
	settings  string // of the connector
	private   string
	noHull    bool // the connector has no organization
	unknown   bool // the connector is not put in
	directory string
	wrap      func(store.Store) store.Store // what the server has of the store
	hullWaits chan struct{}                 // Hull answers once it is closed
	firehose  string                        // the URL of Hull's; "": the pretend Hull's
	extracts  http.HandlerFunc              // Hull's files, below extractPath
	asks      func(*hull.ClientConfig)
	redis     string        // the store is there, and may have other nodes
	bus       string        // the URL by which the bus gets there; redis when empty
	timeout   time.Duration // of Redis; 0: 5 s
	canary    time.Duration // each so often; 0: 500 ms
	life      time.Duration // of what nobody needs; 0: as in production
	looks     time.Duration // how often a live view asks the other nodes; 0: as in production
	now       func() time.Time
}

// clock is the time of a test, which its server also reads between requests.
type clock struct{ unixNano atomic.Int64 }

func clockAt(at time.Time) *clock {
	c := &clock{}
	c.unixNano.Store(at.UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.unixNano.Load()).UTC() }

func (c *clock) pass(d time.Duration) { c.unixNano.Add(int64(d)) }

// server is a whole server on real parts: a store in a file, a pretend Hull, a
// listener on loopback.
type server struct {
	t        testing.TB
	URL      string
	api      *api.Server
	store    store.Store
	broker   *stream.Broker
	tokens   *stream.Sealer
	hull     *hulltest.Server
	hullURL  string
	hullSays atomic.Pointer[reply] // when set, instead of hull
	hullTold atomic.Pointer[call]  // with PUT, last
	key      *hulltest.Key
	registry *prometheus.Registry
	log      *lockedBuffer
	now      func() time.Time
	stop     func() // ends what runs beside requests, and waits for it
	visits   string // the token of a visitor who looks at pages

	clustered bool // the store is one that nodes share
	bus       *stream.RedisBus
}

func start(t testing.TB, o options) *server {
	t.Helper()
	s := &server{t: t, key: hulltest.ProcessKey(), log: &lockedBuffer{}, now: o.now}
	if s.now == nil {
		s.now = time.Now
	}
	s.hull = hulltest.NewServer(s.key)
	credentials := hull.Credentials{ConnectorID: ship, Organization: org, Secret: secret}
	s.hull.PutConnector(credentials, nil)
	hullServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, extractPath) {
			o.extracts(w, r)
			return
		}
		if o.hullWaits != nil {
			<-o.hullWaits
		}
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			s.hullTold.Store(&call{r.URL.Path, r.Header.Get("Hull-Access-Token"), string(body)})
		}
		if answer := s.hullSays.Load(); answer != nil {
			w.WriteHeader(answer.status)
			w.Write(answer.body)
			return
		}
		s.hull.ServeHTTP(w, r)
	}))
	t.Cleanup(hullServer.Close)
	s.hullURL = hullServer.URL

	secrets := []string{"a secret of at least thirty-two characters"}
	sealer := must(stream.NewSealer(secrets, "store"))
	var bus func(stream.Listener) stream.Bus
	if *onRedis && o.store == nil && o.directory == "" && o.redis == "" {
		o.redis = storetest.Redis(t).URL()
	}
	if o.redis != "" {
		s.store, bus = openRedis(t, o, sealer, s)
		s.clustered = true
	} else {
		storeConfig := store.DefaultConfig()
		storeConfig.DataDir, storeConfig.Sealer = o.directory, sealer
		if storeConfig.DataDir == "" {
			storeConfig.DataDir = t.TempDir()
		}
		apply(o.store, &storeConfig)
		s.store = must(store.Open(t.Context(), storeConfig))
	}
	if o.wrap != nil {
		s.store = o.wrap(s.store)
	}
	t.Cleanup(func() { s.store.Close() })

	cfg := api.Config{PublicURL: "http://beam.example", AdminKeys: []string{"an admin key for tests"},
		Admin: api.DefaultAdmin(), Identity: api.DefaultIdentity(), Cluster: api.DefaultCluster(), History: api.DefaultHistory(), Visitors: api.DefaultVisitors(), Offers: api.DefaultOffers(), Limits: api.DefaultLimits(), Hull: api.DefaultHull(), Stream: stream.DefaultConfig()}
	apply(o.config, &cfg)
	verify := hull.DefaultVerifyConfig()
	verify.PublicKeys = []string{s.key.PublicPEM()}
	verify.Now = s.now
	apply(o.verify, &verify)
	asks := hull.DefaultClientConfig()
	asks.APIURL = hullServer.URL
	apply(o.asks, &asks)
	client := must(hull.NewClient(asks))
	t.Cleanup(client.Close)

	sends := hull.DefaultFirehoseConfig()
	sends.URL = cmp.Or(o.firehose, hull.FirehoseURL(hullServer.URL))
	firehose := must(hull.NewFirehose(sends))

	s.broker = stream.New(cfg.Stream, api.Farewell)
	reactor := s.react()
	s.tokens = must(stream.NewSealer(secrets, "token"))
	s.registry = prometheus.NewRegistry()
	if !o.unknown {
		s.putConnector(o)
	}
	s.api = must(api.New(cfg, api.Parts{
		Store: s.store, Bus: bus, Broker: s.broker, Tokens: s.tokens, Visitors: must(stream.NewSealer(secrets, "visitor")),
		Sessions: must(stream.NewSealer(secrets, "session")),
		Verifier: must(hull.NewVerifier(verify)), Hull: client, Firehose: firehose, Registry: s.registry,
		Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: s.now,
	}))
	s.registry.MustRegister(s.api.Metrics()...)
	s.registry.MustRegister(s.broker.Metrics()...)
	s.registry.MustRegister(client.Metrics()...)
	s.registry.MustRegister(firehose.Metrics()...)
	if s.clustered {
		s.registry.MustRegister(s.bus.Metrics()...)
		s.api.SetCountWait(5 * time.Second)
		if o.looks > 0 {
			s.api.SetLookEach(o.looks)
		}
		if o.life > 0 {
			s.api.SetResidentLife(o.life)
			s.api.SetRenewEach(o.life)
		}
	}
	s.runs(firehose.Run)
	s.run()
	web := httptest.NewUnstartedServer(s.api.Handler())
	web.Config.Protocols = &http.Protocols{}
	web.Config.Protocols.SetHTTP1(true)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	s.api.Bound(web.Config)
	web.Listener = must(reactor.Listen(web.Listener.(*net.TCPListener), api.StreamPath, web.Config))
	web.Start()
	s.URL = web.URL
	t.Cleanup(func() {
		s.drain()
		web.Close()
	})
	return s
}

// run keeps the server in touch with others, as long as it is there.
func (s *server) run() {
	s.stop = s.runs(s.api.Run)
	s.api.Prepared()
	storetest.Eventually(s.t, "the node is ready", func() bool {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://localhost/readyz", nil)
		r.RemoteAddr = "127.0.0.1:1234" // development mode asks for that
		s.api.Handler().ServeHTTP(w, r)
		return w.Code == http.StatusOK
	})
}

// runs runs what has to, until the server has been closed or it is stopped.
func (s *server) runs(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil {
			s.t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	s.t.Cleanup(stop)
	return stop
}

func apply[T any](change func(*T), to *T) {
	if change != nil {
		change(to)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (s *server) putConnector(o options) {
	c := store.Connector{ID: ship, Organization: org, Secret: secret,
		Settings: []byte(`{}`), PrivateSettings: []byte(`{"whitelisted_domains":["www.harbor.example"],"public_traits":["email","plan","account.name"],"public_segments":["vip"],"public_events":["Signed Up","Viewed"]}`)}
	if o.noHull {
		c.Organization = ""
	}
	if o.settings != "" {
		c.Settings = []byte(o.settings)
	}
	if o.private != "" {
		c.PrivateSettings = []byte(o.private)
	}
	must(s.store.PutConnector(s.t.Context(), c))
}

// react runs a reactor, as in production, until the server has been closed.
func (s *server) react() *stream.Reactor {
	reactor := must(stream.NewReactor(s.broker))
	s.runs(reactor.Run)
	return reactor
}

// quiet waits until nothing comes over the bus any more, if there is one: what
// was answered is published then, and not before. A canary comes behind it, on each
// connection, and what is read because of it is done when the backlog is.
func (s *server) quiet() {
	s.t.Helper()
	if !s.clustered {
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	if err := s.bus.Canary(ctx); err != nil {
		s.t.Fatal(err)
	}
	storetest.Eventually(s.t, "all that was told is read", func() bool { return s.api.Backlog() == 0 })
}

// drain ends all streams, after what is due has been written to them.
func (s *server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.broker.Drain(ctx); err != nil {
		s.t.Error(err)
	}
}

// lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// take is all of it, which the next one has no more.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// call is a request that Hull got.
type call struct{ path, token, body string }

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// code is that of a problem.
func (r reply) code() string {
	var p struct{ Code string }
	json.Unmarshal(r.body, &p)
	return p.Code
}

// do sends a request with headers given as "Name: value".
func (s *server) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return reply{res.StatusCode, res.Header, must(io.ReadAll(res.Body))}
}

// token asks for a token with this body, as the page.
func (s *server) token(body string) (token string) {
	s.t.Helper()
	r := s.do("POST", "/api/v1/connectors/"+ship+"/token", body, "Origin: "+page, "Content-Type: application/json")
	if r.status != http.StatusCreated {
		s.t.Fatalf("token: %d %s", r.status, r.body)
	}
	var answer struct{ Token string }
	if err := json.Unmarshal(r.body, &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Token
}

// claim is the body that claims one identifier.
func claim(kind, value string) string {
	return string(must(json.Marshal(map[string]any{"claims": map[string]string{kind: value}})))
}

// listener is an open stream as r3labs' client reads it.
type listener struct {
	t       testing.TB
	visitor string
	events  chan sse.Event
	ended   chan struct{}
	cancel  context.CancelFunc
}

// listen opens a stream and waits until it has been joined.
func (s *server) listen(token string, headers ...string) *listener {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	grant, _ := s.tokens.OpenGrant(token) // of nobody, when the test has put something behind it
	l := &listener{t: s.t, visitor: grant.Visitor, events: make(chan sse.Event, 4096), ended: make(chan struct{}), cancel: cancel}
	client := sse.NewClient(s.URL + "/api/v1/stream?token=" + token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		client.Headers[name] = value
	}
	client.ReconnectStrategy = once{}
	go func() {
		defer close(l.ended)
		err := client.SubscribeRawWithContext(ctx, func(e *sse.Event) {
			l.events <- sse.Event{ID: bytes.Clone(e.ID), Event: bytes.Clone(e.Event), Data: bytes.Clone(e.Data), Retry: bytes.Clone(e.Retry)}
		})
		if err != nil && ctx.Err() == nil {
			s.t.Errorf("stream: %v", err)
		}
	}()
	s.t.Cleanup(func() { cancel(); <-l.ended })
	if e := l.next(); string(e.Event) != "room.joined" {
		s.t.Fatalf("first event: got %s, want room.joined", e.Event)
	}
	return l
}

// once is a back-off that gives up.
type once struct{}

func (once) NextBackOff() time.Duration { return -1 }
func (once) Reset()                     {}

// next is the next event but heartbeats.
func (l *listener) next() sse.Event {
	l.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case e := <-l.events:
			if string(e.Event) != "heartbeat" {
				return e
			}
		case <-late:
			l.t.Fatal("no event in 20 s")
		}
	}
}

// expect is next, of this type.
func (l *listener) expect(kind string) sse.Event {
	l.t.Helper()
	e := l.next()
	if string(e.Event) != kind {
		l.t.Fatalf("event: got %s %s, want %s", e.Event, e.Data, kind)
	}
	return e
}

// rest is every event until the stream ends.
func (l *listener) rest() []sse.Event {
	l.t.Helper()
	select {
	case <-l.ended:
	case <-time.After(20 * time.Second):
		l.t.Fatal("the stream has not ended in 20 s")
	}
	var rest []sse.Event
	for {
		select {
		case e := <-l.events:
			rest = append(rest, e)
		default:
			return rest
		}
	}
}

// notify posts a notification, signed.
func (s *server) notify(body []byte) reply {
	s.t.Helper()
	var n struct {
		ID any `json:"notification_id"`
	}
	json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &n)
	id, _ := n.ID.(string)
	return s.notifySigned(body, id)
}

func (s *server) notifySigned(body []byte, id string) reply {
	s.t.Helper()
	var headers []string
	for name, values := range s.key.Headers(id, "https://"+org+"/test/public-key", s.now()) {
		headers = append(headers, name+": "+values[0])
	}
	return s.do("POST", "/smart-notifier", string(body), headers...)
}

// update posts a user:update of these messages.
func (s *server) update(messages ...string) reply {
	s.t.Helper()
	return s.notification("user:update", "", messages...)
}

func (s *server) notification(channel, connector string, messages ...string) reply {
	s.t.Helper()
	if connector != "" {
		connector = `"connector":` + connector + `,`
	}
	body := `{"notification_id":"` + rand.Text() + `","configuration":{"id":"` + ship + `","organization":"` + org + `","secret":"` + secret + `"},` +
		connector + `"channel":"` + channel + `","messages":[` + strings.Join(messages, ",") + `]}`
	r := s.notify([]byte(body))
	if r.status != http.StatusOK {
		s.t.Fatalf("notification: %d %s", r.status, r.body)
	}
	return r
}

// metric is the sum of the counters or gauges with these labels.
func (s *server) metric(name string, labels ...string) float64 {
	s.t.Helper()
	sum := 0.0
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !found {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// lint holds the server's metrics against Prometheus' conventions.
func TestMetricsLint(t *testing.T) {
	s := start(t, options{})
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v %v", problems, err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
