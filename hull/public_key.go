package hull

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// parsePublicKey reads a PEM SubjectPublicKeyInfo with an RSA key of 2048 bits or
// more. It stops at 8192, as crypto/tls does: what is above only costs us time.
func parsePublicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	return parseKeyBlock(block)
}

// parsePublicKeys reads one key after the other, with nothing else after them.
func parsePublicKeys(text []byte) (keys []*rsa.PublicKey, err error) {
	for first := true; first || len(bytes.TrimSpace(text)) > 0; first = false {
		var block *pem.Block
		block, text = pem.Decode(text)
		key, err := parseKeyBlock(block)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func parseKeyBlock(block *pem.Block) (*rsa.PublicKey, error) {
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("no PEM block PUBLIC KEY")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a SubjectPublicKeyInfo")
	}
	return checkRSA(parsed)
}

func checkRSA(public any) (*rsa.PublicKey, error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
		return nil, fmt.Errorf("RSA key of %d bits, not 2048 to 8192", bits)
	}
	return key, nil
}
