package store

// The log is copied into the database file beside the writes, not by the write
// that happens to fill it, which would take tens of milliseconds longer than
// the others. Only what was written during the copy is copied while writes
// wait, so that the log can start over. The longer the log, the more writes of
// a page share one copy of it.
const checkpointFrames = 8000 // pages in the log, 32 MiB

// checkpointIfDue starts a checkpoint when the log is long enough and none is
// under way. The caller has the database.
func (d *database) checkpointIfDue(w *conn) {
	// The columns are busy, pages in the log, pages copied of them. An error
	// here says nothing about the write before; the next write will meet it.
	log, err := w.first(3, "PRAGMA wal_checkpoint(NOOP)")
	if err != nil || log[1].(int64) < checkpointFrames {
		return
	}
	if d.checkpointing.CompareAndSwap(false, true) {
		d.background.Go(d.checkpoint)
	}
}

// checkpoint copies the log into the database file. If it cannot, because
// somebody else reads an old state of the database, or the disk is full, then
// the log goes on growing, and the next write tries again.
func (d *database) checkpoint() {
	defer d.checkpointing.Store(false)
	if _, err := d.checkpointer.first(3, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return
	}
	select {
	case <-d.closing:
	case d.db <- struct{}{}:
		d.checkpointer.first(3, "PRAGMA wal_checkpoint(RESTART)")
		<-d.db
	}
}
