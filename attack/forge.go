package attack

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"hash"
	"maps"
	"sync"
	"time"
)

// object is JSON as rows write it.
type object = map[string]any

// signer makes the third part of a JWT.
type signer func(signed []byte) []byte

// hs signs with HMAC, whatever the header says.
func hs(secret string) signer { return hmacBy(sha256.New, secret) }

func hmacBy(h func() hash.Hash, secret string) signer {
	return func(signed []byte) []byte {
		mac := hmac.New(h, []byte(secret))
		mac.Write(signed)
		return mac.Sum(nil)
	}
}

// rs signs as RS256.
func rs(key *rsa.PrivateKey) signer {
	return func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err) // a good key signs
		}
		return signature
	}
}

func unsigned([]byte) []byte { return nil }

// jwt makes a token of a header and claims, each an object or a text to be taken as it is.
func jwt(header, claims any, sign signer) string {
	encoding := base64.RawURLEncoding
	signed := encoding.EncodeToString(textOf(header)) + "." + encoding.EncodeToString(textOf(claims))
	return signed + "." + encoding.EncodeToString(sign([]byte(signed)))
}

var (
	hs256 = object{"typ": "JWT", "alg": "HS256"}
	rs256 = object{"typ": "JWT", "alg": "RS256"}
)

// strangersKey is a key that nobody believes. It takes a good part of a second to make.
var strangersKey = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return key
}

// publicPEM is the public half of a key, as hull.public_keys has it.
func publicPEM(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err) // an RSA key always encodes
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// in is a time from now, as JWTs have it.
func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// saying is the claims of an identity token that says who the victim's user is, with
// changes; a nil member is left out.
func (x *try) saying(changes object) object {
	said := object{"external_id": x.victim.externalID, "exp": in(time.Hour)}
	maps.Copy(said, changes)
	maps.DeleteFunc(said, func(_ string, v any) bool { return v == nil })
	return said
}

// hashOf is a user_hash.
func hashOf(value, secret string) string { return hex.EncodeToString(hs(secret)([]byte(value))) }

// jsonOf is an object as a text, to be put into another.
func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

var newSHA512 = sha512.New

func unmarshal(text string, v any) { _ = json.Unmarshal([]byte(text), v) }
