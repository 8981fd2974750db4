package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/hull/hulltest"
	"hullbeam/store"
	"hullbeam/stream"
)

// options are what servers differ in.
type options struct {
	now               time.Time // where the clock stands; zero: it goes
	key               string    // that is pinned; "": that of this process
	noIAT             bool      // a signature without iat is accepted
	secret            string    // the server's own
	settings, private json.RawMessage
	amazon            http.RoundTripper
	hull              map[string][]byte // what Hull answers at these paths
}

// server is a server that runs.
type server struct {
	URL  string
	hull *hulltest.Server

	hullURL string
	now     func() time.Time
	undo    []func()
}

// start starts a server with the fixtures' connector, and a pretend Hull for it.
func start(o options) (s *server, err error) {
	s = &server{now: time.Now, hull: hulltest.NewServer(hulltest.ProcessKey())}
	if !o.now.IsZero() {
		s.now = func() time.Time { return o.now }
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	s.hull.PutConnector(hull.Credentials{ConnectorID: ship, Organization: org, Secret: secret}, nil)
	if s.hullURL, err = s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := o.hull[r.URL.Path]; ok {
			w.Write(answer)
			return
		}
		s.hull.ServeHTTP(w, r)
	})); err != nil {
		return s, err
	}
	built, err := s.build(o)
	if err != nil {
		return s, err
	}
	s.URL, err = s.serve(built.Handler())
	return s, err
}

func (s *server) build(o options) (*api.Server, error) {
	secrets := []string{cmp.Or(o.secret, "a secret of at least thirty-two characters")}
	sealers := map[string]*stream.Sealer{}
	for _, purpose := range []string{"store", "token", "visitor", "session"} {
		sealer, err := stream.NewSealer(secrets, purpose)
		if err != nil {
			return nil, err
		}
		sealers[purpose] = sealer
	}
	kept, err := s.store(sealers["store"], o)
	if err != nil {
		return nil, err
	}
	verify := hull.DefaultVerifyConfig()
	verify.PublicKeys = []string{cmp.Or(o.key, hulltest.ProcessKey().PublicPEM())}
	verify.Now, verify.Transport, verify.RequireIAT = s.now, o.amazon, !o.noIAT
	verifier, err := hull.NewVerifier(verify)
	if err != nil {
		return nil, err
	}
	asks := hull.DefaultClientConfig()
	asks.APIURL = s.hullURL
	client, err := hull.NewClient(asks)
	if err != nil {
		return nil, err
	}
	s.undo = append(s.undo, client.Close)
	sends := hull.DefaultFirehoseConfig()
	sends.URL = hull.FirehoseURL(s.hullURL)
	firehose, err := hull.NewFirehose(sends)
	if err != nil {
		return nil, err
	}
	broker := stream.New(stream.DefaultConfig(), api.Farewell)
	identity := api.DefaultIdentity()
	identity.Verification = "off" // streams are opened under any of the fixtures' identities
	built, err := api.New(api.Config{
		Secrets: secrets, Identity: identity, Limits: api.DefaultLimits(), Hull: api.DefaultHull(),
		Cluster: api.DefaultCluster(), Stream: stream.DefaultConfig(),
		History: api.DefaultHistory(), Visitors: api.DefaultVisitors(), Offers: api.DefaultOffers(),
	}, api.Parts{
		Store: kept, Broker: broker, Tokens: sealers["token"], Visitors: sealers["visitor"], Sessions: sealers["session"],
		Verifier: verifier, Hull: client, Firehose: firehose, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { built.Run(ctx) })
	running.Go(func() { firehose.Run(ctx) })
	s.undo = append(s.undo, func() {
		cancel()
		running.Wait()
	})
	return built, nil
}

// store opens an empty store and puts the connector in.
func (s *server) store(sealer *stream.Sealer, o options) (store.Store, error) {
	dir, err := os.MkdirTemp("", "replay")
	if err != nil {
		return nil, err
	}
	s.undo = append(s.undo, func() { os.RemoveAll(dir) })
	cfg := store.DefaultConfig()
	cfg.DataDir, cfg.Sealer = dir, sealer
	kept, err := store.Open(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	s.undo = append(s.undo, func() { kept.Close() })
	if o.settings == nil {
		o.settings = json.RawMessage(`{}`)
	}
	if o.private == nil {
		o.private = json.RawMessage(`{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan"]}`)
	}
	_, err = kept.PutConnector(context.Background(), store.Connector{
		ID: ship, Organization: org, Secret: secret, Settings: o.settings, PrivateSettings: o.private,
	})
	return kept, err
}

// serve serves a handler on a free port of loopback.
func (s *server) serve(handler http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go web.Serve(l)
	s.undo = append(s.undo, func() { web.Close() })
	return "http://" + l.Addr().String(), nil
}

// with starts a server, and stops it when do has ended.
func with(o options, do func(*server) error) error {
	s, err := start(o)
	if err != nil {
		return err
	}
	defer s.stop()
	return do(s)
}

// stop undoes what start has done, the last first.
func (s *server) stop() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
}

// answer is an answer, read.
type answer struct {
	status int
	body   []byte
}

// said is the answer as the table has it: the status, and the code of the error, or in
// which words the notification was taken.
func (a answer) said() string {
	var hulls struct {
		FlowControl map[string]any `json:"flow_control"`
		Error       struct{ Code string }
	}
	if json.Unmarshal(a.body, &hulls) != nil {
		return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, bytes.TrimSpace(a.body)))
	}
	flow, _ := hulls.FlowControl["type"].(string)
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, cmp.Or(hulls.Error.Code, flow)))
}

// client keeps no connection: its server is gone soon.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// post sends a body.
func (s *server) post(path string, body []byte, header http.Header) (answer, error) {
	request, err := http.NewRequest(http.MethodPost, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, text}, err
}

// notify sends a notification, signed now.
func (s *server) notify(body []byte) (answer, error) {
	var n struct {
		ID any `json:"notification_id"`
	}
	json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &n) // of what is no JSON the id is empty
	id, _ := n.ID.(string)
	return s.post("/smart-notifier", body, hulltest.ProcessKey().Headers(id, "https://"+org+"/key", s.now()))
}
