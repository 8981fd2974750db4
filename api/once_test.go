package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
)

// numbered is the body of a user:update with this id.
func numbered(id string, messages ...string) []byte {
	return fmt.Appendf(nil, `{"notification_id":%q,"configuration":{"id":%q,"organization":%q,"secret":%q},"channel":"user:update","messages":[%s]}`,
		id, ship, org, secret, strings.Join(messages, ","))
}

// wants compares an answer to Hull.
func wants(t *testing.T, r reply, status int, code string) {
	t.Helper()
	if r.status != status || answerCode(r) != code {
		t.Errorf("got %d %s, want %d %s", r.status, r.body, status, code)
	}
}

// A2: a signature is of the id alone, and is good for as long as Hull may send it
// again. What was taken is not taken twice, and lets nothing else in.
func TestA2ReplayedNotifications(t *testing.T) {
	s := start(t, options{noHull: true})
	first := numbered("n1", userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	wants(t, s.notify(first), 200, "")
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expectPlan("pro")
	wants(t, s.notify(numbered("n2", userMessage("u1", plan("max"), anonymousIDs(anonymous)))), 200, "")
	l.expectPlan("max")

	again := s.notify(first)
	wants(t, again, 200, "")
	if !strings.Contains(string(again.body), `"type":"next","size":100`) {
		t.Errorf("the answer again: got %s", again.body)
	}
	wants(t, s.notify(numbered("n1", userMessage("u1", plan("forged"), anonymousIDs(anonymous)))), 400, "REPLAYED_NOTIFICATION")
	s.quiet()
	s.update(userMessage("u1", plan("last"), anonymousIDs(anonymous)))
	l.expectPlan("last") // and nothing between
	if got := s.metric("hullbeam_notifications_total", "result", "repeated"); got != 1 {
		t.Errorf("repeated: got %v", got)
	}
}

// What could not be taken may come again under its id, also cut otherwise.
func TestReplayAfterAFailure(t *testing.T) {
	broken := &brokenStore{}
	s := start(t, options{noHull: true, store: func(*store.Config) {}, wrap: broken.wrap})
	broken.fails = true
	wants(t, s.notify(numbered("n1", userMessage("u1", plan("pro"), anonymousIDs(anonymous)), userMessage("u2", plan("x")))), 503, "UNAVAILABLE")
	broken.fails = false
	wants(t, s.notify(numbered("n1", userMessage("u1", plan("pro"), anonymousIDs(anonymous)))), 200, "")
	s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("pro")
}

// brokenStore cannot write while it fails.
type brokenStore struct {
	store.Store
	fails bool
}

func (b *brokenStore) wrap(s store.Store) store.Store {
	b.Store = s
	return b
}

var errDisk = fmt.Errorf("the disk is gone: %w", store.ErrUnavailable)

func (b *brokenStore) Put(ctx context.Context, connectorID string, users []store.User) ([]store.Written, error) {
	if b.fails {
		return nil, errDisk
	}
	return b.Store.Put(ctx, connectorID, users)
}

func (b *brokenStore) PutConnector(ctx context.Context, c store.Connector) (bool, error) {
	if b.fails {
		return false, errDisk
	}
	return b.Store.PutConnector(ctx, c)
}

// Hull, which gives up after a while, may send a notification again that is still
// being worked on: it is asked to do that later.
func TestReplayInProgress(t *testing.T) {
	held := heldStore{entered: make(chan struct{}), leave: make(chan struct{})}
	s := start(t, options{store: func(*store.Config) {}, wrap: func(s store.Store) store.Store {
		held.Store = s
		return held
	}})
	body := fmt.Appendf(nil, `{"notification_id":"n1","configuration":{"id":%q,"organization":%q,"secret":%q},"connector":{"id":%q,"private_settings":{"public_traits":["held"]}},"channel":"ship:update","messages":[]}`,
		ship, org, secret, ship)
	first := make(chan reply, 1)
	go func() { first <- s.notify(body) }()
	held.wait(t, first)
	r := s.notify(body)
	wants(t, r, 503, "IN_PROGRESS")
	if !strings.Contains(string(r.body), `"type":"retry"`) {
		t.Errorf("got %s", r.body)
	}
	close(held.leave)
	wants(t, <-first, 200, "")
	wants(t, s.notify(body), 200, "")
}

// An id is remembered as long as its signature is good, also across a restart; of
// another connector it is another.
func TestReplayIsRememberedAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	body := numbered("n1", userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	forged := numbered("n1", userMessage("u1", plan("forged"), anonymousIDs(anonymous)))
	other := []byte(strings.ReplaceAll(string(body), ship, "other"))
	now := time.Now()
	s := start(t, options{directory: dir})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Organization: org, Secret: secret}))
	wants(t, s.notify(body), 200, "")
	wants(t, s.notify(other), 200, "")
	s.store.Close()
	s = start(t, options{directory: dir})
	wants(t, s.notify(forged), 400, "REPLAYED_NOTIFICATION")
	wants(t, s.notify(body), 200, "")
	s.store.Close()
	s = start(t, options{directory: dir, store: func(c *store.Config) {
		c.Now = func() time.Time { return now.Add(hull.DefaultVerifyConfig().SignatureMaxAge + 3*time.Minute) }
	}})
	wants(t, s.notify(forged), 200, "") // by a new signature: the old one is good no more
}

// What is above limits.notification_memory waits, and is then asked for again.
func TestC20NotificationsAreBounded(t *testing.T) {
	held := heldStore{entered: make(chan struct{}), leave: make(chan struct{})}
	s := start(t, options{store: func(*store.Config) {}, wrap: func(s store.Store) store.Store {
		held.Store = s
		return held
	}, config: func(c *api.Config) { c.Limits.NotificationBody, c.Limits.NotificationMemory = 70_000, 70_000 }})
	s.api.SetIntakeWait(100 * time.Millisecond)
	padded := func(id, trait string) []byte {
		return fmt.Appendf(nil, `{"notification_id":%q,"configuration":{"id":%q,"organization":%q,"secret":%q},"connector":{"id":%q,"private_settings":{"public_traits":[%q]}},"channel":"ship:update","messages":[%q]}`,
			id, ship, org, secret, ship, trait, strings.Repeat("x", 40_000))
	}
	first := make(chan reply, 1)
	go func() { first <- s.notify(padded("n1", "held")) }()
	held.wait(t, first)
	r := s.notify(padded("n2", "plan"))
	wants(t, r, http.StatusServiceUnavailable, "OVERLOADED")
	if !strings.Contains(string(r.body), `"type":"retry"`) {
		t.Errorf("got %s", r.body)
	}
	wants(t, s.notify(numbered("n3")), 200, "") // there is room for a small one
	close(held.leave)
	wants(t, <-first, 200, "")
	wants(t, s.notify(padded("n2", "plan")), 200, "")
}
