//go:build unix

package prometheus

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"hullbeam/hull/hulltest"
	"hullbeam/internal/proctest"
)

// fault is something that breaks, and what has to fire then.
type fault struct {
	what   string
	at     *node // nil: the alert is of no node
	alerts []string

	// cause is called again and again until the alerts fire. It does not wait for them.
	cause func(ctx context.Context, t *testing.T)
}

// breakAll causes the faults: those of a lane one after the other, the lanes side by side.
func (in *installation) breakAll(t *testing.T, p *server) {
	var mu sync.Mutex
	var table []string
	fired := map[string]bool{}
	run := func(t *testing.T, lane []fault) {
		for _, f := range lane {
			began := time.Now()
			p.await(t, f)
			mu.Lock()
			for _, alert := range f.alerts {
				fired[alert] = true
				table = append(table, fmt.Sprintf("%s | %s | %.1f s", alert, f.what, time.Since(began).Seconds()))
			}
			mu.Unlock()
		}
	}
	t.Run("each alert fires in its fault", func(t *testing.T) {
		for name, lane := range map[string][]fault{
			"notifications": in.notificationFaults(t), "pages": in.pageFaults(), "Hull": in.hullFaults(),
			"Redis": in.redisFaults(), "limits": in.limitFaults(), "processes": in.processFaults(p),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, lane)
			})
		}
	})
	run(t, []fault{{"Prometheus is told of no node any more", nil, []string{"HullbeamAbsent"}, func(context.Context, *testing.T) { p.watch(nil) }}})
	for _, r := range readRules(t, "alerts.yml") {
		if !fired[r.Alert] {
			t.Errorf("%s has not fired", r.Alert)
		}
	}
	t.Logf("alert | fault | until it fired\n%s", strings.Join(table, "\n"))
}

