package hull_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

const (
	notificationID = "0207d938-6476-4982-af1a-254bfe318ed1"
	keyURL         = "https://harbor-demo.hullapp.io/test/public-key"
)

// roundTrip is the network of a test.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func noNetwork(t *testing.T) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		t.Errorf("asked %s", r.URL)
		return nil, errors.New("no network")
	}
}

func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

func newVerifier(t *testing.T, transport http.RoundTripper, change func(*hull.VerifyConfig)) *hull.Verifier {
	t.Helper()
	cfg := hull.DefaultVerifyConfig()
	cfg.Transport = transport
	if change != nil {
		change(&cfg)
	}
	verifier, err := hull.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func wantRefusal(t *testing.T, err error, code string, status int) {
	t.Helper()
	refusal, ok := errors.AsType[*hull.NotificationError](err)
	if !ok || refusal.Code != code || refusal.Status != status {
		t.Errorf("got %v, want %s %d", err, code, status)
	}
}

type signatureVectors struct {
	NotificationID string            `json:"notification_id"`
	Headers        map[string]string `json:"headers"`
	PublicKey      string            `json:"public_key_pem"`
	Cases          []signatureCase
}

type signatureCase struct {
	Name    string
	Token   string
	Now     int64
	Accepts any `json:"hullbeam_accepts"`
}

func readSignatureVectors(t *testing.T) signatureVectors {
	var vectors signatureVectors
	readJSON(t, "../testdata/hull/vectors/smart-notifier-signature.json", &vectors)
	if len(vectors.Cases) != 19 {
		t.Fatalf("%d cases", len(vectors.Cases))
	}
	return vectors
}

func (v signatureVectors) header(token string) http.Header {
	h := make(http.Header)
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	h.Set(hull.HeaderSignature, token)
	return h
}

// accepts says what a case wants. Whoever made the vectors dropped every iat of
// a good signature: "iat-in-the-future" and "old-iat-no-exp" have the very token
// of "valid" and "no-iat-no-exp", so what they promise is tried by
// TestSignatureTimes, and here they are one more signature without iat. For the
// same reason "valid" is not, where an iat is required.
func (v signatureVectors) accepts(c signatureCase, requireIAT bool) bool {
	without := c.Token == v.Cases[0].Token || c.Accepts == true
	return without && !requireIAT
}

func TestSignatureVectors(t *testing.T) {
	noLeaks(t)
	vectors := readSignatureVectors(t)
	served := roundTrip(func(r *http.Request) (*http.Response, error) {
		return respond(http.StatusOK, vectors.PublicKey)
	})
	for _, way := range []struct {
		name       string
		pinned     []string
		transport  http.RoundTripper
		requireIAT bool
	}{
		{"pinned", []string{vectors.PublicKey}, noNetwork(t), false},
		{"fetched", nil, served, false},
		{"pinned, iat required", []string{vectors.PublicKey}, noNetwork(t), true},
		{"fetched, iat required", nil, served, true},
	} {
		for _, c := range vectors.Cases {
			t.Run(way.name+"/"+c.Name, func(t *testing.T) {
				verifier := newVerifier(t, way.transport, func(cfg *hull.VerifyConfig) {
					cfg.PublicKeys, cfg.RequireIAT = way.pinned, way.requireIAT
					cfg.Now = func() time.Time { return time.Unix(c.Now, 0) }
				})
				err := verifier.Verify(t.Context(), vectors.header(c.Token), vectors.NotificationID)
				switch {
				case vectors.accepts(c, way.requireIAT):
					if err != nil {
						t.Error(err)
					}
				case c.Token == "":
					wantRefusal(t, err, "MISSING_SIGNATURE_HEADERS", 400)
				default:
					wantRefusal(t, err, "INVALID_SIGNATURE", 400)
				}
			})
		}
	}
}

func TestSignatureTimes(t *testing.T) {
	now := time.Unix(1_541_000_000, 0)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	type claims = map[string]any
	tests := []struct {
		name   string
		claims claims
		accept bool
	}{
		{"signed now", claims{"jti": notificationID, "iat": at(0)}, true},
		{"by a clock a minute fast", claims{"jti": notificationID, "iat": at(time.Minute)}, true},
		{"by a clock that is faster", claims{"jti": notificationID, "iat": at(61 * time.Second)}, false},
		{"an hour ago", claims{"jti": notificationID, "iat": at(-time.Hour)}, true},
		{"more than an hour ago", claims{"jti": notificationID, "iat": at(-time.Hour - time.Second)}, false},
		{"a week ago, exp ahead", claims{"jti": notificationID, "iat": at(-7 * 24 * time.Hour), "exp": at(time.Hour)}, false},
		{"exp passed within the skew", claims{"jti": notificationID, "iat": at(0), "exp": at(-59 * time.Second)}, true},
		{"exp passed", claims{"jti": notificationID, "iat": at(0), "exp": at(-time.Minute)}, false},
		{"nbf within the skew", claims{"jti": notificationID, "iat": at(0), "nbf": at(time.Minute)}, true},
		{"nbf ahead", claims{"jti": notificationID, "iat": at(0), "nbf": at(61 * time.Second)}, false},
		{"no iat", claims{"jti": notificationID, "exp": at(time.Minute)}, false},
		{"iat zero", claims{"jti": notificationID, "iat": 0}, false},
		{"iat a string", claims{"jti": notificationID, "iat": "1541000000"}, false},
		{"iat beyond all time", claims{"jti": notificationID, "iat": 1e300}, false},
		{"exp a string", claims{"jti": notificationID, "iat": at(0), "exp": "never"}, false},
		{"jti of another notification", claims{"jti": "another-id", "iat": at(0)}, false},
		{"jti a list", claims{"jti": []string{notificationID}, "iat": at(0)}, false},
		{"no jti", claims{"iat": at(0)}, false},
	}
	key := hulltest.ProcessKey()
	verifier := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) {
		cfg.PublicKeys, cfg.Now = []string{key.PublicPEM()}, func() time.Time { return now }
	})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := key.Headers(notificationID, keyURL, now)
			h.Set(hull.HeaderSignature, key.SignClaims(test.claims))
			err := verifier.Verify(t.Context(), h, notificationID)
			if test.accept && err != nil {
				t.Error(err)
			}
			if !test.accept {
				wantRefusal(t, err, "INVALID_SIGNATURE", 400)
			}
		})
	}
}

