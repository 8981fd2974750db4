package api

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits bound what one client or connector may take of this node. 0: no bound.
type Limits struct {
	// TokensPerAddress is how many tokens one address may ask for in a minute;
	// as many at once. An office behind one address is one address; of an IPv6
	// address the first 64 bits count. At least 0; default 600.
	TokensPerAddress int `mapstructure:"tokens_per_address"`
	// TokensPerConnector is how many tokens the pages of one connector may ask for in
	// a minute; as many at once. At least 0; default 0.
	TokensPerConnector int `mapstructure:"tokens_per_connector"`
	// StreamsPerAddress is how many streams one address may have open. At least
	// 0; default 1000.
	StreamsPerAddress int `mapstructure:"streams_per_address"`
	// StreamsPerVisitor is how many streams one visitor, whom a browser's key stands
	// for, may have open: one for each tab, unless they share one. At least 0; default 30.
	StreamsPerVisitor int `mapstructure:"streams_per_visitor"`
	// StreamsPerConnector is how many streams the pages of one connector may
	// have open. At least 0; default 0.
	StreamsPerConnector int `mapstructure:"streams_per_connector"`
	// Openings is how many streams may be on their way to their first events at a
	// time: those above it come back later, so that a storm does not ask more of the
	// store than it can answer. At least 0; default 2000.
	Openings int `mapstructure:"openings"`
	// PagesPerVisitor is how many page views, emails and receipts one visitor may
	// send in a minute; as many at once. At least 0; default 120.
	PagesPerVisitor int `mapstructure:"pages_per_visitor"`
	// WrongKeysPerAddress is how many wrong keys, secrets and codes one address may show in
	// a minute; as many at once. Those above it are answered 429; right ones are let in as
	// before (docs/decisions/0030-keys.md). 0 to 100000; default 20.
	WrongKeysPerAddress int `mapstructure:"wrong_keys_per_address"`
	// OffersPerOperator is how many offers one operator may send in a minute; as many at
	// once. 0 to 1000000; default 600.
	OffersPerOperator int `mapstructure:"offers_per_operator"`
	// ClaimLength bounds one claim's value, in bytes. 1 to 1024; default 256.
	ClaimLength int `mapstructure:"claim_length"`
	// AnonymousIDs bounds the anonymous ids of one token. 1 to 16; default 10.
	AnonymousIDs int `mapstructure:"anonymous_ids"`
	// Body bounds the body of a browser's request, in bytes. 1024 to 1048576;
	// default 65536.
	Body int64 `mapstructure:"body"`
	// UserTopics is how many identifiers of one user lead to them, 16 to 100000; default
	// 1000. Of more anonymous ids the last that Hull names count.
	UserTopics int `mapstructure:"user_topics"`
	// NotificationBody bounds the body of a notification, in bytes. Hull is
	// asked for smaller ones above it. 65536 to 104857600; default 20971520.
	NotificationBody int64 `mapstructure:"notification_body"`
	// NotificationMemory bounds the bodies of notifications that are worked on at a
	// time, in bytes; Hull is asked to send what is above again. 1048576 to 1099511627776,
	// and at least NotificationBody; default 268435456.
	NotificationMemory int64 `mapstructure:"notification_memory"`
	// JSONDepth bounds how deep the JSON of a body may be nested. 16 to 10000;
	// default 1000.
	JSONDepth int `mapstructure:"json_depth"`
	// Header bounds the line and the headers of a request, in bytes. 16384 to 1048576;
	// default 32768.
	Header int `mapstructure:"header"`
	// HeaderTimeout is how long they may take to arrive. 1s to 1m; default 10s.
	HeaderTimeout time.Duration `mapstructure:"header_timeout"`
	// ReadTimeout is how long a request's body may take to arrive. 1s to 5m;
	// default 30s.
	ReadTimeout time.Duration `mapstructure:"read_timeout"`
	// WriteTimeout is how long, beyond ReadTimeout, a request may take until its answer
	// has been taken. Streams have one of their own. 1s to 10m; default 30s.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// IdleTimeout is how long a connection is kept between two requests. 1s to 1h;
	// default 2m.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// Connections is how many connections there may be that carry no stream. Of more
	// the one is closed whose client has been waited for longest. At least 0; default
	// 10000.
	Connections int `mapstructure:"connections"`
}

// DefaultLimits is what holds when nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		TokensPerAddress: 600, StreamsPerAddress: 1000, StreamsPerVisitor: 30, Openings: 2000, PagesPerVisitor: 120,
		WrongKeysPerAddress: 20, OffersPerOperator: 600,
		ClaimLength: 256, AnonymousIDs: 10, UserTopics: 1000, Body: 64 << 10, NotificationBody: 20 << 20, NotificationMemory: 256 << 20,
		JSONDepth: 1000, Header: 32 << 10, HeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, Connections: 10_000,
	}
}

