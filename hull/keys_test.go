package hull_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
	"testing"
	"testing/synctest"
	"time"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

// keyHost is a key host whose answer can be changed, and which counts.
type keyHost struct {
	mu       sync.Mutex
	requests []string // method, URL and body of each
	answer   func(*http.Request) (*http.Response, error)
}

func serveKey(key *hulltest.Key) *keyHost {
	h := &keyHost{}
	h.serve(key)
	return h
}

func (h *keyHost) serve(key *hulltest.Key) {
	h.set(func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, key.PublicPEM()) })
}

func (h *keyHost) set(answer func(*http.Request) (*http.Response, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *keyHost) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.requests = append(h.requests, fmt.Sprint(r.Method, " ", r.URL, " ", string(body)))
	answer := h.answer
	h.mu.Unlock()
	return answer(r)
}

func (h *keyHost) wantRequests(t *testing.T, want int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := len(h.requests); got != want {
		t.Errorf("%d requests to the key host, want %d", got, want)
	}
}

func notify(v *hull.Verifier, key *hulltest.Key, url string) error {
	return v.Verify(context.Background(), key.Headers(notificationID, url, time.Now()), notificationID)
}

func TestKeyIsFetchedAsHullsLibrariesDo(t *testing.T) {
	noLeaks(t)
	host := serveKey(hulltest.ProcessKey())
	verifier := newVerifier(t, host, nil)
	h := hulltest.ProcessKey().Headers(notificationID, keyURL, time.Now())
	if err := verifier.Verify(t.Context(), h, notificationID); err != nil {
		t.Fatal(err)
	}
	if got, want := host.requests[0], "POST "+keyURL+" "+h.Get(hull.HeaderSignature); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestNothingIsFetchedForAnOldSignature(t *testing.T) {
	verifier := newVerifier(t, noNetwork(t), nil)
	h := hulltest.ProcessKey().Headers(notificationID, keyURL, time.Now().Add(-2*time.Hour))
	wantRefusal(t, verifier.Verify(t.Context(), h, notificationID), "INVALID_SIGNATURE", 400)
}

func TestUselessKeys(t *testing.T) {
	encode := func(kind string, public any) string {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := hulltest.ProcessKey().PublicPEM()
	tests := []struct {
		name   string
		status int
		body   string
		want   int
	}{
		{"not found", 404, good, 400},
		{"created", 201, good, 400},
		{"a redirect", 302, good, 400},
		{"an error that may pass", 500, good, 503},
		{"an error that may pass", 503, good, 503},
		{"nothing", 200, "", 400},
		{"a marker without a key", 200, "-----BEGIN PUBLIC KEY-----", 400},
		{"a marker around rubbish", 200, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 400},
		{"a private key", 200, hulltest.ProcessKey().PrivatePEM(), 400},
		{"another kind of PEM", 200, encode("CERTIFICATE", &small.PublicKey), 400},
		{"an elliptic curve", 200, encode("PUBLIC KEY", &elliptic.PublicKey), 400},
		{"1024 bits", 200, encode("PUBLIC KEY", &small.PublicKey), 400},
		{"16 KiB before the key", 200, strings.Repeat("\n", 16<<10) + good, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			verifier := newVerifier(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				response, err := respond(test.status, test.body)
				response.Header.Set("Location", "https://hullapp.io/elsewhere")
				return response, err
			}), nil)
			wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", test.want)
		})
	}
}

func TestKeyHostInOurOwnNetwork(t *testing.T) {
	noLeaks(t)
	verifier := newVerifier(t, roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("dial tcp: 10.0.0.1:443: %w", hull.ErrNotPublic)
	}), nil)
	wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 400)
}

func TestKeyIsRememberedForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		verifier := newVerifier(t, host, nil)
		ok := func() {
			t.Helper()
			if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
				t.Error(err)
			}
		}
		ok()
		time.Sleep(time.Hour - time.Nanosecond)
		ok()
		host.wantRequests(t, 1)
		time.Sleep(time.Nanosecond)
		ok()
		host.wantRequests(t, 2)
	})
}

func TestFailureIsRememberedForHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		host.set(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
		verifier := newVerifier(t, host, nil)
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 503)
		host.serve(hulltest.ProcessKey())
		time.Sleep(30*time.Second - time.Nanosecond)
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 503)
		host.wantRequests(t, 1)
		time.Sleep(time.Nanosecond)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Error(err)
		}
	})
}

func TestRotatedKey(t *testing.T) {
	next, err := hulltest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		verifier := newVerifier(t, host, nil)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Fatal(err)
		}
		host.serve(next)
		time.Sleep(time.Minute - time.Nanosecond)
		wantRefusal(t, notify(verifier, next, keyURL), "INVALID_SIGNATURE", 400)
		host.wantRequests(t, 1) // a young key is not asked for again
		time.Sleep(time.Nanosecond)
		if err := notify(verifier, next, keyURL); err != nil {
			t.Error(err)
		}
		host.wantRequests(t, 2)
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_SIGNATURE", 400)
		host.wantRequests(t, 2)
	})
}

// A stranger's signature makes us ask again for the key. When the host happens to
// fail then, Hull's own notifications must still be taken.
func TestFailureDoesNotTakeAGoodKeyAway(t *testing.T) {
	stranger, err := hulltest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		verifier := newVerifier(t, host, nil)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Fatal(err)
		}
		host.set(func(*http.Request) (*http.Response, error) { return respond(http.StatusNotFound, "") })
		time.Sleep(2 * time.Minute)
		for range 3 {
			wantRefusal(t, notify(verifier, stranger, keyURL), "INVALID_SIGNATURE", 400)
			if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
				t.Error(err)
			}
		}
		host.wantRequests(t, 2)
		time.Sleep(24*time.Hour - 2*time.Minute - time.Nanosecond)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Errorf("a key of yesterday, which cannot be fetched again: %v", err)
		}
		host.wantRequests(t, 3)
		time.Sleep(30 * time.Second)
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 400)
	})
}

// serveBesideHanging serves the key at keyURL; whatever else is asked for hangs.
func serveBesideHanging(key *hulltest.Key) *keyHost {
	h := &keyHost{}
	h.set(func(r *http.Request) (*http.Response, error) {
		if r.URL.String() == keyURL {
			return respond(http.StatusOK, key.PublicPEM())
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	return h
}

// inventURLs has a verifier asked for so many URLs that hang, and returns when it has
// begun. wait waits for the last to be refused.
func inventURLs(t *testing.T, verifier *hull.Verifier, name string, count int) (wait func()) {
	var strangers sync.WaitGroup
	for i := range count {
		strangers.Go(func() {
			url := fmt.Sprintf("https://%s-%d.hullapp.io/key", name, i)
			wantRefusal(t, notify(verifier, hulltest.ProcessKey(), url), "INVALID_CERTIFICATE", 503)
		})
	}
	synctest.Wait()
	return strangers.Wait
}

// Anybody may have keys fetched from URLs that do not exist, as slowly as these answer.
// A key that Hull's notifications are verified with is fetched again all the same.
func TestInventedURLsDoNotDelayAKeyInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveBesideHanging(hulltest.ProcessKey())
		verifier := newVerifier(t, host, nil)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		wait := inventURLs(t, verifier, "invented", 3*hull.KeyFetches)
		host.wantRequests(t, 1+hull.KeyFetches)
		start := time.Now()
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("it waited %v", took)
		}
		host.wantRequests(t, 2+hull.KeyFetches)
		wait()
	})
}

// That there is no place to ask a host says nothing about the host.
func TestNoPlaceIsNotAFailureOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveBesideHanging(hulltest.ProcessKey())
		verifier := newVerifier(t, host, nil)
		wait := inventURLs(t, verifier, "invented", hull.KeyFetches)
		start := time.Now()
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 503)
		if took := time.Since(start); took != 2500*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
		host.wantRequests(t, hull.KeyFetches)
		wait()
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Errorf("when there is a place again: %v", err)
		}
	})
}

