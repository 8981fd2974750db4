package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// messageFormat is the first byte of what goes over the bus. A later format has
// a higher one. The second byte says what it is.
const messageFormat = 1

var errMessage = errors.New("a message of the bus is damaged")

// message is what came over the bus, one of its fields.
type message struct {
	update *Update
	loss   *Loss
	lead   *Lead
	told   []byte // not nil when this is it
}

// decodeMessage reads what the scripts of package store, and Tell, have sent. Before what is
// traced there is a T, and what its writer has said of that.
func decodeMessage(text string) (m message, err error) {
	switch {
	case len(text) < 2 || text[0] == 0:
		return m, errMessage
	case text[0] > messageFormat:
		return m, fmt.Errorf("a message of the bus is of a newer hullbeam (format %d, this one knows %d)", text[0], messageFormat)
	}
	kind, p, trace := text[1], parser{text: text[2:]}, ""
	if kind == 'T' {
		trace = p.take(p.size())
		kind = p.letter()
	}
	switch kind {
	case 'u':
		m.update = p.update()
		m.update.Trace = trace
	case 'l':
		m.loss = &Loss{Topic: p.take(p.size()), To: p.rest()}
	case 't':
		m.lead = &Lead{Version: p.number(), Accepted: messageTime(p.number()), Trace: trace}
		m.lead.News, m.lead.User = []byte(p.take(p.size())), p.rest()
	case 'c':
		m.told = []byte(p.rest())
	default:
		return m, errMessage
	}
	if p.bad {
		return message{}, errMessage
	}
	return m, nil
}

func encodeTold(data []byte) []byte { return append([]byte{messageFormat, 'c'}, data...) }

// parser takes a message apart. bad: it was shorter than it says.
type parser struct {
	text string
	bad  bool
}

func (p *parser) take(n uint64) string {
	if n > uint64(len(p.text)) {
		p.bad, p.text = true, ""
		return ""
	}
	taken := p.text[:n]
	p.text = p.text[n:]
	return taken
}

func (p *parser) rest() string { return p.take(uint64(len(p.text))) }

func (p *parser) letter() byte {
	if b := p.take(1); !p.bad {
		return b[0]
	}
	return 0
}

func (p *parser) number() uint64 {
	if b := p.take(8); !p.bad {
		return binary.BigEndian.Uint64([]byte(b))
	}
	return 0
}

func (p *parser) size() uint64 {
	if b := p.take(4); !p.bad {
		return uint64(binary.BigEndian.Uint32([]byte(b)))
	}
	return 0
}

// update is version, time, three lengths; the topics before if they were others,
// those now, news, state.
func (p *parser) update() *Update {
	u := &Update{Version: p.number(), Accepted: messageTime(p.number())}
	before, now, news := p.size(), p.size(), p.size()
	former := p.topics(p.take(before))
	u.Topics = p.topics(p.take(now))
	u.News, u.State = []byte(p.take(news)), []byte(p.rest())
	u.Gone = slices.DeleteFunc(former, func(t string) bool {
		_, named := slices.BinarySearch(u.Topics, t)
		return named
	})
	return u
}

// topics is each as its length, a uvarint, and its text.
func (p *parser) topics(text string) []string {
	var topics []string
	for len(text) > 0 {
		size, n := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
		if n <= 0 || size > uint64(len(text)-n) {
			p.bad = true
			return nil
		}
		topics = append(topics, text[n:n+int(size)])
		text = text[n+int(size):]
	}
	return topics
}

// messageTime is a time in µs since 1970 with the sign bit flipped; 0: unknown.
func messageTime(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(n ^ 1<<63)).UTC()
}
