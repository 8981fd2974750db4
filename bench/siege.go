package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Siege has visitors come and go, first alone, then while others hold connections on
// which they send a byte at a time and streams that they never read, and open each anew
// when the server ends it. Then they stop to open any, and the server has to get rid of
// those that are left.
type Siege struct {
	// Connections send a byte each Every: a third of a head, a third of a body, a third
	// of the preface of HTTP/2 and frames.
	Connections int           `json:"connections"`
	Every       time.Duration `json:"every_ns"`
	// Streams are never read. UpdateRate updates a second of Size bytes are for all of them.
	Streams       int     `json:"streams"`
	ReceiveBuffer int     `json:"receive_buffer"`
	UpdateRate    float64 `json:"update_rate"`
	Size          int     `json:"size"`
	// Rate is visitors a second, in each half of Duration.
	Rate     float64       `json:"rate"`
	Duration time.Duration `json:"duration_ns"`
	// Patience is how long the server may take until the last connection is gone, and
	// again until its memory is back.
	Patience time.Duration `json:"patience_ns"`
}

func (w Siege) name() string { return "siege" }
func (w Siege) streams() int { return w.Connections + 2*w.Streams + int(4*w.Rate) + 100 }

func (w Siege) validate() error {
	switch {
	case w.Connections < 0 || w.Streams < 0 || w.Connections+w.Streams == 0:
		return errors.New("connections or streams is above 0")
	case w.Every <= 0 || w.Rate <= 0 || w.UpdateRate <= 0 || w.Duration <= 0 || w.Patience <= 0 || w.ReceiveBuffer < 0:
		return errors.New("every, rate, update-rate, duration and patience are above 0, the receive buffer is not below")
	case w.Size < markLength || w.Size > 32<<10:
		return fmt.Errorf("size: %d is out of range: %d to %d", w.Size, markLength, 32<<10)
	}
	return nil
}

func (w Siege) run(ctx context.Context, s *session) error {
	switch at := s.server.address(0).Addr(); {
	case s.cfg.AdminKey == "":
		return errors.New("a siege needs an admin key, to send updates")
	case !at.IsLoopback() && !isOurs(at) || len(s.server.nodes) > 1:
		return errors.New("a siege is of one node on this machine: its end of each connection is looked at")
	}
	alone, besieged := w.newOthers(s, 0), w.newOthers(s, 1)
	if err := alone.run(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, min(2*time.Second, w.Patience)); err != nil {
		return err
	}
	before := memoryOf(s.pids)
	b := w.besiege(ctx, s)
	defer b.end()
	if err := b.until(ctx, "all are there", w.Patience, func() bool { return b.held.Load() >= int64(w.Connections+w.Streams)*9/10 }); err != nil {
		return err
	}
	if err := besieged.run(ctx); err != nil {
		return err
	}
	held := b.held.Load()
	b.storming.Store(false)
	left := clock()
	gone := b.until(ctx, "all are gone", w.Patience, func() bool { return b.held.Load() == 0 })
	goneAfter := time.Duration(clock() - left)
	back := b.until(ctx, "memory is back", w.Patience, func() bool { return float64(memoryOf(s.pids).anonymous) <= slack*float64(before.anonymous) })
	backAfter := time.Duration(clock() - left)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.result.add("held", "connections", float64(held), "")
	s.result.add("opened", "connections", float64(b.opened.Load()), "")
	alone.report("alone_")
	besieged.report("")
	s.result.add("gone_after", "s", goneAfter.Seconds(), "less")
	w.reportMemory(s, b, before, backAfter)
	for _, err := range []error{gone, back} {
		if err != nil {
			s.result.fail("%v", err)
		}
	}
	return nil
}

// slack is by how much the memory of a process may have grown, without what it has mapped
// of files, and still count as back where it was.
const slack = 1.15

func (w Siege) reportMemory(s *session, b *besiegers, before memory, backAfter time.Duration) {
	if len(s.pids) == 0 {
		return
	}
	after := memoryOf(s.pids)
	s.result.add("rss_before", "MiB", float64(before.rss)/(1<<20), "less")
	s.result.add("rss_peak", "MiB", float64(b.peak.Load())/(1<<20), "less")
	s.result.add("rss_after", "MiB", float64(after.rss)/(1<<20), "less")
	s.result.add("anonymous_before", "MiB", float64(before.anonymous)/(1<<20), "less")
	s.result.add("anonymous_after", "MiB", float64(after.anonymous)/(1<<20), "less")
	s.result.add("memory_back_after", "s", backAfter.Seconds(), "less")
	s.result.add("descriptors_before", "", float64(before.descriptors), "less")
	s.result.add("descriptors_after", "", float64(after.descriptors), "less")
}
