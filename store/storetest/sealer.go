package storetest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"

	"hullbeam/store"
)

type sealer []cipher.AEAD

// NewSealer returns a Sealer with keys made from secrets: the first seals, all open.
func NewSealer(secrets ...string) store.Sealer {
	var s sealer
	for _, secret := range secrets {
		key := sha256.Sum256([]byte(secret))
		block, err := aes.NewCipher(key[:])
		if err != nil {
			panic(err) // the key has the right length
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			panic(err)
		}
		s = append(s, aead)
	}
	return s
}

func (s sealer) Seal(plaintext, context []byte) []byte {
	return s[0].Seal(nil, nil, plaintext, context)
}

func (s sealer) Open(sealed, context []byte) ([]byte, error) {
	for _, aead := range s {
		if plaintext, err := aead.Open(nil, nil, sealed, context); err == nil {
			return plaintext, nil
		}
	}
	return nil, errors.New("no key opens it")
}

func (s sealer) IsFirst(sealed, context []byte) bool {
	_, err := s[:1].Open(sealed, context)
	return err == nil
}
