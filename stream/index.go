package stream

import (
	"hash/maphash"
	"sync"
)

const shardCount = 64 // a power of two

// shard holds the lists of the topics that hash to it.
type shard struct {
	mu     sync.RWMutex
	topics map[key]list
}

// key is a topic of a connector. In the index its text is that of the stream
// that brought it, so that it takes no memory of its own.
type key struct {
	connector *connector
	topic     string
}

// list are the subscribers of a topic. Most have one, which stands in the map.
type list struct {
	first entry
	more  *[]entry // nil: none
}

// entry is a subscriber in a topic's list, with the topic's number there.
type entry struct {
	sub  *Subscriber
	rank int32
}

func (l list) len() int {
	switch {
	case l.first.sub == nil:
		return 0
	case l.more == nil:
		return 1
	}
	return 1 + len(*l.more)
}

func (l list) at(i int) *entry { return &(*l.more)[i-1] } // i is above 0

func (b *Broker) shard(k key) *shard {
	return &b.shards[maphash.String(b.seed, k.topic)&(shardCount-1)]
}

func (b *Broker) each(k key, do func(entry)) {
	sh := b.shard(k)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	l := sh.topics[k]
	if l.first.sub == nil {
		return
	}
	do(l.first)
	if l.more != nil {
		for _, e := range *l.more {
			do(e)
		}
	}
}

// insert puts s into the list of its topic number rank.
func (b *Broker) insert(s *Subscriber, rank int) {
	k, e := key{s.index, s.topics[rank].topic}, entry{s, int32(rank)}
	sh := b.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l := sh.topics[k]
	s.topics[rank].at = int32(l.len())
	switch {
	case l.first.sub == nil:
		l.first = e
	case l.more == nil:
		l.more = &[]entry{e}
	default:
		*l.more = append(*l.more, e)
		return
	}
	sh.topics[k] = l
}

// remove takes s out of it: the last one takes its place.
func (b *Broker) remove(s *Subscriber, rank int) {
	k := key{s.index, s.topics[rank].topic}
	sh := b.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l, i := sh.topics[k], s.topics[rank].at
	n := l.len()
	if n == 1 {
		delete(sh.topics, k)
		return
	}
	last := *l.at(n - 1)
	last.sub.topics[last.rank].at = i
	if i > 0 {
		*l.at(int(i)) = last
	} else {
		l.first = last
	}
	*l.at(n - 1) = entry{}
	if *l.more = (*l.more)[:n-2]; n == 2 {
		l.more = nil
	}
	// The key's text goes with the stream that brought it.
	delete(sh.topics, k)
	sh.topics[key{s.index, l.first.sub.topics[l.first.rank].topic}] = l
}
