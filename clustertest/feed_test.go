package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"hullbeam/internal/proctest"
)

// user is somebody whom the feed updates.
type user struct {
	id        string
	anonymous []string
	sent      int64     // the newest n that was tried; of the feed's worker
	at        time.Time // indexed_at of that
	tried     atomic.Bool
	accepted  atomic.Int64 // the newest n that was answered 202
}

// feed sends the users' updates as a warehouse does: at a steady rate, each again
// until it is accepted, and never two of a user at the same time. A user's n
// grows by one with each.
type feed struct {
	url, key  string
	users     []*user
	newcomers int // the last users so many, of whom nothing is known at first
	complain  *complaints
	client    *http.Client

	accepted, retries atomic.Int64
	atWork            atomic.Int64
	paused            atomic.Bool
	busy              atomic.Int64 // workers with something that was not accepted yet
}

const (
	feedWorkers = 10
	feedBatch   = 10
	feedEvery   = feedWorkers * feedBatch * time.Second / 300 // 300 users a second
)

func newFeed(url, key string, users []*user, complain *complaints) *feed {
	return &feed{url: url, key: key, users: users, complain: complain, client: &http.Client{
		Timeout: 5 * time.Second,
		// Each request is a connection, so that they go to all nodes.
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// start is one of the feed's workers. It puts its users in, then works.
func (f *feed) start(ctx context.Context, number int) {
	var own, later []*user
	for i := number; i < len(f.users); i += feedWorkers {
		if i < len(f.users)-f.newcomers {
			own = append(own, f.users[i])
		} else {
			later = append(later, f.users[i])
		}
	}
	for batch := range slices.Chunk(own, 100) {
		f.put(ctx, batch)
	}
	f.atWork.Add(1)
	f.work(ctx, own, later)
}

// started tells whether all users have been put in.
func (f *feed) started() bool { return f.atWork.Load() == feedWorkers }

// work sends updates until ctx ends: of the first user each time, so that some
// change often, of the others in turn, and now and then of one who comes later.
func (f *feed) work(ctx context.Context, own, later []*user) {
	next := 1
	for tick := time.NewTicker(feedEvery); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
		batch := []*user{own[0]}
		if len(later) > 0 && rand.IntN(10) == 0 {
			batch, own, later = append(batch, later[0]), append(own, later[0]), later[1:]
		}
		for len(batch) < feedBatch {
			batch = append(batch, own[next])
			next = max(1, (next+1)%len(own))
		}
		f.busy.Add(1)
		if !f.paused.Load() {
			f.put(ctx, batch)
		}
		f.busy.Add(-1)
	}
}

// put sends the next update of each, until it is accepted.
func (f *feed) put(ctx context.Context, batch []*user) {
	type object = map[string]any
	var messages []object
	for _, u := range batch {
		u.sent++
		u.tried.Store(true)
		if now := time.Now(); now.Sub(u.at) > time.Millisecond {
			u.at = now
		} else {
			u.at = u.at.Add(time.Millisecond)
		}
		messages = append(messages, object{"user": object{
			"id": u.id, "anonymous_ids": u.anonymous, "indexed_at": u.at.UTC().Format(time.RFC3339Nano),
			"n": u.sent, "padding": padding,
		}, "segments": []any{}, "events": []any{}})
	}
	body, _ := json.Marshal(messages)
	for !f.send(ctx, body, len(batch)) {
		f.retries.Add(1)
		select {
		case <-time.After(100*time.Millisecond + rand.N(200*time.Millisecond)):
		case <-ctx.Done():
			return
		}
	}
	for _, u := range batch {
		u.accepted.Store(u.sent)
	}
	f.accepted.Add(int64(len(batch)))
}

// padding makes a state as large as states are.
var padding = string(bytes.Repeat([]byte("hull"), 200))

// send tells whether the users were accepted. 503 and a broken connection ask for
// a repetition; nothing else may come.
func (f *feed) send(ctx context.Context, body []byte, users int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/api/v1/connectors/"+connector+"/users", bytes.NewReader(body))
	if err != nil {
		f.complain.add("request", "%v", err)
		return false
	}
	req.Header.Set("Authorization", "Bearer "+f.key)
	res, err := f.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil || res.StatusCode == http.StatusServiceUnavailable:
		return false
	case res.StatusCode != http.StatusAccepted, string(answer) != fmt.Sprintf(`{"accepted":%d,"skipped":[]}`, users):
		f.complain.add("the answer to an update", "%d %s", res.StatusCode, answer)
		return false
	}
	return true
}

// pause lets what is under way be accepted and nothing more be sent. It tells
// whether that came to be within limit.
func (f *feed) pause(limit time.Duration) bool {
	f.paused.Store(true)
	return proctest.Within(limit, func() bool { return f.busy.Load() == 0 })
}

func (f *feed) resume() { f.paused.Store(false) }

// acceptMore waits until more users have been accepted than now, for so long at most.
func (f *feed) acceptMore(more int64, limit time.Duration) bool {
	enough := f.accepted.Load() + more
	return proctest.Within(limit, func() bool { return f.accepted.Load() >= enough })
}
