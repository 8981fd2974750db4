package stream

import (
	"context"
	"time"
)

// Bus tells this node what others write. A node follows the channels of what it
// serves, and nothing else; what is told there comes once to the node, however
// many streams want it. Who writes also tells: the store does so in the step of
// the write. Nothing is kept: what was missed is read again from the store
// ([Listener.Missed]).
type Bus interface {
	// Follow has what is told on a channel given to the listener, until as many
	// subscriptions as were made have been released. It returns at once; when
	// [Subscription.Ready] is closed nothing that is told from then on is missed
	// without a word.
	Follow(Channel) *Subscription

	// Tell sends data to all nodes that follow the connector's channel, this one
	// included, and returns how many they are. It is not kept for those that do
	// not hear it now.
	Tell(ctx context.Context, connector string, data []byte) (nodes int, err error)

	// Canary sends word to this node on each connection that the bus listens on,
	// and returns when it has come back on all of them.
	Canary(ctx context.Context) error

	// Ready returns nil while the bus delivers: its own canary, once a second,
	// has come back the last time.
	Ready() error

	// Run connects and delivers until ctx ends. It is called once.
	Run(ctx context.Context) error
}

// ChannelKind says what a channel is about. The numbers are not stored.
type ChannelKind uint8

// The kinds of channels.
const (
	UserChannel      ChannelKind = iota // a user's states, and the topics that it loses
	TopicChannel                        // whom a topic leads to
	ConnectorChannel                    // what concerns all of a connector; it has no name
)

// Channel is a thing that a node follows.
type Channel struct {
	Kind            ChannelKind
	Connector, Name string // of which connector, which user or topic
}

// Listener is who gets what comes. Its methods are called from the goroutines of
// the bus, one for each server, in the order of what was told on a channel: they
// must not wait for anything. What they are given is theirs.
type Listener interface {
	// Update: the user has a new state.
	Update(connector, user string, u Update)
	// Lost: a topic does not lead to the user any more, without a new state.
	Lost(connector, user string, l Loss)
	// Led: the topic leads to somebody else than before.
	Led(connector, topic string, l Lead)
	// Told: somebody has called [Bus.Tell].
	Told(connector string, data []byte)
	// Interrupted: these channels are not listened to any more, until Missed.
	Interrupted([]Channel)
	// Missed: on these channels something may have been told that did not come;
	// from now on it comes. Who serves them reads anew.
	Missed([]Channel)
}

// Update is a new state of a user.
type Update struct {
	Version  uint64
	Accepted time.Time // by the node that wrote it; zero: unknown
	Topics   []string  // those that lead to the user now, sorted
	Gone     []string  // those that did before and do not now
	News     []byte    // what its writer sent with it
	Trace    string    // what its writer said of the trace that it is part of; empty: of none
	State    []byte
}

// Loss is a topic that another user has taken.
type Loss struct{ Topic, To string }

// Lead is whom a topic leads to: nobody when User is empty and Gone.
type Lead struct {
	Version  uint64 // with which its user claimed it, or left it
	User     string
	Accepted time.Time // as of the update that claimed it; zero: unknown
	News     []byte    // what its writer sent with it
	Trace    string    // as of the update
}

// Subscription is one user's interest in a channel.
type Subscription struct {
	bus      *RedisBus
	followed *followed
}

// Ready is closed once the channel is listened to for the first time.
func (s *Subscription) Ready() <-chan struct{} { return s.followed.ready }

// Heard tells whether the channel is listened to now.
func (s *Subscription) Heard() bool {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	return s.followed.heard
}

// Release ends the interest. It is called once.
func (s *Subscription) Release() { s.bus.release(s.followed) }
