package stream

import (
	"fmt"
	"time"
)

// Config says how streams are kept. The keys in messages are those of
// config.yaml.
type Config struct {
	// Heartbeat is the silence after which a heartbeat event is sent, at most:
	// each one is drawn from the last fifth before it, so that streams which
	// opened together do not beat together. Proxies cut silent streams, many
	// after 30 to 60 s. 1s to 5m; default 15s.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// TokenTTL is how long a token opens and reopens streams, counted from its
	// making. Above MaxAge + Drain, at most 720h; default 2h.
	TokenTTL time.Duration `mapstructure:"token_ttl"`
	// VisitWindow is how long a token is good for page views, the visitor's
	// email and receipts, counted from its making. TokenTTL to 720h; default 24h.
	VisitWindow time.Duration `mapstructure:"visit_window"`
	// MaxStreams bounds the streams of this node; a stream above it is answered
	// 503. 0: no bound but what the process has file descriptors for, which serve
	// sets. At least 0; default 0.
	MaxStreams int `mapstructure:"max_streams"`
	// MaxAge is the age at which a stream is closed for the page to open a new
	// one, at most: each is drawn from the last tenth before it. 1s to 24h;
	// default 1h.
	MaxAge time.Duration `mapstructure:"max_age"`
	// Drain is how long a stopping node takes to close its streams, and the time
	// over which their reconnections are spread. 0 to 10m; default 30s.
	Drain time.Duration `mapstructure:"drain"`
	// Retry is the middle of the reconnection times that streams are told: each
	// gets its own between half of it and one and a half. 100ms to 1m; default 3s.
	Retry time.Duration `mapstructure:"retry"`
	// WriteTimeout is how long one write to a stream may take before the stream
	// is dropped as dead. 100ms to 5m; default 10s.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// Backlog is how many offers may wait for one stream that does not read. One
	// more ends the stream. States do not wait: the latest replaces the others. 1 to
	// 65536; default 256.
	Backlog int `mapstructure:"backlog"`
	// Transport is how streams are written: "auto": over plain HTTP/1.1 on Linux
	// by the reactor, otherwise by goroutines; "portable": always by goroutines,
	// which take more memory. Default auto.
	Transport string `mapstructure:"transport"`
}

// The values of Config.Transport.
const (
	TransportAuto     = "auto"
	TransportPortable = "portable"
)

// DefaultConfig is what holds when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Heartbeat:    15 * time.Second,
		TokenTTL:     2 * time.Hour,
		VisitWindow:  24 * time.Hour,
		MaxAge:       time.Hour,
		Drain:        30 * time.Second,
		Retry:        3 * time.Second,
		WriteTimeout: 10 * time.Second,
		Backlog:      256,
		Transport:    TransportAuto,
	}
}

// Validate names the first key whose value is out of its range.
func (c Config) Validate() error {
	for _, d := range []struct {
		key              string
		value, low, high time.Duration
	}{
		{"stream.heartbeat", c.Heartbeat, time.Second, 5 * time.Minute},
		{"stream.max_age", c.MaxAge, time.Second, 24 * time.Hour},
		{"stream.drain", c.Drain, 0, 10 * time.Minute},
		{"stream.retry", c.Retry, 100 * time.Millisecond, time.Minute},
		{"stream.write_timeout", c.WriteTimeout, 100 * time.Millisecond, 5 * time.Minute},
		{"stream.token_ttl", c.TokenTTL, time.Second, 720 * time.Hour},
		{"stream.visit_window", c.VisitWindow, c.TokenTTL, 720 * time.Hour},
	} {
		if d.value < d.low || d.value > d.high {
			return fmt.Errorf("%s: %v is out of range: %v to %v", d.key, d.value, d.low, d.high)
		}
	}
	if c.TokenTTL <= c.MaxAge+c.Drain {
		return fmt.Errorf("stream.token_ttl: %v is out of range: above stream.max_age + stream.drain, %v, or a browser that reconnects finds its token expired", c.TokenTTL, c.MaxAge+c.Drain)
	}
	if c.Backlog < 1 || c.Backlog > 1<<16 {
		return fmt.Errorf("stream.backlog: %d is out of range: 1 to 65536", c.Backlog)
	}
	if c.Transport != TransportAuto && c.Transport != TransportPortable {
		return fmt.Errorf("stream.transport: %q is out of range: %s or %s", c.Transport, TransportAuto, TransportPortable)
	}
	if c.MaxStreams < 0 {
		return fmt.Errorf("stream.max_streams: %d is out of range: 0 (no bound) or more", c.MaxStreams)
	}
	return nil
}
