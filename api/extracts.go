package api

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"hullbeam/hull"
)

// extracts are the extractions of this node. Their goroutines are runExtracts's.
type extracts struct {
	most    int
	handed  chan *extraction
	stopped chan struct{} // closed: none is begun any more

	mu      sync.Mutex
	running map[string]bool // by the connector's id
}

func newExtracts(most int) *extracts {
	return &extracts{most: most, handed: make(chan *extraction), stopped: make(chan struct{}), running: map[string]bool{}}
}

var (
	errExtractsFull    error = hull.ErrOverloaded.Because("Too many extracts at once")
	errExtractRuns     error = hull.ErrOverloaded.Because("An extract of this connector is being read")
	errExtractsStopped error = hull.ErrUnavailable.Because("This node is stopping")
)

// hand gives an extraction to runExtracts, if there is room for it.
func (e *extracts) hand(ctx context.Context, x *extraction) error {
	if err := e.enter(x.conn.id); err != nil {
		return err
	}
	var err error
	select {
	case e.handed <- x:
		return nil
	case <-e.stopped:
		err = errExtractsStopped
	case <-ctx.Done():
		err = ctx.Err()
	}
	e.leave(x.conn.id)
	return err
}

func (e *extracts) enter(connectorID string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.running[connectorID]:
		return errExtractRuns
	case len(e.running) >= e.most:
		return errExtractsFull
	}
	e.running[connectorID] = true
	return nil
}

func (e *extracts) leave(connectorID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, connectorID)
}

func (e *extracts) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hullbeam_extracts_running",
		Help: "Extracts that this node is reading now.",
	}, func() float64 {
		e.mu.Lock()
		defer e.mu.Unlock()
		return float64(len(e.running))
	})
}

// runExtracts reads the extracts that are handed to it until ctx ends, which breaks off
// those under way.
func (s *Server) runExtracts(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	defer close(s.extracts.stopped)
	for {
		select {
		case x := <-s.extracts.handed:
			running.Go(func() { s.extract(ctx, x) })
		case <-ctx.Done():
			return
		}
	}
}
