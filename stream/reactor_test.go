package stream_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

// react gives b a reactor that runs until the test has ended.
func react(t testing.TB, b *stream.Broker) {
	t.Helper()
	r, err := stream.NewReactor(b)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if n := b.Streams(); n != 0 {
			t.Errorf("%d streams are left behind the reactor", n)
		}
	})
}

// TestReactor is the suite for the reactor.
func TestReactor(t *testing.T) {
	streamtest.Run(t, func(t *testing.T, cfg stream.Config) streamtest.Server {
		b := stream.New(cfg, streamtest.Farewell)
		react(t, b)
		var order atomic.Int64
		return streamtest.Server{
			Broker: b,
			Serve: func(w http.ResponseWriter, r *http.Request, s *stream.Subscriber) {
				order.Add(1)
				b.Serve(w, r, s)
			},
			Listen: func(t *testing.T, h http.Handler) (string, *http.Client) {
				url, client := listen(t, 1, cfg, h)
				client.Transport = ordered{client.Transport, &order}
				return url, client
			},
		}
	})
}

// ordered tells the race detector that a response comes after the handler sent
// it. Of what goes through net it knows that by itself.
type ordered struct {
	http.RoundTripper
	order *atomic.Int64
}

func (o ordered) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(r)
	o.order.Load()
	return response, err
}

// CloseIdleConnections is the wrapped transport's, for http.Client.
func (o ordered) CloseIdleConnections() { o.RoundTripper.(*http.Transport).CloseIdleConnections() }
