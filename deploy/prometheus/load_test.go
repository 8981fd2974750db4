//go:build unix

package prometheus

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"time"

	"hullbeam/hull/hulltest"
)

// load does all that is done with Hullbeam, at a node and at another that shares its
// store, or at the same: again and again until ctx ends.
type load struct {
	here, there *node
	hull        *pretend

	mu      sync.Mutex
	trouble error // the last
}

// pause is how long a node has nothing to do between two rounds.
const pause = 200 * time.Millisecond

func (l *load) run(ctx context.Context) {
	l.once(ctx)
	last := ""
	for n := 0; ctx.Err() == nil; n++ {
		if err := l.round(ctx, n, &last); err != nil && ctx.Err() == nil {
			l.mu.Lock()
			l.trouble = err
			l.mu.Unlock()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// once is what happens seldom.
func (l *load) once(ctx context.Context) {
	l.here.announce(ctx, l.hull.url+"/extract/whole")
	l.here.operator(ctx, http.MethodGet, "/api/v1/connectors", "a key of nobody at all", nil)
	l.here.post(ctx, "/api/v1/session", http.Header{}, object{"key": "a key of nobody at all"})
}

// round has a visitor whom Hull knows come back, and somebody come of whom nothing
// is known; Hull says something of both of them, an operator sends an offer.
func (l *load) round(ctx context.Context, n int, last *string) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	visitor := "a-visitor-of-" + l.here.name + "-0001"
	user := object{"id": "user-of-" + l.here.name, "anonymous_ids": []string{visitor}, "plan": fmt.Sprint("plan ", n)}
	v, err := l.there.arrive(ctx, connector, visitor)
	if err != nil {
		return err
	}
	seen, err := v.watch(ctx, *last)
	if err != nil {
		return err
	}
	stranger, err := l.here.arrive(ctx, connector, rand.Text())
	if err != nil {
		return err
	}
	if _, err := stranger.watch(ctx, ""); err != nil {
		return err
	}
	for what, request := range map[string]func() (int, string, error){
		"a notification": func() (int, string, error) { return l.here.notify(ctx, hulltest.ProcessKey(), user) },
		"an offer": func() (int, string, error) {
			return l.here.operator(ctx, http.MethodPost, "/api/v1/connectors/"+connector+"/offers", adminKey, object{"to": object{"visitor": v.Visitor}, "data": object{}, "expires_in": "1m"})
		},
		"a page view":        func() (int, string, error) { return v.view(ctx, nil) },
		"a tab that is left": func() (int, string, error) { return v.view(ctx, object{"gone": true, "personalized_ms": 120}) },
		"a stated email": func() (int, string, error) {
			return v.page(ctx, "/api/v1/visitors/email", object{"token": v.Token, "email": "a@page.test"})
		},
		"a status": func() (int, string, error) {
			return send(ctx, l.here.client, http.MethodGet, l.here.url()+"/status?"+credentials(), nil, nil)
		},
		"an erasure": func() (int, string, error) {
			return l.here.operator(ctx, http.MethodDelete, "/api/v1/connectors/"+connector+"/users/id:nobody", adminKey, nil)
		},
		"a revocation": func() (int, string, error) {
			return l.here.operator(ctx, http.MethodDelete, "/api/v1/connectors/"+connector+"/streams?topic=id:nobody", adminKey, nil)
		},
	} {
		if status, text, err := request(); err != nil || status >= 300 {
			return fmt.Errorf("%s: %d %s %w", what, status, text, err)
		}
	}
	// Somebody else's page, and an id that is none.
	l.here.post(ctx, "/api/v1/connectors/"+connector+"/token", http.Header{"Origin": {"https://elsewhere.test"}}, object{"claims": object{"anonymous_id": visitor}})
	l.here.page(ctx, "/api/v1/connectors/"+connector+"/token", object{"claims": object{"anonymous_id": "somebody@example.com"}})
	*last = seen
	return nil
}
