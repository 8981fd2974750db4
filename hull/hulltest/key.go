package hulltest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/hull"
)

// Key signs notifications as Hull does. It may be used by many goroutines.
type Key struct{ private *rsa.PrivateKey }

// NewKey makes a key of 2048 bits, which takes a good part of a second.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return &Key{private}, nil
}

// ProcessKey returns the one key of this process, which the first call makes.
var ProcessKey = sync.OnceValue(func() *Key {
	key, err := NewKey()
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return key
})

// ParseKey reads a private key in PEM: PRIVATE KEY (PKCS #8) or RSA PRIVATE KEY
// (PKCS #1).
func ParseKey(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	if private, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return &Key{private}, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("neither a PKCS #8 nor a PKCS #1 private key")
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	return &Key{private}, nil
}

// PublicPEM is the public half, as the key's URL serves it and as
// hull.public_keys has it.
func (k *Key) PublicPEM() string {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	return encodePEM("PUBLIC KEY", der, err)
}

// PrivatePEM is the key as ParseKey reads it.
func (k *Key) PrivatePEM() string {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	return encodePEM("PRIVATE KEY", der, err)
}

func encodePEM(kind string, der []byte, err error) string {
	if err != nil {
		panic(err) // an RSA key always encodes
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// Sign returns the signature of a notification that is sent now.
func (k *Key) Sign(notificationID string, now time.Time) string {
	return k.SignClaims(map[string]any{"jti": notificationID, "iat": now.Unix()})
}

// SignClaims returns a JWT (RS256) of any claims.
func (k *Key) SignClaims(claims map[string]any) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims)).SignedString(k.private)
	if err != nil {
		panic(err) // what does not encode as JSON is a mistake of the caller
	}
	return token
}

// Headers returns the headers of a notification that is sent now. keyURL must not
// be empty, even when the receiver has the key pinned.
func (k *Key) Headers(notificationID, keyURL string, now time.Time) http.Header {
	h := make(http.Header)
	h.Set("Content-Type", "application/json")
	h.Set(hull.HeaderFlag, "true")
	h.Set(hull.HeaderSignature, k.Sign(notificationID, now))
	h.Set(hull.HeaderSignatureVersion, hull.SignatureVersion)
	h.Set(hull.HeaderKeyURL, keyURL)
	return h
}
