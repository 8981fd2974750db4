package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Soak does for long all that pages, Hull and operators do, at once and at rates that
// leave the machine air: visitors come, stay, lose their connection, come back and leave;
// their users are updated; some stop to read for a while; operators look. Every few
// seconds it reads what each node says of itself at /metrics. In the end goroutines,
// descriptors and memory must not have grown, and nobody must have missed a thing.
type Soak struct {
	Duration time.Duration `json:"duration_ns"`
	// Visitors is how many are there at a time, and Stay how long they stay, on average:
	// one of ten stays ten times as long.
	Visitors int           `json:"visitors"`
	Stay     time.Duration `json:"stay_ns"`
	// Users is how many different ones visitors are, by chance.
	Users int `json:"users"`
	// Slow is how many visitors are there besides who stop to read now and then. They
	// are all one user, who is updated all along with as much as fills a connection.
	Slow int `json:"slow"`
	// Rate is updates of users a second, Views page views, Offers offers.
	Rate   float64 `json:"rate"`
	Views  float64 `json:"views"`
	Offers float64 `json:"offers"`
	// Operators look at the live view of each node.
	Operators int `json:"operators"`
	// Sample is the time between two looks at /metrics.
	Sample time.Duration `json:"sample_ns"`
	// WarmUp is left out of what is judged; 0: a fifth of Duration. What is left must be
	// Judged at least for a judgement on what grows: shorter, noise would be called growth.
	WarmUp time.Duration `json:"warm_up_ns"`
	Judged time.Duration `json:"judged_ns"`
	// Grace is how soon a page must know the latest state of its user; after an outage as
	// well, and until then requests may be refused.
	Grace time.Duration `json:"grace_ns"`
	// MarkFile, if there is one, is told of outages while they happen, by whoever makes
	// them: lines that start with "down " or "up ", and say what is. They stand in the plot.
	MarkFile string `json:"-"`
}

// DefaultSoak leaves two cores air.
func DefaultSoak() Soak {
	return Soak{
		Duration: 30 * time.Minute, Visitors: 300, Stay: 40 * time.Second, Users: 500, Slow: 6, Rate: 60, Views: 10, Offers: 1,
		Operators: 1, Sample: 5 * time.Second, Judged: 10 * time.Minute, Grace: 10 * time.Second,
	}
}

func (k Soak) name() string { return "soak" }
func (k Soak) streams() int { return k.Visitors + k.Slow + 100 }

func (k Soak) validate() error {
	switch {
	case k.Duration <= 0 || k.Stay <= 0 || k.Grace <= 0 || k.WarmUp < 0 || k.Judged < 0:
		return errors.New("duration, stay and grace are above 0, warm-up and judged are not below")
	case k.Visitors < 1 || k.Users < 1 || k.Slow < 0 || k.Operators < 0:
		return errors.New("visitors and users are 1 or more, slow and operators are not below 0")
	case k.Rate <= 0 || k.Views <= 0 || k.Offers <= 0:
		return errors.New("rate, views and offers are above 0")
	case k.Sample <= 0 || k.Duration/k.Sample > maxSamples:
		return fmt.Errorf("sample: %v is out of range: above 0, and at most %d in the duration", k.Sample, maxSamples)
	}
	return nil
}

// maxSamples bounds what is kept of a run, however long.
const maxSamples = 20000

func (k Soak) warmUp() time.Duration {
	if k.WarmUp > 0 {
		return k.WarmUp
	}
	return k.Duration / 5
}

func (k Soak) run(ctx context.Context, s *session) error {
	if s.cfg.AdminKey == "" {
		return errors.New("a soak needs an admin key")
	}
	y := newSoaking(k, s)
	if err := y.introduce(ctx); err != nil {
		return err
	}
	y.begin()
	if err := y.sample(ctx); err != nil {
		return err
	}
	load, unload := context.WithCancel(ctx)
	defer time.AfterFunc(k.Duration, unload).Stop() // a deadline would have requests fail before ctx tells why
	defer unload()
	pages, leave := context.WithCancel(ctx)
	defer leave()
	cpu := s.serverCPU()
	y.start(load, pages)
	if err := y.watch(load); err != nil && ctx.Err() == nil {
		return err
	}
	y.sending.Wait()
	used := s.serverCPU() - cpu
	if err := y.settle(ctx); err != nil {
		return err
	}
	leave()
	y.visiting.Wait()
	if err := y.emptied(ctx); err != nil {
		return err
	}
	y.report(used)
	return nil
}

// start lets all in who do something: those who send until load ends, visitors and
// operators until pages does.
func (y *soaking) start(load, pages context.Context) {
	for lane := range sendLanes {
		y.sending.Go(func() { y.sendUpdates(load, lane) })
	}
	if y.Slow > 0 {
		y.sending.Go(func() { y.fill(load) })
	}
	y.sending.Go(func() { y.sendOffers(load) })
	for range viewLanes {
		y.sending.Go(func() { y.sendViews(load) })
	}
	for i := range y.Visitors + y.Slow {
		y.visiting.Go(func() { y.place(pages, i >= y.Visitors) })
	}
	for node := range y.session.server.nodes {
		for range y.Operators {
			y.visiting.Go(func() { y.operate(pages, node) })
		}
	}
}

// watch takes samples until the load ends.
func (y *soaking) watch(load context.Context) error {
	for load.Err() == nil {
		if err := sleep(load, y.Sample); err != nil {
			return nil
		}
		if err := y.sample(load); err != nil {
			return err
		}
		y.lookForLosses()
		y.tell()
	}
	return nil
}

// settle waits until every page knows the latest, or should. An outage ends within minutes.
func (y *soaking) settle(ctx context.Context) error {
	enough, most := clock()+int64(y.Grace+time.Second), clock()+int64(2*time.Minute)
	for now := clock(); now < most; now = clock() {
		if excused, _ := y.outages.excuse(now); !excused && now > enough {
			break
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	y.lookForLosses() // for what was due
	y.lookForLosses() // and for the last that was sent
	return nil
}

// emptied samples once more when all have left, as soon as the nodes know.
func (y *soaking) emptied(ctx context.Context) error {
	for until := clock() + int64(30*time.Second); ; {
		if err := y.sample(ctx); err != nil || y.streamsOpen() == 0 {
			return err
		}
		if clock() > until {
			y.session.result.fail("nodes still have streams 30 s after all have left")
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}
