package stream_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"hullbeam/stream"
)

func TestConfigValidate(t *testing.T) {
	const ok = ""
	for _, test := range []struct {
		change func(*stream.Config)
		want   string // what the error starts with
	}{
		{func(c *stream.Config) {}, ok},
		{func(c *stream.Config) { *c = stream.Config{} }, "stream.heartbeat: 0s is out of range: 1s to 5m0s"},

		{func(c *stream.Config) { c.Heartbeat = time.Second }, ok},
		{func(c *stream.Config) { c.Heartbeat = time.Second - 1 }, "stream.heartbeat"},
		{func(c *stream.Config) { c.Heartbeat = 5 * time.Minute }, ok},
		{func(c *stream.Config) { c.Heartbeat = 5*time.Minute + 1 }, "stream.heartbeat"},

		{func(c *stream.Config) { c.MaxAge = time.Second }, ok},
		{func(c *stream.Config) { c.MaxAge = time.Second - 1 }, "stream.max_age"},
		{func(c *stream.Config) { c.MaxAge, c.TokenTTL, c.VisitWindow = 24*time.Hour, 25*time.Hour, 25*time.Hour }, ok},
		{func(c *stream.Config) {
			c.MaxAge, c.TokenTTL, c.VisitWindow = 24*time.Hour+1, 25*time.Hour, 25*time.Hour
		}, "stream.max_age"},

		{func(c *stream.Config) { c.Drain = 0 }, ok},
		{func(c *stream.Config) { c.Drain = -1 }, "stream.drain"},
		{func(c *stream.Config) { c.Drain = 10 * time.Minute }, ok},
		{func(c *stream.Config) { c.Drain = 10*time.Minute + 1 }, "stream.drain"},

		{func(c *stream.Config) { c.Retry = 100 * time.Millisecond }, ok},
		{func(c *stream.Config) { c.Retry = 100*time.Millisecond - 1 }, "stream.retry"},
		{func(c *stream.Config) { c.Retry = time.Minute }, ok},
		{func(c *stream.Config) { c.Retry = time.Minute + 1 }, "stream.retry"},

		{func(c *stream.Config) { c.WriteTimeout = 100 * time.Millisecond }, ok},
		{func(c *stream.Config) { c.WriteTimeout = 100*time.Millisecond - 1 }, "stream.write_timeout"},
		{func(c *stream.Config) { c.WriteTimeout = 5 * time.Minute }, ok},
		{func(c *stream.Config) { c.WriteTimeout = 5*time.Minute + 1 }, "stream.write_timeout"},

		{func(c *stream.Config) { c.TokenTTL = c.MaxAge + c.Drain + 1 }, ok},
		{func(c *stream.Config) { c.TokenTTL = c.MaxAge + c.Drain }, "stream.token_ttl: 1h0m30s is out of range: above"},
		{func(c *stream.Config) { c.TokenTTL, c.VisitWindow = 720*time.Hour, 720*time.Hour }, ok},
		{func(c *stream.Config) { c.TokenTTL = 720*time.Hour + 1 }, "stream.token_ttl"},
		{func(c *stream.Config) { c.TokenTTL = math.MinInt64 }, "stream.token_ttl"},

		{func(c *stream.Config) { c.VisitWindow = c.TokenTTL }, ok},
		{func(c *stream.Config) { c.VisitWindow = c.TokenTTL - 1 }, "stream.visit_window"},
		{func(c *stream.Config) { c.VisitWindow = 720 * time.Hour }, ok},
		{func(c *stream.Config) { c.VisitWindow = 720*time.Hour + 1 }, "stream.visit_window"},

		{func(c *stream.Config) { c.MaxStreams = 1 }, ok},
		{func(c *stream.Config) { c.Backlog = 1 }, ok},
		{func(c *stream.Config) { c.Backlog = 0 }, "stream.backlog: 0 is out of range"},
		{func(c *stream.Config) { c.Backlog = 65536 }, ok},
		{func(c *stream.Config) { c.Backlog = 65537 }, "stream.backlog: 65537 is out of range"},
		{func(c *stream.Config) { c.Transport = "portable" }, ok},
		{func(c *stream.Config) { c.Transport = "" }, "stream.transport: \"\" is out of range"},
		{func(c *stream.Config) { c.MaxStreams = -1 }, "stream.max_streams: -1 is out of range"},
	} {
		c := stream.DefaultConfig()
		test.change(&c)
		if err := c.Validate(); test.want == ok && err != nil || test.want != ok && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%+v: error %v, want %q", c, err, test.want)
		}
	}
}