// await causes a fault until its alerts fire. What cause has begun ends then.
func (s *server) await(t *testing.T, f fault) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	instance := ""
	if f.at != nil {
		instance = f.at.name
	}
	missing := map[string]bool{}
	for _, alert := range f.alerts {
		missing[alert] = true
	}
	for len(missing) > 0 {
		if ctx.Err() != nil {
			t.Errorf("%s: these do not fire: %v", f.what, missing)
			return
		}
		f.cause(ctx, t)
		for alert := range s.firing(t) {
			if name, at, _ := strings.Cut(alert, " "); at == instance {
				delete(missing, name)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// always is a fault that only has to be caused once.
func always(cause func(ctx context.Context, t *testing.T)) func(ctx context.Context, t *testing.T) {
	var once sync.Once
	return func(ctx context.Context, t *testing.T) { once.Do(func() { cause(ctx, t) }) }
}

func (in *installation) notificationFaults(t *testing.T) []fault {
	stranger, err := hulltest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return []fault{
		{"notifications are signed by another key", in.alone, []string{"HullbeamNotificationsRefused"}, func(ctx context.Context, t *testing.T) {
			if status, _, _ := in.alone.notify(ctx, stranger, object{"id": "u"}); status < 400 {
				t.Errorf("it is answered %d", status)
			}
		}},
		{"a program has an operator's old key", in.alone, []string{"HullbeamWrongKeys"}, func(ctx context.Context, _ *testing.T) {
			in.alone.operator(ctx, http.MethodGet, "/api/v1/connectors", "a key that was good once", nil)
		}},
		{"a user has a text of 70 KB that pages may see", in.alone, []string{"HullbeamUpdatesTooLarge"}, func(ctx context.Context, t *testing.T) {
			visitor := "a-visitor-with-a-long-text"
			in.openOnce(ctx, t, in.alone, visitor)
			status, text, err := in.alone.notify(ctx, hulltest.ProcessKey(), object{"id": "long", "anonymous_ids": []string{visitor}, "text": rand.Text() + strings.Repeat("x", 70_000)})
			ok(t, "a notification", status, text, err)
		}},
	}
}

// openOnce has somebody watch at a node.
func (in *installation) openOnce(ctx context.Context, t *testing.T, n *node, visitor string) {
	if _, open := in.once.LoadOrStore(n.name+visitor, true); open {
		return
	}
	v, err := n.arrive(ctx, connector, visitor)
	if err == nil {
		_, err = v.watch(ctx, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (in *installation) pageFaults() []fault {
	visitor := "a-visitor-who-does-not-read"
	return []fault{{"pages hold streams and read nothing", in.alone, []string{"HullbeamPagesDoNotRead"}, func(ctx context.Context, t *testing.T) {
		if _, open := in.once.LoadOrStore(visitor, true); !open {
			v, err := in.alone.arrive(ctx, connector, visitor)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				v.hold(ctx, t)
			}
		}
		for range 20 {
			status, text, err := in.alone.notify(ctx, hulltest.ProcessKey(), object{"id": "unread", "anonymous_ids": []string{visitor}, "text": rand.Text() + strings.Repeat("x", 60_000)})
			ok(t, "a notification", status, text, err)
		}
	}}}
}

// hold opens a stream and reads nothing of it until ctx ends.
func (v *visit) hold(ctx context.Context, t *testing.T) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", v.addr)
	if err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(conn, "GET /api/v1/stream?token=%s HTTP/1.1\r\nHost: %s\r\n\r\n", v.Token, v.addr)
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 200"))); err != nil {
		t.Fatal(err)
	}
}

func (in *installation) hullFaults() []fault {
	come := func(connector string) func(ctx context.Context, t *testing.T) {
		return func(ctx context.Context, t *testing.T) {
			v, err := in.alone.arrive(ctx, connector, rand.Text())
			if err == nil {
				_, err = v.watch(ctx, "")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return []fault{
		{"an extract breaks off", in.alone, []string{"HullbeamExtractBroken"}, func(ctx context.Context, _ *testing.T) {
			in.alone.announce(ctx, in.hull.url+"/extract/broken")
		}},
		{"a connector has another secret in Hull", in.alone, []string{"HullbeamHullRefuses"}, come(changed)},
		{"Hull's API answers 500", in.alone, []string{"HullbeamHullFailing", "HullbeamFirehoseDrops"}, func(ctx context.Context, t *testing.T) {
			in.hull.down.Store(true)
			come(connector)(ctx, t)
		}},
	}
}

func (in *installation) redisFaults() []fault {
	visitor := "a-visitor-of-slow-nodes-1"
	var returning *visit
	notify := func(ctx context.Context) (status int, text string, err error) {
		return in.left.notify(ctx, hulltest.ProcessKey(), object{"id": "slow", "anonymous_ids": []string{visitor}, "plan": rand.Text()})
	}
	return []fault{
		{"connections of the bus are cut", in.left, []string{"HullbeamBusInterrupted"}, func(context.Context, *testing.T) {
			in.redis.Do("CLIENT", "KILL", "TYPE", "pubsub")
		}},
		{"Redis takes 1.5 s for each write", in.left, []string{"HullbeamDeliverySlow", "HullbeamBusSlow"}, func(ctx context.Context, t *testing.T) {
			in.openOnce(ctx, t, in.left, visitor)
			in.redis.Do("CLIENT", "PAUSE", 1500, "WRITE")
			notify(ctx)
		}},
		{"Redis hangs", in.left, []string{"HullbeamNotReady", "HullbeamBusDown", "HullbeamNotificationsNotKept", "HullbeamNotificationsSlow", "HullbeamHistoryBacklog"},
			func(ctx context.Context, t *testing.T) {
				if _, frozen := in.once.LoadOrStore("frozen", true); !frozen {
					in.openOnce(ctx, t, in.left, visitor)
					in.freeze(ctx, t)
				}
				notify(ctx)
			}},
		{"Redis is gone, and pages come back", in.left, []string{"HullbeamResyncStuck"}, func(ctx context.Context, _ *testing.T) {
			if returning == nil {
				v, err := in.left.arrive(ctx, connector, visitor)
				if err != nil {
					return // Redis has just begun to answer again
				}
				returning = v
				in.redis.Kill()
			}
			returning.watch(ctx, "")
		}},
	}
}

// freeze stops Redis, while many pages tell left of their views.
func (in *installation) freeze(ctx context.Context, t *testing.T) {
	v, err := in.left.arrive(ctx, connector, "a-visitor-of-many-pages-1")
	if err != nil {
		t.Fatal(err)
	}
	in.redis.Freeze()
	context.AfterFunc(ctx, in.redis.Thaw)
	for range 200 {
		go func() {
			for ctx.Err() == nil {
				v.view(ctx, nil)
			}
		}()
	}
}

func (in *installation) limitFaults() []fault {
	return []fault{
		{"one address asks for too many tokens", in.narrow, []string{"HullbeamLimitsHit"}, func(ctx context.Context, _ *testing.T) {
			if v, err := in.narrow.arrive(ctx, connector, rand.Text()); err == nil {
				in.holder = v
			}
		}},
		{"660 streams and 200 other connections, with 1,024 descriptors", in.narrow, []string{"HullbeamStreamsNearLimit", "HullbeamDescriptorsNearLimit"}, always(in.fill)},
		{"a node with 660 streams is told to stop", in.narrow, []string{"HullbeamDrainHangs"}, always(func(ctx context.Context, t *testing.T) {
			in.fill(ctx, t)
			in.narrow.cmd.Process.Signal(syscall.SIGTERM)
		})},
	}
}

// fill opens streams and other connections at narrow, as many as it takes or nearly so.
func (in *installation) fill(ctx context.Context, t *testing.T) {
	for range 660 {
		in.holder.hold(ctx, t)
	}
	for range 200 {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", in.narrow.addr)
		if err != nil {
			t.Fatal(err)
		}
		context.AfterFunc(ctx, func() { conn.Close() })
	}
}

func (in *installation) processFaults(p *server) []fault {
	return []fault{
		{"the certificate is good for another five days", in.secure, []string{"HullbeamCertificateExpires"}, always(func(_ context.Context, t *testing.T) {
			in.certify(t, 5*24*time.Hour)
		})},
		{"a node dies again and again", in.secure, []string{"HullbeamRestarts"}, func(ctx context.Context, t *testing.T) {
			before := p.started(ctx, in.secure)
			in.secure.kill()
			in.secure.start(t)
			proctest.Within(patience, func() bool { now := p.started(ctx, in.secure); return now > 0 && now != before })
		}},
		{"a node is killed", in.secure, []string{"HullbeamDown"}, always(func(context.Context, *testing.T) { in.secure.kill() })},
	}
}

// started is when Prometheus says that a node has started; 0: it has not looked yet.
func (s *server) started(ctx context.Context, n *node) model.SampleValue {
	answer, err := s.ask(ctx, `process_start_time_seconds{instance="`+n.name+`"}`)
	if err != nil || len(answer) == 0 {
		return 0
	}
	return answer[0].Value
}
