package api

import "time"

// SetResidentLife has residents let go after d, before Run.
func (s *Server) SetResidentLife(d time.Duration) { s.cluster.life = d }

// SetRenewEach has followed users renewed so often, before Run.
func (s *Server) SetRenewEach(d time.Duration) { s.cluster.renews = d }

// SetCountWait has an offer wait so long for other nodes to say who took it, before Run.
func (s *Server) SetCountWait(d time.Duration) { s.cluster.patience = d }

// Residents is how many channels the node knows.
func (s *Server) Residents() int {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.residents)
}

// Backlog is how much the node has still to read or to tell.
func (s *Server) Backlog() int { return s.cluster.backlog() }

// Idle is how long the list is of residents that nobody holds, and Remembered how
// many states are in memory.
func (s *Server) Idle() int {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

func (s *Server) Remembered() int {
	s.cluster.tier.CleanUp()
	return s.cluster.tier.EstimatedSize()
}

// Late is how many streams are to be told of their user when Redis is back.
func (s *Server) Late() int {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.late)
}
