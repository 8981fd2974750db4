package stream

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrSealed is returned for what none of a Sealer's secrets opens.
var ErrSealed = errors.New("not sealed by us")

// Sealer encrypts and authenticates. The first secret seals, all open, so that
// a secret is rotated by putting the new one in front.
//
// The cipher is XChaCha20-Poly1305: its nonces are long enough to be drawn at
// random for as long as a secret lives.
type Sealer struct{ keys []cipher.AEAD }

// NewSealer derives from each secret a key for one purpose. What is sealed for
// one purpose does not open for another.
func NewSealer(secrets []string, purpose string) (*Sealer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("no secret to seal with")
	}
	s := &Sealer{}
	for _, secret := range secrets {
		if secret == "" {
			return nil, errors.New("an empty secret seals nothing")
		}
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, "hullbeam "+purpose, chacha20poly1305.KeySize)
		if err != nil {
			return nil, fmt.Errorf("deriving the key for %s: %w", purpose, err)
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, fmt.Errorf("making the cipher for %s: %w", purpose, err)
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

// Seal returns plaintext sealed and bound to context, which Open must be given
// again.
func (s *Sealer) Seal(plaintext, context []byte) []byte {
	sealed := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plaintext)+chacha20poly1305.Overhead)
	rand.Read(sealed) // never fails: crypto/rand
	return s.keys[0].Seal(sealed, sealed, plaintext, context)
}

// Open returns what Seal was given. ErrSealed: no secret opens it, or the
// context is another.
func (s *Sealer) Open(sealed, context []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return nil, ErrSealed
	}
	nonce, box := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	for _, key := range s.keys {
		if plaintext, err := key.Open(nil, nonce, box, context); err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrSealed
}

// IsFirst tells whether the first secret sealed it: whether it will still open when the
// other secrets are taken away.
func (s *Sealer) IsFirst(sealed, context []byte) bool {
	first := Sealer{keys: s.keys[:1]}
	_, err := first.Open(sealed, context)
	return err == nil
}

// Grant is what a token grants: streams of these topics, for pages of this
// origin.
type Grant struct {
	Connector string
	Origin    string
	Visitor   string  // v_…
	Topics    []Topic // proven, best first; at most MaxTopics
	Issued    time.Time
	Expires   time.Time // streams open until then
}

// Topic is a topic of a grant.
type Topic struct {
	Name   string // kind:value, opaque here
	Signed bool   // proven by a signature
}

// MaxTopics bounds the topics of one grant.
const MaxTopics = 64

// MaxToken bounds a token's text, in bytes: a longer one is refused unread. It
// fits the URLs of common proxies, 8 KiB.
const MaxToken = 7 << 10

// grantFormat is the first byte of a sealed grant. A node that reads another
// answers as for a token that is not ours: the page asks for a new one.
const grantFormat = 1

var errGrant = errors.New("grant does not fit into a token")

// SealGrant makes a token of g. It fails when the grant has too many topics or
// its token would be above MaxToken.
func (s *Sealer) SealGrant(g Grant) (string, error) {
	if len(g.Topics) > MaxTopics {
		return "", fmt.Errorf("%w: %d topics, at most %d", errGrant, len(g.Topics), MaxTopics)
	}
	b := append(make([]byte, 0, 512), grantFormat)
	b = binary.AppendUvarint(b, uint64(g.Issued.UnixMilli()))
	b = binary.AppendUvarint(b, uint64(g.Expires.UnixMilli()))
	for _, text := range []string{g.Connector, g.Origin, g.Visitor} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(g.Topics)))
	for _, t := range g.Topics {
		signed := byte(0)
		if t.Signed {
			signed = 1
		}
		b = appendText(append(b, signed), t.Name)
	}
	token := base64.RawURLEncoding.EncodeToString(s.Seal(b, nil))
	if len(token) > MaxToken {
		return "", fmt.Errorf("%w: %d bytes, at most %d", errGrant, len(token), MaxToken)
	}
	return token, nil
}

// OpenGrant reads a token. ErrSealed: it is not one of ours. Whether it has
// expired is for the caller to see.
func (s *Sealer) OpenGrant(token string) (Grant, error) {
	if len(token) > MaxToken {
		return Grant{}, ErrSealed
	}
	// The decoder skips line ends and, unless strict, unused bits: one token
	// would have many texts, and what is counted by token could be got around.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || strings.IndexByte(token, '\r') >= 0 || strings.IndexByte(token, '\n') >= 0 {
		return Grant{}, ErrSealed
	}
	plaintext, err := s.Open(sealed, nil)
	if err != nil {
		return Grant{}, err
	}
	return decodeGrant(string(plaintext))
}

func decodeGrant(text string) (g Grant, err error) {
	if text == "" || text[0] != grantFormat {
		return Grant{}, ErrSealed
	}
	r := reader{text: text[1:]}
	g.Issued = time.UnixMilli(int64(r.uvarint())).UTC()
	g.Expires = time.UnixMilli(int64(r.uvarint())).UTC()
	g.Connector, g.Origin, g.Visitor = r.string(), r.string(), r.string()
	n := r.uvarint()
	if n > MaxTopics {
		return Grant{}, ErrSealed
	}
	g.Topics = make([]Topic, n)
	for i := range g.Topics {
		g.Topics[i].Signed = r.byte() == 1
		g.Topics[i].Name = r.string()
	}
	if r.bad || r.text != "" {
		return Grant{}, ErrSealed
	}
	return g, nil
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// reader reads a grant. It is told apart from a cut one by bad alone, so that
// the fields read like their list.
type reader struct {
	text string
	bad  bool
}

func (r *reader) byte() byte {
	if r.text == "" {
		r.bad = true
		return 0
	}
	b := r.text[0]
	r.text = r.text[1:]
	return b
}

func (r *reader) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *reader) string() string {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.text)) {
		r.bad = true
		return ""
	}
	s := r.text[:n]
	r.text = r.text[n:]
	return s
}
