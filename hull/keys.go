package hull

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Bounds of what is fetched and kept: docs/hull-protocol.md 3.6.
const (
	keyLife        = time.Hour        // how long a key is used without asking again
	keyFailureLife = 30 * time.Second // how long a failure stands for the answer
	keyRenewal     = time.Minute      // a younger key is not fetched again for a wrong signature
	keyTimeout     = 5 * time.Second  // for all of a fetch
	keyLength      = 16 << 10         // bytes of an answer
	keyEntries     = 16               // URLs remembered
	keyFetches     = 4                // URLs asked at a time, the others wait
)

// errKeyUnreachable marks failures that may pass: the key host did not answer, or
// with a 5xx.
var errKeyUnreachable = errors.New("key host cannot be reached")

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
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
		return nil, fmt.Errorf("RSA key of %d bits, not 2048 to 8192", bits)
	}
	return key, nil
}

// keyStore fetches public keys and remembers them, and failures too. It has a
// bound: when full it forgets what it knows longest, failures first, so that a
// flood of invented URLs does not drive out a key in use.
type keyStore struct {
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	flights singleflight.Group // by URL
	places  chan struct{}      // keyFetches of them

	mu      sync.Mutex
	entries map[string]keyEntry
}

// keyEntry is what is known of a URL: a key, a failure, or both when the key
// could not be fetched again.
type keyEntry struct {
	key     *rsa.PublicKey
	fetched time.Time
	err     error
	failed  time.Time
}

func newKeyStore(transport http.RoundTripper, now func() time.Time, log *slog.Logger) *keyStore {
	return &keyStore{
		client:  newHTTPClient(transport),
		now:     now,
		log:     log,
		places:  make(chan struct{}, keyFetches),
		entries: make(map[string]keyEntry),
	}
}

// key returns the key at a URL, fetched no longer than maxAge ago; an older one,
// up to keyLife, when it was tried in vain to fetch it again. It blocks until the
// fetch has ended, which others may have begun, or until ctx ends. A fetch takes
// keyTimeout at most and is not stopped by ctx, as others wait for it too.
func (s *keyStore) key(ctx context.Context, url, token string, maxAge time.Duration) (*rsa.PublicKey, error) {
	if key, ok, err := s.known(url, maxAge); ok {
		return key, err
	}
	flight := s.flights.DoChan(url, func() (any, error) {
		// Another flight may have landed between the look above and here.
		if key, ok, err := s.known(url, maxAge); ok {
			return key, err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyTimeout)
		defer cancel()
		key, err := s.fetch(ctx, url, token)
		return s.remember(url, key, err)
	})
	select {
	case result := <-flight:
		key, _ := result.Val.(*rsa.PublicKey)
		return key, result.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errKeyUnreachable, ctx.Err())
	}
}

// known returns what answers without a fetch.
func (s *keyStore) known(url string, maxAge time.Duration) (key *rsa.PublicKey, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, now := s.entries[url], s.now()
	age := now.Sub(entry.fetched)
	switch failed := entry.err != nil && now.Sub(entry.failed) < keyFailureLife; {
	case entry.key != nil && (age < maxAge || failed && age < keyLife):
		return entry.key, true, nil
	case failed:
		return nil, true, entry.err
	}
	return nil, false, nil
}

// remember keeps the outcome of a fetch and returns what to use: a failure does
// not take away a key that is still good, or whoever can make the key host fail
// for a moment could stop all notifications.
func (s *keyStore) remember(url string, key *rsa.PublicKey, err error) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, now := s.entries[url], s.now()
	if err == nil {
		entry = keyEntry{key: key, fetched: now}
	} else {
		s.log.Warn("no key for notifications", "error", err)
		entry.err, entry.failed = err, now
	}
	if now.Sub(entry.fetched) >= keyLife {
		entry.key = nil
	}
	s.makeRoomLocked(url)
	s.entries[url] = entry
	if entry.key != nil {
		return entry.key, nil
	}
	return nil, err
}

// makeRoomLocked forgets the least useful entry if url needs a place.
func (s *keyStore) makeRoomLocked(url string) {
	if _, ok := s.entries[url]; ok || len(s.entries) < keyEntries {
		return
	}
	var worst string
	for candidate := range s.entries {
		if worst == "" || s.entries[candidate].worseThan(s.entries[worst]) {
			worst = candidate
		}
	}
	delete(s.entries, worst)
}

func (e keyEntry) worseThan(other keyEntry) bool {
	if (e.key == nil) != (other.key == nil) {
		return e.key == nil
	}
	if e.key == nil {
		return e.failed.Before(other.failed)
	}
	return e.fetched.Before(other.fetched)
}

// fetch asks for a key and names its host in errors.
func (s *keyStore) fetch(ctx context.Context, keyURL, token string) (*rsa.PublicKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, keyURL, strings.NewReader(token))
	if err != nil {
		return nil, err
	}
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: too many are asked", errKeyUnreachable)
	}
	key, err := s.ask(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL.Hostname(), err)
	}
	return key, nil
}

// ask is one request, made as Hull's own libraries do: POST with the raw JWT as
// body.
func (s *keyStore) ask(request *http.Request) (*rsa.PublicKey, error) {
	response, err := s.client.Do(request)
	switch {
	case errors.Is(err, errNotPublic):
		return nil, withoutURL(err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errKeyUnreachable, withoutURL(err))
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode >= 500:
		return nil, fmt.Errorf("%w: status %d", errKeyUnreachable, response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("key host answered with status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, keyLength+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errKeyUnreachable, err)
	case len(text) > keyLength:
		return nil, fmt.Errorf("key host answered with more than %d bytes", keyLength)
	}
	return parsePublicKey(text)
}