// docs/hull-protocol.md 3.5, 4: the libraries skip the comparison when the body has no
// notification_id, and so take any signature.
func TestA2EmptyNotificationIDVerifiesNothing(t *testing.T) {
	key := hulltest.ProcessKey()
	verifier := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) { cfg.PublicKeys = []string{key.PublicPEM()} })
	for _, id := range []string{"", notificationID} {
		wantRefusal(t, verifier.Verify(t.Context(), key.Headers(id, keyURL, time.Now()), ""), "INVALID_SIGNATURE", 400)
	}
}

func TestHeaderOfTheSignature(t *testing.T) {
	stranger, err := hulltest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		by     *hulltest.Key
		header map[string]any
		accept bool
	}{
		{"says RS256", hulltest.ProcessKey(), map[string]any{"alg": "RS256"}, true},
		{"says RS512 and means RS256", hulltest.ProcessKey(), map[string]any{"alg": "RS512"}, false},
		{"says none", hulltest.ProcessKey(), map[string]any{"alg": "none"}, false},
		{"says rs256", hulltest.ProcessKey(), map[string]any{"alg": "rs256"}, false},
		{"says nothing", hulltest.ProcessKey(), map[string]any{}, false},
		{"names keys of its own", stranger, map[string]any{
			"alg": "RS256",
			"jku": "https://evil.example/keys",
			"x5u": "https://evil.example/certificate",
			"jwk": map[string]string{"kty": "RSA"},
		}, false},
	}
	verifier := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) {
		cfg.PublicKeys = []string{hulltest.ProcessKey().PublicPEM()}
	})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := test.by.Headers(notificationID, keyURL, time.Now())
			h.Set(hull.HeaderSignature, signWithHeader(t, test.by, test.header))
			err := verifier.Verify(t.Context(), h, notificationID)
			if test.accept && err != nil {
				t.Error(err)
			}
			if !test.accept {
				wantRefusal(t, err, "INVALID_SIGNATURE", 400)
			}
		})
	}
}

