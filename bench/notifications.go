package bench

import (
	"context"
	"fmt"
)

// Notifications sends notifications as fast as they are answered, with streams
// open, each of a user of its own.
type Notifications struct {
	Streams int `json:"streams"`
	// Count is how many notifications are sent, Batch how many messages each has.
	Count int `json:"count"`
	Batch int `json:"batch"`
	// Size is how many bytes of payload a message carries.
	Size int `json:"size"`
	// Connections is how many notifications are on their way at a time, at most.
	Connections int `json:"connections"`
	// NewUsers is Unicast's.
	NewUsers bool `json:"new_users,omitempty"`
}

func (n Notifications) name() string { return "notifications" }
func (n Notifications) streams() int { return n.Streams }

func (n Notifications) validate() error {
	if n.Count < 1 || n.Connections < 1 {
		return fmt.Errorf("count and connections are above 0")
	}
	return validMessages(n.Streams, n.Batch, n.Size)
}

func (n Notifications) run(ctx context.Context, s *session) error {
	if err := s.cfg.via(ViaNotifications); err != nil {
		return err
	}
	u, err := newUpdates(ctx, s, ViaNotifications, n.Streams, n.Connections, n.Batch, n.Size, n.Count, 0)
	if err != nil {
		return err
	}
	u.retry = true
	present := u
	s.start(func(i int) opening { return opening{topic: int32(i), anonymousID: s.visitor(i)} },
		func(t *tally, st *stream, e event, now int64) { present.sink(t, st, e, now) })
	streams, err := s.open(ctx, n.Streams)
	if err != nil {
		return err
	}
	if !n.NewUsers {
		if err := s.introduce(ctx, &present, ViaNotifications, n.Streams, n.Connections, n.Batch, n.Size); err != nil {
			return err
		}
		s.engine.locked(func() { present = u })
	}
	o, err := u.measure(ctx)
	if err != nil {
		return err
	}
	s.result.add("streams", "", float64(streams), "more")
	s.result.add("messages_per_s", "", o.rate, "more")
	s.result.add("notifications_per_s", "", o.rate/float64(n.Batch), "more")
	s.result.add("asked_to_retry", "notifications", float64(u.repeated.Load()), "less")
	o.report(s)
	o.failures(s.result)
	return nil
}
