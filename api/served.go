package api

import (
	"slices"

	"hullbeam/stream"
)

// served is what of a stream's the node follows: the user that the stream
// follows, and each topic better than the one that leads there, which may come
// to lead to somebody. Guarded by the cluster's mu.
type served struct {
	sub   *stream.Subscriber
	user  *resident // nil: none
	by    string    // the topic that leads to user
	held  int       // topics, the best ones
	ended bool
}

// begin has a new stream's topics followed, unless it follows a user already.
func (c *cluster) begin(connectorID string, v *served, sub *stream.Subscriber, topics int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.sub == nil {
		c.serveLocked(connectorID, v, sub, "", topics, false)
	}
}

// over tells whether the stream has ended.
func (v *visit) over() bool {
	c := v.server.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	return v.served.ended
}

// serveLocked has v's stream followed by what it follows now. With look, what begins to
// be followed and is not known is read.
func (c *cluster) serveLocked(connectorID string, v *served, sub *stream.Subscriber, user string, rank int, look bool) {
	if v.ended || v.held == rank && v.user != nil && v.user.channel.Name == user {
		return
	}
	v.sub = sub
	was := v.user
	v.unfollowLocked()
	if v.user = nil; user != "" {
		v.user = c.holdLocked(userChannel(connectorID, user))
		v.followLocked(sub.Topic(rank))
		if look {
			c.knowLocked(v.user)
		}
	}
	for ; v.held < rank; v.held++ {
		if r := c.holdLocked(topicChannel(connectorID, sub.Topic(v.held))); look {
			c.knowLocked(r)
		}
	}
	c.dropLocked(connectorID, v, rank)
	if was != nil {
		c.letGoLocked(was)
	}
}

// following is by which topic how many streams follow a user. Most users have one.
type following struct {
	topic   string
	streams int
}

// followLocked counts the stream among those that follow its user by a topic, and
// unfollowLocked takes it out.
func (v *served) followLocked(topic string) {
	v.by = topic
	for i := range v.user.followed {
		if f := &v.user.followed[i]; f.topic == topic {
			f.streams++
			return
		}
	}
	v.user.followed = append(v.user.followed, following{topic, 1})
}

func (v *served) unfollowLocked() {
	if v.user == nil {
		return
	}
	list := v.user.followed
	i := slices.IndexFunc(list, func(f following) bool { return f.topic == v.by })
	if list[i].streams--; list[i].streams == 0 {
		v.user.followed = slices.Delete(list, i, i+1)
	}
}

// dropLocked lets go of all but the rank best topics.
func (c *cluster) dropLocked(connectorID string, v *served, rank int) {
	for v.held > rank {
		v.held--
		c.letGoLocked(c.residents[topicChannel(connectorID, v.sub.Topic(v.held))])
	}
}

// leave ends what serveLocked began.
func (c *cluster) leave(connectorID string, v *served) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v.ended = true
	c.dropLocked(connectorID, v, 0)
	v.unfollowLocked()
	if v.user != nil {
		c.letGoLocked(v.user)
		v.user = nil
	}
}
