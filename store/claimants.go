package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// ClaimantLife is how long is remembered who has claimed an anonymous id.
const ClaimantLife = 30 * 24 * time.Hour

// Claimants is the memory of whose signed claims came together with an anonymous id that
// nobody had signed, so that an id which two people bring is known for one that is a proof
// of neither. All that is kept of a topic is a hash.
type Claimants interface {
	// Claimants returns those of the topics that are known, until ClaimantLife after
	// their time.
	Claimants(ctx context.Context, connectorID string, topics []string) (map[string]Claimant, error)

	// PutClaimants notes who has claimed topics, in place of what was noted of them.
	PutClaimants(ctx context.Context, connectorID string, claimants map[string]Claimant) error

	// ForgetClaimants forgets who has claimed the topics.
	ForgetClaimants(ctx context.Context, connectorID string, topics []string) error
}

// Claimant is who has claimed a topic: one person, as far as their identifiers are known,
// or more than one.
type Claimant struct {
	ID, ExternalID, Email TopicHash // of one person's topics; zero: not known
	Confused              bool      // two people have claimed it
	At                    time.Time // when it was claimed last
}

// TopicHash stands for a topic of a connector where the topic itself is not to be kept.
type TopicHash [16]byte

// HashTopic is the hash of a topic, another one for each connector.
func HashTopic(connectorID, topic string) (hash TopicHash) {
	sum := sha256.Sum256([]byte(connectorID + "\x00" + topic))
	copy(hash[:], sum[:])
	return hash
}

// A claimant's record is its format, whether it is confused, its time in µs, and the
// three hashes.
const (
	claimantFormat = 1
	claimantLength = 2 + 8 + 3*len(TopicHash{})
)

func (c Claimant) encode() []byte {
	record := make([]byte, 2, claimantLength)
	if record[0] = claimantFormat; c.Confused {
		record[1] = 1
	}
	record = binary.BigEndian.AppendUint64(record, uint64(c.At.UnixMicro()))
	record = append(record, c.ID[:]...)
	record = append(record, c.ExternalID[:]...)
	return append(record, c.Email[:]...)
}

func decodeClaimant[T string | []byte](record T) (c Claimant, err error) {
	b := []byte(record)
	switch {
	case len(b) > 0 && b[0] > claimantFormat:
		return c, fmt.Errorf("a claimant was %w", ErrNewer)
	case len(b) != claimantLength || b[0] != claimantFormat:
		return c, fmt.Errorf("a claimant: %w", errDamaged)
	}
	c.Confused = b[1] == 1
	c.At = time.UnixMicro(int64(binary.BigEndian.Uint64(b[2:]))).UTC()
	hashes := b[2+8:]
	for _, hash := range []*TopicHash{&c.ID, &c.ExternalID, &c.Email} {
		hashes = hashes[copy(hash[:], hashes):]
	}
	return c, nil
}
