package hull_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"hullbeam/hull"
)

func TestNext(t *testing.T) {
	const (
		users       = `{"flow_control":{"type":"next","size":100,"in":100},"metrics":[],"errors":[]}`
		settings    = `{"flow_control":{"type":"next","size":50,"in":1},"metrics":[],"errors":[]}`
		unsupported = `{"flow_control":{"type":"next","size":10,"in":1},"metrics":[],"errors":[]}`
	)
	for channel, want := range map[string]string{
		"user:update":             users,
		"ship:update":             settings,
		"segment:update":          settings,
		"users_segment:update":    settings,
		"accounts_segment:update": settings,
		"segment:delete":          unsupported,
		"users_segment:delete":    unsupported,
		"accounts_segment:delete": unsupported,
		"account:update":          unsupported,
		"user:delete":             unsupported,
		"User:update":             unsupported,
		"":                        unsupported,
	} {
		if got := marshal(t, new(hull.Pace).Next(channel)); got != want {
			t.Errorf("%q\n got %s\nwant %s", channel, got, want)
		}
	}
}

func TestRetry(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		// The body of docs/hull-protocol.md 3.6, to the letter.
		{hull.ErrInvalidSignature, 400, `{"flow_control":{"type":"retry","size":10,"in":1000,"in_time":10},"metrics":[],` +
			`"errors":[{"code":"INVALID_SIGNATURE","reason":"Invalid signature"}],` +
			`"error":{"code":"INVALID_SIGNATURE","name":"NotificationValidationError","message":"Invalid signature"}}`},
		{fmt.Errorf("reading: %w", hull.ErrEntityTooLarge), 413, `{"flow_control":{"type":"retry","size":1},"metrics":[],` +
			`"errors":[{"code":"ENTITY_TOO_LARGE","reason":"Payload too large"}],` +
			`"error":{"code":"ENTITY_TOO_LARGE","name":"NotificationValidationError","message":"Payload too large"}}`},
		{errors.New("dial tcp 10.0.0.7:6379: refused"), 503, `{"flow_control":{"type":"retry","size":10,"in":1000,"in_time":10},"metrics":[],` +
			`"errors":[{"code":"UNAVAILABLE","reason":"Temporarily unavailable"}],` +
			`"error":{"code":"UNAVAILABLE","name":"TransientError","message":"Temporarily unavailable"}}`},
	} {
		status, answer := new(hull.Pace).Retry(c.err)
		if got := marshal(t, answer); status != c.status || got != c.want {
			t.Errorf("%v: %d\n got %s\nwant %s", c.err, status, got, c.want)
		}
	}
}

func TestNotificationErrorIs(t *testing.T) {
	err := fmt.Errorf("in context: %w", hull.ErrInvalidJSON.Because("at byte 7"))
	if !errors.Is(err, hull.ErrInvalidJSON) || errors.Is(err, hull.ErrInvalidSignature) {
		t.Errorf("%v is not what it is", err)
	}
	if errors.Is(hull.ErrKeyUnreachable, hull.ErrInvalidCertificate) {
		t.Error("a host that does not answer is an invalid certificate")
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
