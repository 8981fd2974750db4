package store

import (
	"context"
	"maps"
	"sync"
	"time"
)

const (
	// onceDelay is how long what was done waits for more to be written with it: a
	// sync for each would slow down what is done.
	onceDelay = 100 * time.Millisecond
	// onceSweep is how many keys whose time is over go with each writing.
	onceSweep = 1000
)

// onceKey is a key of a connector.
type onceKey struct{ connectorID, key string }

// onceDone is what was done under a key.
type onceDone struct {
	digest Digest
	until  time.Time // remembered
}

// onces is what SQLite knows of keys besides the database.
type onces struct {
	mu      sync.Mutex
	running map[onceKey]bool
	done    map[onceKey]onceDone // not in the database yet
	writing bool                 // it will be soon
}

func newOnces() onces {
	return onces{running: map[onceKey]bool{}, done: map[onceKey]onceDone{}}
}

// Begin implements [Once]. A turn ends with the process at the latest: hold is of
// no use.
func (s *SQLite) Begin(ctx context.Context, connectorID, key string, digest Digest, _ time.Duration) (Turn, error) {
	k := onceKey{connectorID, key}
	turn := Turn{connectorID: connectorID, key: key, digest: digest}
	if !s.once.take(k) {
		turn.State = Running
		return turn, nil
	}
	done, err := s.wasDone(ctx, k)
	switch {
	case err != nil:
	case !s.now().Before(done.until):
		return turn, nil
	case done.digest == digest:
		turn.State = Same
	default:
		turn.State = Other
	}
	s.once.free(k)
	return turn, err
}

// wasDone returns what was done under a key; the zero value when nothing was.
func (s *SQLite) wasDone(ctx context.Context, k onceKey) (done onceDone, err error) {
	s.once.mu.Lock()
	done, ok := s.once.done[k]
	s.once.mu.Unlock()
	if ok {
		return done, ctx.Err()
	}
	err = s.read(ctx, "looking whether it was done before", func(c *conn) error {
		found, err := c.first(2, "SELECT digest, until FROM once WHERE connector = ? AND key = ?", k.connectorID, k.key)
		if err == nil && found != nil {
			copy(done.digest[:], blob(found[0]))
			done.until = fromMicro(found[1])
		}
		return err
	})
	return done, err
}

// Done implements [Once].
func (s *SQLite) Done(ctx context.Context, turn Turn, keep time.Duration) error {
	o := &s.once
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := s.stillOpen(); err != nil {
		return err
	}
	k := onceKey{turn.connectorID, turn.key}
	o.done[k] = onceDone{turn.digest, s.now().Add(keep)}
	delete(o.running, k)
	if !o.writing {
		o.writing = true
		s.background.Go(s.writeOnces)
	}
	return ctx.Err()
}

// Undone implements [Once].
func (s *SQLite) Undone(ctx context.Context, turn Turn) error {
	s.once.free(onceKey{turn.connectorID, turn.key})
	return ctx.Err()
}

// take tells whether k was free, and takes it.
func (o *onces) take(k onceKey) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running[k] {
		return false
	}
	o.running[k] = true
	return true
}

func (o *onces) free(k onceKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, k)
}

// writeOnces writes what was done, until there is nothing left to write. What is
// left when the store is closed, Close writes.
func (s *SQLite) writeOnces() {
	for {
		select {
		case <-s.closing:
			return
		case <-time.After(onceDelay):
		}
		_ = s.writeOnce(func(do func(*conn) error) error { // what cannot be written is tried again
			return s.write(context.Background(), "noting what was done", do)
		})
		s.once.mu.Lock()
		s.once.writing = len(s.once.done) > 0
		ended := !s.once.writing
		s.once.mu.Unlock()
		if ended {
			return
		}
	}
}

// writeOnce writes what was done in a transaction that run makes.
func (s *SQLite) writeOnce(run func(do func(*conn) error) error) error {
	o := &s.once
	o.mu.Lock()
	batch := maps.Clone(o.done)
	o.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := run(func(w *conn) error {
		for k, done := range batch {
			_, err := w.exec("INSERT OR REPLACE INTO once (connector, key, digest, until) VALUES (?, ?, ?, ?)",
				k.connectorID, k.key, done.digest[:], done.until.UnixMicro())
			if err != nil {
				return err
			}
		}
		_, err := w.exec("DELETE FROM once WHERE rowid IN (SELECT rowid FROM once WHERE until < ? LIMIT ?)",
			s.now().UnixMicro(), int64(onceSweep))
		return err
	})
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, done := range batch {
		if o.done[k] == done { // it was not done again meanwhile
			delete(o.done, k)
		}
	}
	return nil
}
