package stream

import "iter"

// Publication is one state of one user on its way to those who follow the user.
// It is shared by them and must not be changed once published.
type Publication struct {
	User    string // whose state; opaque
	Version uint64 // grows with every state of the user
	// Generation grows with the connector's settings: of two publications of one
	// version the later generation is the newer.
	Generation uint32
	// Topics lead to the user now, best kind first. Gone led there before.
	Topics, Gone []string
	// Unsigned and Signed show the state to followers whose topic is proven
	// without and with a signature. An event that hides the user goes only to
	// those who were shown the user.
	Unsigned, Signed *Event
	// Foreign tells whether a stream whose topics these are, and whether each is signed,
	// is somebody else's: then no topic without a signature leads it to the user. nil:
	// none is. It is called with locks held, and must not wait.
	Foreign func(topics iter.Seq2[string, bool]) bool
}

func (p *Publication) event(signed bool) *Event {
	if signed {
		return p.Signed
	}
	return p.Unsigned
}