// signWithHeader signs with RS256, whatever the header says.
func signWithHeader(t *testing.T, key *hulltest.Key, header map[string]any) string {
	t.Helper()
	private, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(key.PrivatePEM()))
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"jti": notificationID, "iat": time.Now().Unix()})
	token.Header = header
	signed, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestCheckHeaders(t *testing.T) {
	key := hulltest.ProcessKey()
	good := key.Headers(notificationID, keyURL, time.Now())
	without := func(names ...string) http.Header {
		h := good.Clone()
		for _, name := range names {
			h.Del(name)
		}
		return h
	}
	with := func(name, value string) http.Header {
		h := good.Clone()
		h.Set(name, value)
		return h
	}
	tests := []struct {
		name string
		h    http.Header
		code string
	}{
		{"all there", good, ""},
		{"the flag may say anything", with(hull.HeaderFlag, "dummy"), ""},
		{"no headers", http.Header{}, "MISSING_FLAG_HEADER"},
		{"the flag comes first", without(hull.HeaderFlag, hull.HeaderSignatureVersion), "MISSING_FLAG_HEADER"},
		{"another version", with(hull.HeaderSignatureVersion, "v2"), "UNSUPPORTED_SIGNATURE_VERSION"},
		{"no version", without(hull.HeaderSignatureVersion, hull.HeaderSignature), "UNSUPPORTED_SIGNATURE_VERSION"},
		{"no signature", without(hull.HeaderSignature), "MISSING_SIGNATURE_HEADERS"},
		{"an empty signature", with(hull.HeaderSignature, ""), "MISSING_SIGNATURE_HEADERS"},
		{"no key URL", without(hull.HeaderKeyURL), "MISSING_SIGNATURE_HEADERS"},
		{"an empty key URL", with(hull.HeaderKeyURL, ""), "MISSING_SIGNATURE_HEADERS"},
		{"another host", with(hull.HeaderKeyURL, "https://evil.example/key"), "UNTRUSTED_KEY_URL"},
	}
	verifier := newVerifier(t, noNetwork(t), nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := verifier.CheckHeaders(test.h)
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, test.code, 400)
			wantRefusal(t, verifier.Verify(t.Context(), test.h, notificationID), test.code, 400)
		})
	}
}

func TestPinnedKeysNeedAKeyURLButDoNotReadIt(t *testing.T) {
	key := hulltest.ProcessKey()
	verifier := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) {
		cfg.KeyHosts, cfg.PublicKeys = nil, []string{readSignatureVectors(t).PublicKey, key.PublicPEM()}
	})
	if err := verifier.Verify(t.Context(), key.Headers(notificationID, "gopher://[::1]", time.Now()), notificationID); err != nil {
		t.Error(err)
	}
	h := key.Headers(notificationID, "", time.Now())
	wantRefusal(t, verifier.Verify(t.Context(), h, notificationID), "MISSING_SIGNATURE_HEADERS", 400)
}

func TestUnverifiedSignatures(t *testing.T) {
	verifier := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) { cfg.VerifySignatures = false })
	if err := verifier.Verify(t.Context(), http.Header{hull.HeaderFlag: {""}}, ""); err != nil {
		t.Error(err)
	}
	wantRefusal(t, verifier.Verify(t.Context(), http.Header{}, notificationID), "MISSING_FLAG_HEADER", 400)
}

func TestA2TrustedKeyURLs(t *testing.T) {
	verifier := newVerifier(t, noNetwork(t), nil)
	tests := []struct {
		url     string
		trusted bool
	}{
		{"https://hullapp.io/key", true},
		{"https://a.b.hullapp.io", true},
		{"https://HULL.io/key?x=1", true},
		{"https://hullapp.io:443/key", true},
		{"http://hullapp.io/key", false},
		{"HTTPS://hullapp.io/key", true},
		{"https://evilhullapp.io/key", false},
		{"https://hullapp.io.evil.example/key", false},
		{"https://evil.example/hullapp.io", false},
		{"https://evil.example?.hullapp.io", false},
		{"https://evil.example#.hullapp.io", false},
		{"https://evil.example\\@hullapp.io/key", false},
		{"https://hullapp.io@evil.example/key", false},
		{"https://user@hullapp.io/key", false},
		{"https://user:pass@hullapp.io/key", false},
		{"https://hullapp.io/key#fragment", false},
		{"https://hullapp.io/key#", false},
		{"https://hullapp.io:8443/key", false},
		{"https://hullapp.io:/key", false},
		{"https://hullapp.io:443:443/key", false},
		{"https://hullapp.io./key", false},
		{"https://127.0.0.1/key", false},
		{"https://[::1]/key", false},
		{"https://[::ffff:8.8.8.8]/key", false},
		{"https:hullapp.io/key", false},
		{"https:///hullapp.io/key", false},
		{"//hullapp.io/key", false},
		{"hullapp.io/key", false},
		{"ftp://hullapp.io/key", false},
		{"file:///etc/passwd", false},
		{"https://hullapp.io/" + strings.Repeat("k", 2048), false},
	}
	for _, test := range tests {
		h := hulltest.ProcessKey().Headers(notificationID, test.url, time.Now())
		err := verifier.CheckHeaders(h)
		if test.trusted && err != nil {
			t.Errorf("%s: %v", test.url, err)
		}
		if !test.trusted {
			wantRefusal(t, err, "UNTRUSTED_KEY_URL", 400)
		}
	}
}

