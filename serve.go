package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hullbeam/api"
	"hullbeam/hull/hulltest"
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

// run serves until ctx ends, then stops in the reverse order: no new streams,
// the open ones end, the requests under way are answered.
func (n *node) run(ctx context.Context) error {
	reactor, err := stream.NewReactor(n.broker)
	if err != nil {
		return err
	}
	servers, listeners, err := n.servers(reactor)
	if err != nil {
		return err
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

// servers are all HTTP servers of the node, each with its listener.
func (n *node) servers(reactor *stream.Reactor) (servers []*http.Server, listeners []net.Listener, err error) {
	servers = []*http.Server{n.server(n.api.Handler(), n.certificate)}
	listeners = []net.Listener{n.listener}
	if n.certificate == nil { // else the reactor could not read what comes
		if listeners[0], err = reactor.Listen(n.listener, api.StreamPath, servers[0]); err != nil {
			return nil, nil, err
		}
	}
	if n.adminOnly != nil {
		servers, listeners = append(servers, n.server(n.api.AdminHandler(), n.adminCertificate)), append(listeners, n.adminOnly)
	}
	if n.development != nil {
		pretended := hulltest.FromThisMachine(n.development.hull)
		servers, listeners = append(servers, n.server(pretended, nil)), append(listeners, n.development.listener)
	}
	return servers, listeners, nil
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
