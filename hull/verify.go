package hull

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The headers of a notification: docs/hull-protocol.md 2.1.
const (
	HeaderFlag             = "X-Hull-Smart-Notifier"
	HeaderSignature        = "X-Hull-Smart-Notifier-Signature"
	HeaderSignatureVersion = "X-Hull-Smart-Notifier-Signature-Version"
	HeaderKeyURL           = "X-Hull-Smart-Notifier-Signature-Public-Key-Url"
)

// SignatureVersion is the only one there is.
const SignatureVersion = "v1"

// keyURLLength bounds what the key store remembers URLs by.
const keyURLLength = 2048

// VerifyConfig says whose notifications are believed.
type VerifyConfig struct {
	// KeyHosts are the domains that may serve the key of a signature: these
	// hosts and those below them. The request names the URL, so this list is
	// what makes a signature mean something. Default hullapp.io and hull.io; a
	// domain has at least two labels.
	KeyHosts []string `mapstructure:"key_hosts"`
	// PublicKeys are RSA keys in PEM (PUBLIC KEY, 2048 to 8192 bits). With any,
	// a signature must be by one of them and no key is ever fetched. Default
	// none.
	PublicKeys []string `mapstructure:"public_keys"`
	// VerifySignatures is whether signatures are checked at all. Default true;
	// false is for development.
	VerifySignatures bool `mapstructure:"verify_signatures"`
	// SignatureMaxAge is how long after its iat a signature is accepted, and a
	// message of Amazon SNS after its Timestamp, 1m to 24h. Default 1h.
	// How long notifications are remembered is ReplayWindow.
	SignatureMaxAge time.Duration `mapstructure:"signature_max_age"`
	// SNSAccounts are the AWS accounts whose topics Hull's legacy notifications may
	// come from, 12 digits each. Default none: of any account, which then cannot make a
	// connector or a new secret known.
	SNSAccounts []string `mapstructure:"sns_accounts"`
	// RequireIAT is whether a signature without iat is refused. Default true;
	// without it such a signature is good until its exp, or for ever.
	RequireIAT bool `mapstructure:"require_iat"`
	// Now is the clock. Default time.Now.
	Now func() time.Time `mapstructure:"-"`
	// Log gets a line when a key cannot be fetched. Default silent.
	Log *slog.Logger `mapstructure:"-"`
	// Transport leads to where requests say that keys are, and subscriptions
	// confirmed. Default one to public addresses alone.
	Transport http.RoundTripper `mapstructure:"-"`
}

// DefaultVerifyConfig returns the settings of a node in production.
func DefaultVerifyConfig() VerifyConfig {
	return VerifyConfig{
		KeyHosts:         []string{"hullapp.io", "hull.io"},
		VerifySignatures: true,
		SignatureMaxAge:  time.Hour,
		RequireIAT:       true,
	}
}

// Validate reports the first setting that is out of range.
func (c VerifyConfig) Validate() error {
	for i, host := range c.KeyHosts {
		if !isHostName(host) || !strings.Contains(host, ".") {
			return fmt.Errorf("hull.key_hosts[%d]: %q is not a domain of two labels or more", i, host)
		}
	}
	for i, text := range c.PublicKeys {
		if _, err := parsePublicKeys([]byte(text)); err != nil {
			return fmt.Errorf("hull.public_keys[%d]: %w", i, err)
		}
	}
	if c.VerifySignatures && len(c.KeyHosts)+len(c.PublicKeys) == 0 {
		return errors.New("hull.key_hosts: must not be empty without hull.public_keys")
	}
	for i, account := range c.SNSAccounts {
		if !awsAccount.MatchString(account) {
			return fmt.Errorf("hull.sns_accounts[%d]: %q is not an AWS account, which has 12 digits", i, account)
		}
	}
	if c.SignatureMaxAge < time.Minute || c.SignatureMaxAge > 24*time.Hour {
		return fmt.Errorf("hull.signature_max_age: %v is not within 1m and 24h", c.SignatureMaxAge)
	}
	return nil
}

// Verifier checks that notifications come from Hull. Its only state is the keys
// it has fetched. It may be used by many goroutines.
type Verifier struct {
	cfg          VerifyConfig
	pinned       []*rsa.PublicKey
	times        *jwt.Validator
	keys         *keyStore[rsa.PublicKey]
	certificates *keyStore[x509.Certificate] // of Amazon SNS
	http         *http.Client
}

// NewVerifier returns a verifier, or the error of cfg.Validate.
func NewVerifier(cfg VerifyConfig) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{cfg: cfg}
	for _, text := range cfg.PublicKeys {
		keys, err := parsePublicKeys([]byte(text))
		if err != nil {
			return nil, err
		}
		v.pinned = append(v.pinned, keys...)
	}
	v.times = jwt.NewValidator(jwt.WithTimeFunc(cfg.Now), jwt.WithLeeway(clockSkew), jwt.WithIssuedAt())
	if cfg.Transport == nil {
		transport := newTransport(true)
		transport.DisableKeepAlives = true // a key is asked for once an hour
		cfg.Transport = transport
	}
	// Hull's own libraries ask for a key with a POST of the JWT.
	v.keys = newKeyStore(cfg.Transport, cfg, http.MethodPost, parsePublicKey)
	v.certificates = newKeyStore(cfg.Transport, cfg, http.MethodGet, parseCertificate)
	v.http = newHTTPClient(cfg.Transport)
	return v, nil
}

// Verifies tells whether signatures are checked at all.
func (v *Verifier) Verifies() bool { return v.cfg.VerifySignatures }

