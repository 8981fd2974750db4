package store

// Queued returns how many Puts wait to be taken into a transaction.
func (s *SQLite) Queued() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.puts)
}

// Settle waits until no checkpoint is under way, and nothing goes from a journal
// to the database.
func (s *SQLite) Settle() { s.background.Wait() }

// Writing tells whether somebody writes to the database.
func (s *SQLite) Writing() bool { return len(s.db) > 0 }
