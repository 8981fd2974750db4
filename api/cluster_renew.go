package api

import (
	"context"
	"time"

	"hullbeam/store"
)

// renewEach is how often Redis is told who is followed: those users are served from
// memory, and their lives would run out there.
const renewEach = time.Hour

func (r *resync) renew(ctx context.Context) error {
	if r.renewed.IsZero() {
		r.renewed = time.Now()
	}
	if time.Since(r.renewed) < r.renews {
		return nil
	}
	users := map[string][]store.Snapshot{}
	r.mu.Lock()
	for ch, res := range r.residents {
		if len(res.followed) == 0 {
			continue
		}
		u := store.Snapshot{UserID: ch.Name}
		for _, f := range res.followed {
			u.Topics = append(u.Topics, f.topic)
		}
		users[ch.Connector] = append(users[ch.Connector], u)
	}
	r.mu.Unlock()
	for connectorID, list := range users {
		if err := r.store.Renew(ctx, connectorID, list); err != nil {
			return err
		}
	}
	r.renewed = time.Now()
	return nil
}
