package storetest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"

	"hullbeam/store"
)

type sealer struct{ cipher.AEAD }

// NewSealer returns a Sealer with a key made from secret: those of the same
// secret open what each other sealed.
func NewSealer(secret string) store.Sealer {
	key := sha256.Sum256([]byte(secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return sealer{aead}
}

func (s sealer) Seal(plaintext, context []byte) []byte {
	return s.AEAD.Seal(nil, nil, plaintext, context)
}

func (s sealer) Open(sealed, context []byte) ([]byte, error) {
	plaintext, err := s.AEAD.Open(nil, nil, sealed, context)
	if err != nil {
		return nil, errors.New("no key opens it")
	}
	return plaintext, nil
}
