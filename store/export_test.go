package store

// Queued returns how many Puts wait to be taken into a transaction.
func (s *SQLite) Queued() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.puts)
}

// Settle waits until no checkpoint is under way.
func (s *SQLite) Settle() { s.background.Wait() }

// Writing tells whether somebody has the turn to write.
func (s *SQLite) Writing() bool { return len(s.turn) > 0 }