// ReplayWindow is for how long a notification could be sent again by whoever has seen
// it, and is to be remembered: its signature is good that long. One that nothing limits
// is taken to be good for a day.
func (v *Verifier) ReplayWindow() time.Duration {
	if !v.cfg.VerifySignatures || !v.cfg.RequireIAT {
		return 24 * time.Hour
	}
	return v.cfg.SignatureMaxAge + 2*clockSkew // iat may be ahead, too
}

// CheckHeaders checks what can be said before the body is read, in the order of
// docs/hull-protocol.md 3.6. Errors are *NotificationError. When signatures are not
// verified only the flag is asked for.
func (v *Verifier) CheckHeaders(h http.Header) error {
	switch {
	case len(h.Values(HeaderFlag)) == 0:
		return ErrMissingFlagHeader
	case !v.cfg.VerifySignatures:
		return nil
	case h.Get(HeaderSignatureVersion) != SignatureVersion:
		return ErrUnsupportedSignatureVersion
	case h.Get(HeaderSignature) == "" || h.Get(HeaderKeyURL) == "":
		return ErrMissingSignatureHeaders
	case len(v.pinned) == 0 && !trustedURL(h.Get(HeaderKeyURL), keyURLLength, v.cfg.KeyHosts):
		return ErrUntrustedKeyURL
	}
	return nil
}

// Verify checks that the headers hold Hull's signature for a notification id. The
// signature does not cover the body: whoever calls must compare that with what it
// knows of the connector. Verify may fetch a key and then takes up to five
// seconds, less if ctx ends. Errors are *NotificationError.
func (v *Verifier) Verify(ctx context.Context, h http.Header, notificationID string) error {
	if err := v.CheckHeaders(h); err != nil || !v.cfg.VerifySignatures {
		return err
	}
	s, err := parseSignature(h.Get(HeaderSignature))
	if err != nil {
		return invalidSignature(tokenFault(err))
	}
	// What needs no key comes first: nobody makes us fetch one with an old or
	// broken signature.
	if err := v.checkClaims(s.claims, notificationID); err != nil {
		return err
	}
	if len(v.pinned) > 0 {
		return s.verifyPinned(v.pinned)
	}
	return v.verifyFetched(ctx, s, h.Get(HeaderKeyURL))
}

// checkClaims checks whose notification a signature is for, and its times.
func (v *Verifier) checkClaims(claims jwt.MapClaims, notificationID string) error {
	if id, ok := claims["jti"].(string); !ok || id == "" || id != notificationID {
		return invalidSignature("jti is not the notification's id")
	}
	if err := v.times.Validate(claims); err != nil {
		return invalidSignature(tokenFault(err))
	}
	issued, err := claims.GetIssuedAt()
	switch {
	case err != nil:
		return invalidSignature("unreadable iat")
	case issued == nil && v.cfg.RequireIAT:
		return invalidSignature("iat is missing")
	case issued != nil && v.cfg.Now().Sub(issued.Time) > v.cfg.SignatureMaxAge:
		return invalidSignature("too old")
	}
	return nil
}

// verifyFetched verifies with the key at a URL that is trusted. A wrong signature
// may mean that Hull has a new key, so an older one is then fetched once more.
func (v *Verifier) verifyFetched(ctx context.Context, s signature, keyURL string) error {
	var before *rsa.PublicKey
	for _, maxAge := range []time.Duration{keyLife, keyRenewal} {
		key, err := v.keys.key(ctx, keyURL, s.token, maxAge)
		if err != nil {
			return invalidKey(err)
		}
		if key == before {
			break
		}
		if s.verify(key) {
			v.keys.verified(keyURL)
			return nil
		}
		before = key
	}
	return invalidSignature("not by the key of its URL")
}

// invalidKey is what the sender is told; why there is no key it need not know.
func invalidKey(err error) error {
	if errors.Is(err, errKeyUnreachable) {
		return ErrKeyUnreachable
	}
	return ErrInvalidCertificate
}

// signature is the JWT of the signature header: taken apart, not verified.
type signature struct {
	token  string
	signed string // what the signature is of: the first two parts
	sum    []byte
	claims jwt.MapClaims
}

// parseSignature takes a JWT apart, if it has three parts and its header says
// RS256. What else the header says (jwk, jku, x5u) does not matter.
func parseSignature(token string) (signature, error) {
	claims := jwt.MapClaims{}
	parsed, parts, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(token, claims)
	if err != nil {
		return signature{}, err
	}
	if parsed.Method != jwt.SigningMethodRS256 {
		return signature{}, jwt.ErrTokenSignatureInvalid
	}
	return signature{token, parts[0] + "." + parts[1], parsed.Signature, claims}, nil
}

func (s signature) verify(key *rsa.PublicKey) bool {
	return jwt.SigningMethodRS256.Verify(s.signed, s.sum, key) == nil
}

func (s signature) verifyPinned(keys []*rsa.PublicKey) error {
	if slices.ContainsFunc(keys, s.verify) {
		return nil
	}
	return invalidSignature("not by a pinned key")
}

// trustedURL reports whether anything may be fetched from a URL that a request names:
// https, without user and fragment, on the usual port of one of the hosts or of one
// below them.
func trustedURL(raw string, most int, hosts []string) bool {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > most || strings.Contains(raw, "#"):
		return false
	case u.Scheme != "https" || u.User != nil:
		return false
	}
	host := strings.TrimSuffix(u.Host, ":443")
	return HostUnder(host, hosts)
}

func invalidSignature(why string) error {
	return ErrInvalidSignature.Because("Invalid signature: " + why)
}
