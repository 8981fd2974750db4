package hull

import (
	"context"
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
	keyGrace       = 24 * time.Hour   // how long it is used when asking again is in vain
	keyUse         = 24 * time.Hour   // how long it is kept for, after it was of use last
	keyFailureLife = 30 * time.Second // how long a failure stands for the answer
	keyRenewal     = time.Minute      // a younger key is not fetched again for a wrong signature
	keyTimeout     = 5 * time.Second  // for all of a fetch
	keyWait        = keyTimeout / 2   // of which it waits for a place; the host has the rest
	keyLength      = 16 << 10         // bytes of an answer
	keyEntries     = 16               // URLs remembered
	keyFetches     = 4                // new URLs asked at a time, the others wait
)

// errKeyUnreachable marks failures that may pass: the key host did not answer, or
// with a 5xx. errKeyBusy comes with it when the host was not asked: that says nothing
// about it, and is not remembered.
var (
	errKeyUnreachable = errors.New("key host cannot be reached")
	errKeyBusy        = errors.New("too many are asked")
)

// keyStore fetches what signatures are verified with, public keys or certificates,
// and remembers it, and failures too. Strangers may invent URLs, and make answers slow
// or fail, so a URL whose key has verified a signature lately has an entry that no other
// drives out, is asked without waiting for those, and keeps its key while it cannot be
// fetched again. There are keyEntries of these at most. The other entries make room for
// one another, the oldest failures first.
type keyStore[K any] struct {
	client  *http.Client
	method  string
	parse   func(text []byte) (*K, error)
	now     func() time.Time
	log     *slog.Logger
	flights singleflight.Group // by URL
	places  chan struct{}      // keyFetches of them, for URLs that are not in use

	mu      sync.Mutex
	entries map[string]keyEntry[K]
}

// keyEntry is what is known of a URL: a key, a failure, or both when the key
// could not be fetched again.
type keyEntry[K any] struct {
	key     *K
	fetched time.Time
	used    time.Time // when the key verified a signature last
	err     error
	failed  time.Time
}

// inUse tells whether the key has been of use lately. That a URL has one to give does
// not count: Hull's own may do so with any query.
func (e keyEntry[K]) inUse(now time.Time) bool {
	return e.key != nil && now.Sub(e.used) < keyUse
}

// newKeyStore returns a store that asks with this method and reads answers with parse.
func newKeyStore[K any](transport http.RoundTripper, cfg VerifyConfig, method string, parse func([]byte) (*K, error)) *keyStore[K] {
	return &keyStore[K]{
		client:  newHTTPClient(transport),
		method:  method,
		parse:   parse,
		now:     cfg.Now,
		log:     cfg.Log,
		places:  make(chan struct{}, keyFetches),
		entries: make(map[string]keyEntry[K]),
	}
}

// key returns the key at a URL, fetched no longer than maxAge ago; an older one,
// up to keyGrace, when it was tried in vain to fetch it again. body is what the URL is
// asked with. It blocks until the fetch has ended, which others may have begun, or
// until ctx ends. A fetch takes keyTimeout at most and is not stopped by ctx, as
// others wait for it too.
func (s *keyStore[K]) key(ctx context.Context, url, body string, maxAge time.Duration) (*K, error) {
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
		key, err := s.fetch(ctx, url, body)
		return s.remember(url, key, err)
	})
	select {
	case result := <-flight:
		key, _ := result.Val.(*K)
		return key, result.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errKeyUnreachable, ctx.Err())
	}
}

// known returns what answers without a fetch.
func (s *keyStore[K]) known(url string, maxAge time.Duration) (key *K, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, now := s.entries[url], s.now()
	age := now.Sub(entry.fetched)
	switch failed := entry.err != nil && now.Sub(entry.failed) < keyFailureLife; {
	case entry.key != nil && (age < maxAge || failed && age < keyGrace):
		return entry.key, true, nil
	case failed:
		return nil, true, entry.err
	}
	return nil, false, nil
}

// verified notes that the key of a URL has verified a signature.
func (s *keyStore[K]) verified(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry, ok := s.entries[url]; ok {
		entry.used = s.now()
		s.entries[url] = entry
	}
}

// remember keeps the outcome of a fetch and returns what to use: a failure does
// not take away a key that is still good, or whoever can make the key host fail
// could stop all notifications.
func (s *keyStore[K]) remember(url string, key *K, err error) (*K, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, now := s.entries[url], s.now()
	if now.Sub(entry.fetched) >= keyGrace {
		entry.key = nil
	}
	asked := !errors.Is(err, errKeyBusy)
	if err == nil {
		entry = keyEntry[K]{key: key, fetched: now, used: entry.used}
	} else if asked {
		s.log.Warn("no key for notifications", "error", err, "an_older_one_is_used", entry.key != nil)
		entry.err, entry.failed = err, now
	}
	if asked && s.makeRoomLocked(url) {
		s.entries[url] = entry
	}
	if entry.key != nil {
		return entry.key, nil
	}
	return nil, err
}

// makeRoomLocked forgets the least useful entry if url needs a place. It returns false
// when all are in use.
func (s *keyStore[K]) makeRoomLocked(url string) bool {
	if _, ok := s.entries[url]; ok || len(s.entries) < keyEntries {
		return true
	}
	now, worst := s.now(), ""
	for candidate, entry := range s.entries {
		if !entry.inUse(now) && (worst == "" || entry.worseThan(s.entries[worst])) {
			worst = candidate
		}
	}
	delete(s.entries, worst)
	return worst != ""
}

func (e keyEntry[K]) worseThan(other keyEntry[K]) bool {
	if (e.key == nil) != (other.key == nil) {
		return e.key == nil
	}
	if e.key == nil {
		return e.failed.Before(other.failed)
	}
	return e.fetched.Before(other.fetched)
}

// fetch asks for a key and names its host in errors.
func (s *keyStore[K]) fetch(ctx context.Context, keyURL, body string) (*K, error) {
	request, err := http.NewRequestWithContext(ctx, s.method, keyURL, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	leave, err := s.enter(keyURL)
	if err != nil {
		return nil, err
	}
	defer leave()
	key, err := s.ask(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL.Hostname(), err)
	}
	return key, nil
}

// enter waits for a place to ask a URL, unless it is in use. After nil, leave must be
// called.
func (s *keyStore[K]) enter(url string) (leave func(), err error) {
	s.mu.Lock()
	inUse := s.entries[url].inUse(s.now())
	s.mu.Unlock()
	if inUse {
		return func() {}, nil
	}
	timer := time.NewTimer(keyWait)
	defer timer.Stop()
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, nil
	case <-timer.C:
		return nil, fmt.Errorf("%w: %w", errKeyUnreachable, errKeyBusy)
	}
}

// ask is one request.
func (s *keyStore[K]) ask(request *http.Request) (*K, error) {
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
	return s.parse(text)
}
