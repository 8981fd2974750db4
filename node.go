package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

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
	n.register(registry)
	n.warn()
	return nil
}

// register has /metrics tell what all parts count.
func (n *node) register(registry *prometheus.Registry) {
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
	if strings.HasPrefix(n.cfg.RedisURL, "rediss") && !n.cfg.Redis.VerifyTLS {
		n.log.Warn("redis.verify_tls is off: whoever stands between this node and Redis can read every user and change every page")
	}
	if !n.cfg.Hull.VerifySignatures {
		n.log.Warn("hull.verify_signatures is off: notifications are believed unsigned")
	}
}
