package hull

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
)

// audience is what one kind of stream may see, where the kinds differ.
type audience struct {
	user     *whitelist
	account  *whitelist
	segments segmentSet
	digest   uint64 // of all settings that its payloads depend on
}

func (s *Settings) newAudience(traits, segments []byte) *audience {
	list := listOrNone(traits)
	a := &audience{
		user:     userWhitelist(list),
		account:  accountWhitelist(list),
		segments: newSegmentSet(segments),
	}
	a.digest = s.digest(a)
	return a
}

// digest is a hash of all that a payload for a depends on but the user.
func (s *Settings) digest(a *audience) uint64 {
	text, err := json.Marshal([]any{
		s.connectorID, s.scriptHash, s.synchronized.everyone, slices.Sorted(maps.Keys(s.synchronized.segments)),
		a.user.names, a.account.names,
		a.segments, s.accountSegments, slices.Sorted(maps.Keys(s.events)),
	})
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])
}

func (s *Settings) audience(signed bool) *audience {
	if signed {
		return s.signed
	}
	return s.unsigned
}

// SameForUnsigned tells that streams with and without a signed claim get the
// same payloads, so that one projection serves both.
func (s *Settings) SameForUnsigned() bool { return s.signed.digest == s.unsigned.digest }

// Tag is a short hash, of the alphabet A-Za-z0-9_-, of everything that the
// payload of a user depends on beside the user's state. It is the same in all
// processes, and changes when the payload may have to be sent again. It keeps
// nothing secret.
func (s *Settings) Tag(signed bool, userID string) string {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset) ^ s.audience(signed).digest
	for i := range len(userID) {
		h = (h ^ uint64(userID[i])) * prime
	}
	h ^= h >> 32 // the upper bits are the better ones
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h*prime)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