func TestVerifyConfigValidate(t *testing.T) {
	tests := []struct {
		change func(*hull.VerifyConfig)
		want   string
	}{
		{func(c *hull.VerifyConfig) {}, ""},
		{func(c *hull.VerifyConfig) { c.KeyHosts = []string{"a.example", "io"} }, "hull.key_hosts[1]"},
		{func(c *hull.VerifyConfig) { c.KeyHosts = []string{"https://a.example"} }, "hull.key_hosts[0]"},
		{func(c *hull.VerifyConfig) { c.KeyHosts = []string{"10.0.0.1"} }, "hull.key_hosts[0]"},
		{func(c *hull.VerifyConfig) { c.KeyHosts = nil }, "hull.key_hosts: must not be empty"},
		{func(c *hull.VerifyConfig) { c.KeyHosts, c.VerifySignatures = nil, false }, ""},
		{func(c *hull.VerifyConfig) { c.PublicKeys = []string{"/etc/key.pem"} }, "hull.public_keys[0]"},
		{func(c *hull.VerifyConfig) { c.SignatureMaxAge = time.Second }, "hull.signature_max_age: 1s is not within 1m and 24h"},
		{func(c *hull.VerifyConfig) { c.SignatureMaxAge = 25 * time.Hour }, "hull.signature_max_age: 25h0m0s"},
	}
	for _, test := range tests {
		cfg := hull.DefaultVerifyConfig()
		test.change(&cfg)
		wantConfigError(t, cfg.Validate(), test.want)
		if _, err := hull.NewVerifier(cfg); (err == nil) != (test.want == "") {
			t.Errorf("NewVerifier: %v", err)
		}
	}
}

func wantConfigError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

// FuzzVerify signs nothing with the key, so nothing may verify.
func FuzzVerify(f *testing.F) {
	claims, _ := json.Marshal(map[string]any{"jti": notificationID, "iat": time.Now().Unix()})
	f.Add(hs256("secret", `{"alg":"RS256"}`, claims))
	f.Add(hs256(hulltest.ProcessKey().PublicPEM(), hs256Header, claims))
	f.Add(hs256("", `{"alg":"none"}`, claims))
	cfg := hull.DefaultVerifyConfig()
	cfg.PublicKeys = []string{hulltest.ProcessKey().PublicPEM()}
	verifier, err := hull.NewVerifier(cfg)
	if err != nil {
		f.Fatal(err)
	}
	good := hulltest.ProcessKey().Headers(notificationID, keyURL, time.Now())
	f.Fuzz(func(t *testing.T, token string) {
		h := good.Clone()
		h.Set(hull.HeaderSignature, token)
		if err := verifier.Verify(context.Background(), h, notificationID); !errors.Is(err, hull.ErrInvalidSignature) &&
			!errors.Is(err, hull.ErrMissingSignatureHeaders) {
			t.Errorf("%q: %v", token, err)
		}
	})
}

// A file may hold several pinned keys, one after the other, and nothing else.
func TestPinnedKeysInOneText(t *testing.T) {
	old, current := hulltest.ProcessKey(), newKey(t)
	cfg := hull.DefaultVerifyConfig()
	cfg.PublicKeys = []string{old.PublicPEM() + current.PublicPEM()}
	v, err := hull.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*hulltest.Key{"first": old, "second": current} {
		if err := v.Verify(t.Context(), key.Headers("n1", "https://acme.hullapp.io/key", time.Now()), "n1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, rest := range []string{"rubbish", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		cfg.PublicKeys = []string{old.PublicPEM() + rest}
		if err := cfg.Validate(); err == nil {
			t.Errorf("a key and %.20q: accepted", rest)
		}
	}
}

func newKey(t *testing.T) *hulltest.Key {
	t.Helper()
	key, err := hulltest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