// Hull's host may give the key whatever the query is, and whoever has got one
// notification of Hull's may send it on with any.
func TestQueriesDoNotDriveOutAKeyInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		verifier := newVerifier(t, host, nil)
		for i := range 3 * hull.KeyEntries {
			time.Sleep(time.Millisecond)
			for _, url := range []string{keyURL, fmt.Sprint(keyURL, "?", i)} {
				if err := notify(verifier, hulltest.ProcessKey(), url); err != nil {
					t.Error(err)
				}
			}
		}
		before := 1 + 3*hull.KeyEntries
		host.wantRequests(t, before)
		time.Sleep(24 * time.Hour) // without any use
		for i := range hull.KeyEntries {
			if err := notify(verifier, hulltest.ProcessKey(), fmt.Sprint(keyURL, "?later", i)); err != nil {
				t.Error(err)
			}
			if err := notify(verifier, hulltest.ProcessKey(), fmt.Sprint(keyURL, "?later", i)); err != nil {
				t.Error(err)
			}
		}
		host.wantRequests(t, before+hull.KeyEntries)
	})
}

func TestOneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		answered := make(chan struct{})
		host.set(func(*http.Request) (*http.Response, error) {
			<-answered
			return respond(http.StatusOK, hulltest.ProcessKey().PublicPEM())
		})
		verifier := newVerifier(t, host, nil)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		host.wantRequests(t, 1)
		close(answered)
		all.Wait()
		host.wantRequests(t, 1)
	})
}

func TestSilentKeyHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verifier := newVerifier(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), nil)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := hulltest.ProcessKey().Headers(notificationID, keyURL, time.Now())
		wantRefusal(t, verifier.Verify(ctx, h, notificationID), "INVALID_CERTIFICATE", 503)
		if took := time.Since(start); took != time.Second {
			t.Errorf("a caller with one second waited %v", took)
		}
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 503)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the fetch took %v", took)
		}
	})
}

func TestInventedURLsDoNotDriveOutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := serveKey(hulltest.ProcessKey())
		host.set(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() == keyURL {
				return respond(http.StatusOK, hulltest.ProcessKey().PublicPEM())
			}
			return respond(http.StatusNotFound, "")
		})
		verifier := newVerifier(t, host, nil)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Fatal(err)
		}
		for i := range 3 * hull.KeyEntries {
			time.Sleep(time.Millisecond)
			url := fmt.Sprintf("https://invented-%d.hullapp.io/key", i)
			wantRefusal(t, notify(verifier, hulltest.ProcessKey(), url), "INVALID_CERTIFICATE", 400)
		}
		host.wantRequests(t, 1+3*hull.KeyEntries)
		if err := notify(verifier, hulltest.ProcessKey(), keyURL); err != nil {
			t.Error(err)
		}
		host.wantRequests(t, 1+3*hull.KeyEntries)
		// The oldest failure is forgotten and asked for again, the newest is not.
		last := fmt.Sprintf("https://invented-%d.hullapp.io/key", 3*hull.KeyEntries-1)
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), last), "INVALID_CERTIFICATE", 400)
		host.wantRequests(t, 1+3*hull.KeyEntries)
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), "https://invented-0.hullapp.io/key"), "INVALID_CERTIFICATE", 400)
		host.wantRequests(t, 2+3*hull.KeyEntries)
	})
}

func TestFailureIsLoggedOnce(t *testing.T) {
	noLeaks(t)
	var log strings.Builder
	unknown := roundTrip(func(*http.Request) (*http.Response, error) { return respond(http.StatusNotFound, "") })
	verifier := newVerifier(t, unknown, func(cfg *hull.VerifyConfig) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 3 {
		wantRefusal(t, notify(verifier, hulltest.ProcessKey(), keyURL), "INVALID_CERTIFICATE", 400)
	}
	want := `level=WARN msg="no key for notifications" error="harbor-demo.hullapp.io: key host answered with status 404" an_older_one_is_used=false`
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("log:\n%s", log.String())
	}
}
