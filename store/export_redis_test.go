package store

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	DecodeUser      = decodeUser
	DecodeTopicUser = decodeTopicUser
	DecodeVisitor   = decodeVisitor
)

// DecodeHistory reads what stands in lists: a view, an offer, an entry of the audit log.
func DecodeHistory(data string) error {
	_, view := decodeView("v", time.Time{}, data)
	_, offer := decodeOffer("c", "o", data)
	_, state := decodeOfferState(data)
	_, audit := decodeAudit("c", entry{member: data})
	return errors.Join(view, offer, state, audit)
}

// ReadCursor reads a cursor, and writes it again.
func ReadCursor(list, cursor string) (again string, err error) {
	p, err := placeOf(list, cursor)
	if p == nil || err != nil {
		return "", err
	}
	return p.cursor(list), nil
}

// DecodeConnector reads a record without its secrets.
func DecodeConnector(data string) error {
	s := &Redis{sealer: noSealer{}}
	_, err := s.connector("c", data)
	return err
}

type noSealer struct{}

func (noSealer) Seal(plaintext, _ []byte) []byte       { return plaintext }
func (noSealer) Open(sealed, _ []byte) ([]byte, error) { return sealed, nil }
func (noSealer) IsFirst(_, _ []byte) bool              { return true }

// AddHook has the client call hook for everything that it sends.
func (s *Redis) AddHook(hook redis.Hook) { s.client.AddHook(hook) }
