package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

// Limits bound what one client or connector may take of this node. 0: no bound.
type Limits struct {
	// TokensPerAddress is how many tokens one address may ask for in a minute;
	// as many at once. An office behind one address is one address; of an IPv6
	// address the first 64 bits count. At least 0; default 600.
	TokensPerAddress int `mapstructure:"tokens_per_address"`
	// StreamsPerAddress is how many streams one address may have open. At least
	// 0; default 1000.
	StreamsPerAddress int `mapstructure:"streams_per_address"`
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
	// ReadTimeout is how long a request's body may take to arrive. 1s to 5m;
	// default 30s.
	ReadTimeout time.Duration `mapstructure:"read_timeout"`
}

// DefaultLimits is what holds when nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		TokensPerAddress: 600, StreamsPerAddress: 1000, Openings: 2000, PagesPerVisitor: 120,
		ClaimLength: 256, AnonymousIDs: 10, UserTopics: 1000, Body: 64 << 10, NotificationBody: 20 << 20, NotificationMemory: 256 << 20,
		JSONDepth: 1000, ReadTimeout: 30 * time.Second,
	}
}

// Validate names the first key whose value is out of its range.
func (l Limits) Validate() error {
	for _, n := range []struct {
		key              string
		value, low, high int64
	}{
		{"limits.tokens_per_address", int64(l.TokensPerAddress), 0, 1 << 31},
		{"limits.streams_per_address", int64(l.StreamsPerAddress), 0, 1 << 31},
		{"limits.streams_per_connector", int64(l.StreamsPerConnector), 0, 1 << 31},
		{"limits.openings", int64(l.Openings), 0, 1 << 31},
		{"limits.pages_per_visitor", int64(l.PagesPerVisitor), 0, 1 << 31},
		{"limits.claim_length", int64(l.ClaimLength), 1, 1024},
		{"limits.anonymous_ids", int64(l.AnonymousIDs), 1, 16},
		{"limits.user_topics", int64(l.UserTopics), 16, 100_000},
		{"limits.body", l.Body, 1 << 10, 1 << 20},
		{"limits.notification_body", l.NotificationBody, 64 << 10, 100 << 20},
		{"limits.notification_memory", l.NotificationMemory, max(1<<20, l.NotificationBody), 1 << 40},
		{"limits.json_depth", int64(l.JSONDepth), 16, 10000},
	} {
		if n.value < n.low || n.value > n.high {
			return fmt.Errorf("%s: %d is out of range: %d to %d", n.key, n.value, n.low, n.high)
		}
	}
	if l.ReadTimeout < time.Second || l.ReadTimeout > 5*time.Minute {
		return fmt.Errorf("limits.read_timeout: %v is out of range: 1s to 5m", l.ReadTimeout)
	}
	return nil
}

// cors lets the page that asks read the answer, an error's too. It opens
// nothing: there are no cookies, and each route checks the origin itself. "null"
// is never let in (docs/hull-protocol.md 10.5).
func cors(c *gin.Context) {
	c.Header("Vary", "Origin")
	if origin := c.GetHeader("Origin"); strings.Contains(origin, "://") && len(origin) <= maxOrigin {
		c.Header("Access-Control-Allow-Origin", origin)
		c.Header("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
	}
	c.Next()
}

const maxOrigin = 512

// preflight answers OPTIONS for the routes of browsers.
func preflight(c *gin.Context) {
	c.Header("Access-Control-Allow-Methods", "GET, POST")
	c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Cache-Control")
	c.Header("Access-Control-Max-Age", "7200")
	c.Status(http.StatusNoContent)
}

// rates counts requests per key in a minute.
type rates struct {
	perMinute int
	mu        sync.Mutex
	limiters  map[string]*rate.Limiter
}

// maxLimiters bounds the keys remembered. When it is reached the ones that
// have their whole allowance, which is to say have been silent, are forgotten,
// and if none is, all.
const maxLimiters = 100_000

func newRates(perMinute int) *rates {
	return &rates{perMinute: perMinute, limiters: map[string]*rate.Limiter{}}
}

// allow takes one of key's allowance. When there is none, wait says when there
// will be.
func (r *rates) allow(key string, now time.Time) (wait time.Duration, ok bool) {
	if r.perMinute == 0 {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.limiters[key]
	if l == nil {
		if len(r.limiters) >= maxLimiters {
			r.forgetLocked(now)
		}
		l = rate.NewLimiter(rate.Limit(float64(r.perMinute)/60), r.perMinute)
		r.limiters[key] = l
	}
	if l.AllowN(now, 1) {
		return 0, true
	}
	return time.Minute / time.Duration(r.perMinute), false
}

func (r *rates) forgetLocked(now time.Time) {
	for key, l := range r.limiters {
		if l.TokensAt(now) >= float64(r.perMinute) {
			delete(r.limiters, key)
		}
	}
	if len(r.limiters) >= maxLimiters {
		clear(r.limiters)
	}
}

// places counts how many of something a key has at once.
type places struct {
	most  int
	mu    sync.Mutex
	taken map[string]int
}

func newPlaces(most int) *places { return &places{most: most, taken: map[string]int{}} }

// take takes one of key's places; the caller gives it back.
func (p *places) take(key string) bool {
	if p.most == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[key] >= p.most {
		return false
	}
	p.taken[key]++
	return true
}

func (p *places) giveBack(key string) {
	if p.most == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[key]--; p.taken[key] == 0 {
		delete(p.taken, key)
	}
}

// clientAddress is what a client is counted by. Forwarded addresses count only
// from trusted proxies; of IPv6, where anyone has 2^64 addresses, the network.
func clientAddress(c *gin.Context) string {
	addr, err := netip.ParseAddr(c.ClientIP())
	if err != nil {
		return ""
	}
	if addr = addr.Unmap(); addr.Is6() {
		prefix, _ := addr.WithZone("").Prefix(64)
		return prefix.String()
	}
	return addr.String()
}
