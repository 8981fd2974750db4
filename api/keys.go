package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MinKey is how long an operators' key, or a connector's secret, has to be for nobody to
// find it by trying, in characters.
const MinKey = 20

// The scopes of operators' keys.
const (
	ScopeRead  = "read"  // it sees, and changes nothing
	ScopeWrite = "write" // it sees and changes
)

// access is what somebody may see and change.
type access struct {
	connector string // the only one; "": all, and what concerns none
	scope     string
}

// operators holds the hashes of the keys, and what each lets its holder do.
type operators struct{ keys []operatorKey }

type operatorKey struct {
	hash [sha256.Size]byte
	access
}

// ValidateKeys names the first entry of admin_key or operator_keys that is wrong, by its
// place: its text may be a key.
func ValidateKeys(adminKeys, operatorKeys []string) error {
	_, err := newOperators(adminKeys, operatorKeys)
	return err
}

// newOperators reads Config.AdminKeys and Config.OperatorKeys. No error has an entry's
// text.
func newOperators(adminKeys, operatorKeys []string) (operators, error) {
	var o operators
	for i, entry := range adminKeys {
		hash, err := adminHash(entry)
		if err != nil {
			return operators{}, fmt.Errorf("admin_key: entry %d is out of range: %w", i+1, err)
		}
		o.keys = append(o.keys, operatorKey{hash, access{scope: ScopeWrite}})
	}
	for i, entry := range operatorKeys {
		key, err := parseOperatorKey(entry)
		if err == nil && slices.ContainsFunc(o.keys, func(k operatorKey) bool { return k.hash == key.hash }) {
			err = errors.New("its key is there twice, here or in admin_key: each has one scope and one connector, or *")
		}
		if err != nil {
			return operators{}, fmt.Errorf("operator_keys: entry %d is out of range: %w", i+1, err)
		}
		o.keys = append(o.keys, key)
	}
	return o, nil
}

// adminHash is the hash of an entry of admin_key: a key, or KeyHash of one.
func adminHash(entry string) ([sha256.Size]byte, error) {
	switch {
	case strings.HasPrefix(entry, hashPrefix):
		return parseHash(entry)
	case len(entry) < MinKey:
		return [sha256.Size]byte{}, fmt.Errorf("at least %d characters, or sha256: and the hash of a key; 'hullbeam key' makes both", MinKey)
	}
	return sha256.Sum256([]byte(entry)), nil
}

// parseOperatorKey reads SCOPE:CONNECTOR:sha256:HEX.
func parseOperatorKey(entry string) (key operatorKey, err error) {
	parts := strings.SplitN(entry, ":", 3)
	if len(parts) != 3 {
		return key, errors.New("SCOPE:CONNECTOR:sha256:HEX; 'hullbeam key --connector ID --scope read' makes one")
	}
	if key.access, err = newAccess(parts[0], parts[1]); err != nil {
		return key, err
	}
	key.hash, err = parseHash(parts[2])
	return key, err
}

func newAccess(scope, connectorID string) (access, error) {
	switch {
	case scope != ScopeRead && scope != ScopeWrite:
		return access{}, errors.New("its scope is read or write")
	case connectorID == "*":
		return access{scope: scope}, nil
	case !ValidConnectorID(connectorID):
		return access{}, errors.New("its connector is an id, 1 to 64 of A-Za-z0-9_-, or * for all")
	}
	return access{connectorID, scope}, nil
}

const hashPrefix = "sha256:"

// KeyHash is a key as the configuration may have it in its place.
func KeyHash(key string) string {
	hash := sha256.Sum256([]byte(key))
	return hashPrefix + hex.EncodeToString(hash[:])
}

// OperatorKey is the entry of operator_keys with which key lets its holder read or change
// a connector, or all ("*").
func OperatorKey(scope, connectorID, key string) (entry string, err error) {
	if _, err := newAccess(scope, connectorID); err != nil {
		return "", err
	}
	return scope + ":" + connectorID + ":" + KeyHash(key), nil
}

// parseHash reads KeyHash. That of an empty key, which a script makes when its variable is
// not set, would let in whoever sends none.
func parseHash(text string) (hash [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(text, hashPrefix)
	decoded, err := hex.DecodeString(digits)
	if !ok || err != nil || copy(hash[:], decoded) != len(hash) || len(decoded) != len(hash) {
		return hash, errors.New("a hash is sha256: and 64 hex digits")
	}
	if hash == sha256.Sum256(nil) {
		return hash, errors.New("this is the hash of no key at all")
	}
	return hash, nil
}

// find returns the hash of a key, and what it lets its holder do. How long it takes tells
// nothing of the keys.
func (o operators) find(key string) (hash [sha256.Size]byte, may access, known bool) {
	hash = sha256.Sum256([]byte(key))
	may, known = o.of(hash[:])
	return hash, may, known
}

// of returns what the key with this hash lets its holder do. How long it takes tells
// nothing of the keys.
func (o operators) of(hash []byte) (may access, known bool) {
	for _, key := range o.keys {
		if subtle.ConstantTimeCompare(hash, key.hash[:]) == 1 {
			may, known = key.access, true
		}
	}
	return may, known
}
