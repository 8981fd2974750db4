//go:build unix

package prometheus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

const (
	adminKey     = "an admin key for the tests of Prometheus"
	organization = "acme.hullapp.io"
	connector    = "5c0fa1fbe6e53d5e4b1a2c3d"
	secret       = "known-to-Hull-and-Hullbeam"

	// changed is a connector whose secret is another one in Hull.
	changed = "5c0fa1fbe6e53d5e4b1a2c3e"
)

// installation is what Prometheus looks at, and what that works with.
type installation struct {
	alone       *node // with a store of its own
	left, right *node // with a Redis
	narrow      *node // with 1,024 file descriptors, and few tokens for an address
	secure      *node // with TLS
	redis       *storetest.RedisServer
	hull        *pretend
	certificate string // directory of secure's

	once   sync.Map // names of what a fault has begun
	holder *visit   // at narrow, for its streams
}

func (in *installation) nodes() []*node {
	return []*node{in.alone, in.left, in.right, in.narrow, in.secure}
}

const configuration = `
connectors:
  - id: %s
    organization: %s
    secret: %s
    private_settings: &settings
      whitelisted_domains: [page.test]
      public_traits: [plan, text]
      identity_verification: possession
      track_page_views: true
  - {id: %s, organization: %s, secret: as-it-was-before, private_settings: *settings}
hull: {api_url: %s, public_keys: [%s], lookup_timeout: 1s, negative_ttl: 0s, firehose_max_age: 5s}
stream: {write_timeout: 500ms}
limits: {streams_per_visitor: 0, pages_per_visitor: 0, header_timeout: 1m, tokens_per_address: 0, wrong_keys_per_address: 0}
`

// install starts the nodes.
func install(t *testing.T) *installation {
	t.Helper()
	dir := t.TempDir()
	if err := proctest.Build(dir, "hullbeam"); err != nil {
		t.Fatal(err)
	}
	in := &installation{redis: storetest.Redis(t), hull: startHull(t), certificate: t.TempDir()}
	key := filepath.Join(dir, "hull.pem")
	text := fmt.Sprintf(configuration, connector, organization, secret, changed, organization, in.hull.url, key)
	if err := errors.Join(os.WriteFile(key, []byte(hulltest.ProcessKey().PublicPEM()), 0o600),
		os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	plain := func(name string, env ...string) *node {
		n := &node{name: name, addr: proctest.FreeAddr(t), scheme: "http", dir: dir, client: newClient()}
		n.command = []string{filepath.Join(dir, "hullbeam"), "serve", "--listen", n.addr}
		n.env = append(env, "SECRET=a secret of more than thirty-two characters", "ADMIN_KEY="+adminKey, "PORT=", "HULLBEAM_DATA_DIR="+filepath.Join(dir, name))
		return n
	}
	in.alone = plain("alone")
	in.left, in.right = plain("left", "REDIS_URL="+in.redis.URL()), plain("right", "REDIS_URL="+in.redis.URL())
	in.narrow = plain("narrow", "HULLBEAM_LIMITS_TOKENS_PER_ADDRESS=5")
	in.narrow.command = append([]string{"sh", "-c", `ulimit -n 1024; exec "$@"`, "sh"}, in.narrow.command...)
	in.secure = plain("secure", "HULLBEAM_TLS_CERT_FILE="+filepath.Join(in.certificate, "cert.pem"), "HULLBEAM_TLS_KEY_FILE="+filepath.Join(in.certificate, "key.pem"))
	in.secure.scheme = "https"
	in.secure.env = append(in.secure.env, "HULLBEAM_PUBLIC_URL="+in.secure.url())
	in.certify(t, 365*24*time.Hour)
	for _, n := range in.nodes() {
		n.start(t)
	}
	return in
}

// newClient has a connection for each request, and does not ask who answers.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // certificates of the test's own
}

// certify gives secure a certificate that is good for so long.
func (in *installation) certify(t *testing.T, good time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(good), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	private, kerr := x509.MarshalPKCS8PrivateKey(key)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		err = errors.Join(err, kerr, os.WriteFile(filepath.Join(in.certificate, name), pem.EncodeToMemory(block), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pretend is Hull's API, which can fail.
type pretend struct {
	url  string
	api  *hulltest.Server
	down atomic.Bool // it answers 500
}

func startHull(t *testing.T) *pretend {
	p := &pretend{api: hulltest.NewServer(hulltest.ProcessKey())}
	for _, id := range []string{connector, changed} {
		p.api.PutConnector(hull.Credentials{ConnectorID: id, Organization: organization, Secret: secret}, nil)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// ServeHTTP answers extracts itself: one, /extract/broken, breaks off in its second line.
func (p *pretend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/extract/"):
		io.WriteString(w, `{"id":"extracted","anonymous_ids":["an-extracted-visitor-1"]}`+"\n")
		if r.URL.Path == "/extract/broken" {
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	case p.down.Load():
		w.WriteHeader(http.StatusInternalServerError)
	default:
		p.api.ServeHTTP(w, r)
	}
}
