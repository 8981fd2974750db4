package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/hull/hulltest"
	"hullbeam/store"
	"hullbeam/stream"
)

func serveCommand(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve pages, Hull and operators (the default)",
		Long: `Serve pages, Hull and operators until it is told to stop (SIGINT, SIGTERM); then
end the streams and exit.

Configuration comes from the file, then the environment, then the flags.
docs/configuration.md describes each setting.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, _ := cmd.Flags().GetString("config")
			cfg, warnings, err := LoadConfig(path, os.Environ(), cmd.Flags())
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, warnings, std)
		},
	}
	addConfigFlags(cmd.Flags())
	return cmd
}

// serve runs a server until ctx ends.
func serve(ctx context.Context, cfg Config, warnings []string, std stdio) error {
	log := cfg.Log.logger(std.err)
	for _, w := range warnings {
		log.Warn(w)
	}
	var dev *development
	if cfg.Development() {
		var err error
		if dev, err = prepareDevelopment(&cfg); err != nil {
			return err
		}
	}
	n, err := newNode(ctx, cfg, dev, log)
	if err != nil {
		return err
	}
	defer n.close()
	if dev != nil {
		dev.greet(std.out, n.cfg)
	}
	return n.run(ctx)
}

// node is a server with everything that it stands on.
type node struct {
	cfg         Config
	development *development // nil: this is production
	log         *slog.Logger
	store       store.Store
	shared      *store.Redis           // the store, if nodes share it; else nil
	busMetrics  []prometheus.Collector // of the bus, if there is one
	broker      *stream.Broker
	api         *api.Server
	hull        *hull.Client
	firehose    *hull.Firehose
	tracing     *tracing // nil: nothing is traced
	listener    *net.TCPListener
	adminOnly   net.Listener // nil: operators are served with the others

	certificate, adminCertificate *certificate // nil: plain HTTP
}

// newNode builds a node: what stands below first.
func newNode(ctx context.Context, cfg Config, dev *development, log *slog.Logger) (*node, error) {
	n := &node{cfg: cfg, development: dev, log: log}
	for _, build := range []func(context.Context) error{n.boundDescriptors, n.readCertificates, n.startTracing, n.bind, n.openStore, n.buildAPI} {
		if err := build(ctx); err != nil {
			n.close()
			return nil, err
		}
	}
	return n, nil
}

// startTracing makes what requests are traced with, if they are.
func (n *node) startTracing(ctx context.Context) (err error) {
	if n.cfg.Tracing.Endpoint == "" {
		return nil
	}
	n.log = slog.New(tracedLog{n.log.Handler()})
	n.tracing, err = newTracing(ctx, n.cfg.Tracing, n.log)
	return err
}

// bind takes the addresses, so that the public URL is known.
func (n *node) bind(context.Context) (err error) {
	l, err := net.Listen("tcp", n.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	n.listener = l.(*net.TCPListener)
	if n.cfg.AdminListen != "" {
		if n.adminOnly, err = net.Listen("tcp", n.cfg.AdminListen); err != nil {
			return fmt.Errorf("admin_listen: %w", err)
		}
	}
	if at := n.listener.Addr().(*net.TCPAddr); n.cfg.PublicURL == "" && at.IP.IsLoopback() {
		n.cfg.PublicURL = "http://" + at.String()
		if n.certificate != nil {
			n.cfg.PublicURL = "https://" + at.String()
		}
	}
	if n.development != nil {
		return n.development.hull.Connect(demoConnector, n.cfg.PublicURL)
	}
	return nil
}

// close gives back what has been taken so far.
func (n *node) close() {
	if n.listener != nil {
		n.listener.Close()
	}
	if n.adminOnly != nil {
		n.adminOnly.Close()
	}
	if n.development != nil {
		n.development.listener.Close()
	}
	if n.hull != nil {
		n.hull.Close()
	}
	if n.store != nil {
		n.store.Close()
	}
	n.tracing.close()
}

func (n *node) buildAPI(context.Context) error {
	n.broker = stream.New(n.cfg.Stream, api.Farewell)
	tokens, err := stream.NewSealer(n.cfg.Secret, "token")
	if err != nil {
		return err
	}
	visitors, err := stream.NewSealer(n.cfg.Secret, "visitor")
	if err != nil {
		return err
	}
	sessions, err := stream.NewSealer(n.cfg.Secret, "session")
	if err != nil {
		return err
	}
	verify := n.cfg.Hull.VerifyConfig
	verify.Log = n.log
	verifier, err := hull.NewVerifier(verify)
	if err != nil {
		return err
	}
	asks := n.cfg.Hull.ClientConfig
	asks.Version, asks.Traceparent = buildVersion(), n.cfg.Tracing.SendToHull
	if n.hull, err = hull.NewClient(asks); err != nil {
		return err
	}
	if n.firehose, err = n.newFirehose(); err != nil {
		return err
	}
	var bus func(stream.Listener) stream.Bus
	if n.shared != nil {
		if bus, err = n.redisBus(); err != nil {
			return err
		}
	}
	registry := prometheus.NewRegistry()
	n.api, err = api.New(api.Config{
		PublicURL: n.cfg.PublicURL, Version: buildVersion(), Secrets: n.cfg.Secret, AdminKeys: n.cfg.AdminKey, OperatorKeys: n.cfg.OperatorKeys, AdminApart: n.adminOnly != nil,
		TrustedProxies: n.cfg.TrustedProxies, Demo: n.development != nil,
		Admin: n.cfg.Admin, Identity: n.cfg.Identity, Limits: n.cfg.Limits, Hull: n.cfg.Hull.Hull, Cluster: n.cfg.Redis.Cluster, Stream: n.cfg.Stream,
		History: n.cfg.History.History, Visitors: n.cfg.Visitors, Offers: n.cfg.Offers, ContinueTraces: n.cfg.Tracing.ContinueTraces,
	}, api.Parts{
		Store: n.store, Bus: bus, Broker: n.broker, Tokens: tokens, Visitors: visitors, Sessions: sessions,
		Verifier: verifier, Hull: n.hull, Firehose: n.firehose, Demo: n.development.demo(), Registry: registry, Log: n.log,
		Tracer: n.tracing.tracer(),
	})
	if err != nil {
		return err
	}
	if n.development != nil {
		n.development.operators = n.api.AdminHandler()
	}
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(n.broker.Metrics()...)
	registry.MustRegister(n.api.Metrics()...)
	registry.MustRegister(n.hull.Metrics()...)
	registry.MustRegister(n.firehose.Metrics()...)
	registry.MustRegister(n.busMetrics...)
	registry.MustRegister(n.tracing.metrics()...)
	for _, c := range n.certificates() {
		registry.MustRegister(c.Metrics()...)
	}
	n.warn()
	return nil
}

func (n *node) newFirehose() (*hull.Firehose, error) {
	cfg := n.cfg.Hull.FirehoseConfig
	cfg.URL = cmp.Or(cfg.URL, hull.FirehoseURL(n.cfg.Hull.APIURL))
	cfg.Domains, cfg.Version, cfg.Log = n.cfg.Hull.Organizations, buildVersion(), n.log
	return hull.NewFirehose(cfg)
}

// warn says what an operator should know about the configuration.
func (n *node) warn() {
	if n.cfg.Identity.Verification == "off" {
		n.log.Warn("identity.verification is off: anyone on an allowed page can read the public traits of anyone whose identifier they name")
	}
	if n.cfg.PublicURL == "" {
		n.log.Warn("public_url is not set: each page is told the address that it asked")
	}
	if !n.cfg.Hull.VerifySignatures {
		n.log.Warn("hull.verify_signatures is off: notifications are believed unsigned")
	}
}

// run serves until ctx ends, then stops in the reverse order: no new streams,
// the open ones end, the requests under way are answered.
func (n *node) run(ctx context.Context) error {
	reactor, err := stream.NewReactor(n.broker)
	if err != nil {
		return err
	}
	servers := []*http.Server{n.server(n.api.Handler(), n.certificate)}
	listeners := []net.Listener{n.listener}
	if n.certificate == nil { // else the reactor could not read what comes
		if listeners[0], err = reactor.Listen(n.listener, api.StreamPath, servers[0]); err != nil {
			return err
		}
	}
	if n.adminOnly != nil {
		servers, listeners = append(servers, n.server(n.api.AdminHandler(), n.adminCertificate)), append(listeners, n.adminOnly)
	}
	if n.development != nil {
		pretended := hulltest.FromThisMachine(n.development.hull)
		servers, listeners = append(servers, n.server(pretended, nil)), append(listeners, n.development.listener)
	}
	group, ctx := errgroup.WithContext(ctx)
	// These go on until the last stream has been told of its end.
	reacts, stopReactor := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return reactor.Run(reacts) })
	group.Go(func() error { settle(ctx); return nil })
	group.Go(func() error { return n.api.Run(reacts) })
	group.Go(func() error { return n.firehose.Run(reacts) })
	if n.shared != nil {
		group.Go(func() error { return n.prepareRedis(ctx) })
	}
	for _, c := range n.certificates() {
		group.Go(func() error { c.run(ctx); return nil })
	}
	for i, server := range servers {
		group.Go(func() error {
			if err := serveOn(server, listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	n.log.Info("listening", "address", n.listener.Addr().String(), "public_url", n.cfg.PublicURL)
	n.api.Started()
	group.Go(func() error {
		<-ctx.Done()
		defer stopReactor()
		return n.stop(servers)
	})
	return group.Wait()
}

// stopGrace is how long the requests under way have once the streams have ended.
const stopGrace = 5 * time.Second

func (n *node) stop(servers []*http.Server) error {
	n.log.Info("stopping", "streams", n.broker.Streams())
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Stream.Drain+n.cfg.Stream.WriteTimeout+stopGrace)
	defer cancel()
	err := n.broker.Drain(ctx)
	for _, server := range servers {
		err = errors.Join(err, server.Shutdown(ctx))
	}
	n.log.Info("stopped")
	return err
}

// serveOn serves with TLS if the server has a certificate.
func serveOn(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// server makes an HTTP server. Streams leave its time-outs behind: they live long, and
// have a deadline for each write.
func (n *node) server(handler http.Handler, c *certificate) *http.Server {
	protocols, config := &http.Protocols{}, (*tls.Config)(nil)
	protocols.SetHTTP1(true)
	if c == nil {
		protocols.SetUnencryptedHTTP2(true) // from a proxy in front
	} else {
		protocols.SetHTTP2(true)
		config = c.config()
	}
	server := &http.Server{ // #nosec G112 -- api.Server.Bound sets its time-outs
		Handler:   handler,
		TLSConfig: config,
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: n.cfg.Stream.WriteTimeout, // a stream's deadline does not reach a stalled connection
			SendPingTimeout:  n.cfg.Stream.Heartbeat,    // nor is one that vanished noticed otherwise
			PingTimeout:      n.cfg.Stream.WriteTimeout,
		},
		ErrorLog: log.New(serverLog{n.log}, "", 0),
	}
	n.api.Bound(server)
	return server
}

// serverLog is what net/http says: that it cannot accept connections, or that a
// handler has panicked, is for operators; the rest is noise that clients make.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.HasPrefix(line, []byte("http: Accept error")) || bytes.HasPrefix(line, []byte("http: panic")) {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, strings.TrimSpace(string(line)))
	return len(line), nil
}
