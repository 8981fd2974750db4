package hull

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what sort of identifier a topic is made of.
type Kind string

// The kinds, in the order in which a stream looks for its user.
const (
	KindID          Kind = "id"
	KindExternalID  Kind = "external_id"
	KindEmail       Kind = "email"
	KindAnonymousID Kind = "anonymous_id"
)

// Kinds lists every kind, best first: the first topic of a stream that leads to
// a user decides whom the stream follows.
var Kinds = [...]Kind{KindID, KindExternalID, KindEmail, KindAnonymousID}

// ErrTopic is returned for a text that is not kind:value with a known kind and
// a value that is not empty.
var ErrTopic = errors.New("not a topic")

// Topic is an identifier of a user together with its kind, so that an
// external_id that looks like somebody's email stays an external_id. It is
// comparable. The zero Topic is none.
type Topic struct{ text string }

// NewTopic makes the topic of an identifier. Emails are trimmed and
// lower-cased, the others are taken byte for byte. ErrTopic: the kind is
// unknown, or the value is empty or not UTF-8.
func NewTopic(kind Kind, value string) (Topic, error) {
	valid := utf8.ValidString(value) // first: Map would make it so
	if kind == KindEmail {
		value = normalEmail(value)
	}
	switch {
	case value == "" || !valid:
		return Topic{}, fmt.Errorf("%w: empty or not UTF-8", ErrTopic)
	case kind != KindID && kind != KindExternalID && kind != KindEmail && kind != KindAnonymousID:
		return Topic{}, fmt.Errorf("%w: unknown kind", ErrTopic)
	}
	return Topic{string(kind) + ":" + value}, nil
}

func normalEmail(value string) string { return strings.Map(lower, strings.TrimSpace(value)) }

// isNormalEmail tells quickly that normalEmail would change nothing. It does not
// know of what is not ASCII, and says no.
func isNormalEmail(value []byte) bool {
	for _, c := range value {
		if c <= ' ' || c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// lower leaves alone the few letters whose lower case is in ASCII, such as the
// Kelvin sign: an address written with them is not the one without.
func lower(r rune) rune {
	if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
		return l
	}
	return r
}

// ParseTopic reads kind:value, the text of a topic.
func ParseTopic(text string) (Topic, error) {
	kind, value, ok := strings.Cut(text, ":")
	if !ok {
		return Topic{}, fmt.Errorf("%w: no kind", ErrTopic)
	}
	return NewTopic(Kind(kind), value)
}

// String is kind:value.
func (t Topic) String() string { return t.text }

// Kind is the kind of identifier.
func (t Topic) Kind() Kind {
	kind, _, _ := strings.Cut(t.text, ":")
	return Kind(kind)
}

// Rank is the kind's place in Kinds: the lower, the better.
func (t Topic) Rank() int { return slices.Index(Kinds[:], t.Kind()) }

// Value is the identifier without its kind.
func (t Topic) Value() string {
	_, value, _ := strings.Cut(t.text, ":")
	return value
}