// Validate names the first key whose value is out of its range.
func (l Limits) Validate() error {
	for _, n := range []struct {
		key              string
		value, low, high int64
	}{
		{"limits.tokens_per_address", int64(l.TokensPerAddress), 0, 1 << 31},
		{"limits.tokens_per_connector", int64(l.TokensPerConnector), 0, 1 << 31},
		{"limits.streams_per_address", int64(l.StreamsPerAddress), 0, 1 << 31},
		{"limits.streams_per_visitor", int64(l.StreamsPerVisitor), 0, 1 << 31},
		{"limits.streams_per_connector", int64(l.StreamsPerConnector), 0, 1 << 31},
		{"limits.openings", int64(l.Openings), 0, 1 << 31},
		{"limits.pages_per_visitor", int64(l.PagesPerVisitor), 0, 1 << 31},
		{"limits.wrong_keys_per_address", int64(l.WrongKeysPerAddress), 0, 100_000},
		{"limits.offers_per_operator", int64(l.OffersPerOperator), 0, 1_000_000},
		{"limits.claim_length", int64(l.ClaimLength), 1, 1024},
		{"limits.anonymous_ids", int64(l.AnonymousIDs), 1, 16},
		{"limits.user_topics", int64(l.UserTopics), 16, 100_000},
		{"limits.body", l.Body, 1 << 10, 1 << 20},
		{"limits.notification_body", l.NotificationBody, 64 << 10, 100 << 20},
		{"limits.notification_memory", l.NotificationMemory, max(1<<20, l.NotificationBody), 1 << 40},
		{"limits.json_depth", int64(l.JSONDepth), 16, 10000},
		{"limits.header", int64(l.Header), 16 << 10, 1 << 20},
		{"limits.connections", int64(l.Connections), 0, 1 << 31},
	} {
		if n.value < n.low || n.value > n.high {
			return fmt.Errorf("%s: %d is out of range: %d to %d", n.key, n.value, n.low, n.high)
		}
	}
	for _, d := range []struct {
		key         string
		value, high time.Duration
	}{
		{"limits.header_timeout", l.HeaderTimeout, time.Minute},
		{"limits.read_timeout", l.ReadTimeout, 5 * time.Minute},
		{"limits.write_timeout", l.WriteTimeout, 10 * time.Minute},
		{"limits.idle_timeout", l.IdleTimeout, time.Hour},
	} {
		if d.value < time.Second || d.value > d.high {
			return fmt.Errorf("%s: %v is out of range: 1s to %v", d.key, d.value, d.high)
		}
	}
	return nil
}

// limit names a bound by its setting, or by what it bounds when there is none. It is a
// metric's label: the list is closed.
type limit string

const (
	limitTokensPerAddress   limit = "limits.tokens_per_address"
	limitTokensPerConnector limit = "limits.tokens_per_connector"
	limitStreamsPerAddress  limit = "limits.streams_per_address"
	limitStreamsPerVisitor  limit = "limits.streams_per_visitor"
	limitStreamsPerConn     limit = "limits.streams_per_connector"
	limitStreams            limit = "stream.max_streams"
	limitOpenings           limit = "limits.openings"
	limitPages              limit = "limits.pages_per_visitor"
	limitHistoryQueue       limit = "history.queue"
	limitBody               limit = "limits.body"
	limitNotificationBody   limit = "limits.notification_body"
	limitNotificationMemory limit = "limits.notification_memory"
	limitExtracts           limit = "hull.extracts"
	limitLiveStreams        limit = "visitors.live_streams"
	limitWrongKeys          limit = "limits.wrong_keys_per_address"
	limitOffersPerOperator  limit = "limits.offers_per_operator"
	limitOffers             limit = "offers"
	limitConnections        limit = "limits.connections"
	limitHeaderTimeout      limit = "limits.header_timeout"
	limitReadTimeout        limit = "limits.read_timeout"
)

var allLimits = []limit{
	limitTokensPerAddress, limitTokensPerConnector, limitStreamsPerAddress, limitStreamsPerVisitor, limitStreamsPerConn,
	limitStreams, limitOpenings, limitPages, limitHistoryQueue, limitBody, limitNotificationBody, limitNotificationMemory,
	limitExtracts, limitLiveStreams, limitWrongKeys, limitOffersPerOperator, limitOffers, limitConnections, limitHeaderTimeout, limitReadTimeout,
}

// newLimitCounter makes the counter of limits that were met; each is there from the
// start, so that the first time shows as a growth.
func newLimitCounter() *prometheus.CounterVec {
	met := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hullbeam_limits_total",
		Help: "Times that a limit was met, and something refused or cut off because of it, by the setting that bounds; offers: those of a connector that have not expired.",
	}, []string{"limit"})
	for _, l := range allLimits {
		met.WithLabelValues(string(l))
	}
	return met
}

// met counts that a limit was.
func (s *Server) met(l limit) { s.metrics.limits.WithLabelValues(string(l)).Inc() }

// over is the problem of what is above a limit, which is counted.
func (s *Server) over(l limit, code, detail string) *problem {
	s.met(l)
	return newProblem(code, detail)
}
