package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// operators holds the hashes of the admin keys.
type operators struct{ hashes [][sha256.Size]byte }

func newOperators(keys []string) operators {
	var o operators
	for _, key := range keys {
		o.hashes = append(o.hashes, sha256.Sum256([]byte(key)))
	}
	return o
}

// find returns the hash of an admin key, and whether key is one. How long it takes tells
// nothing.
func (o operators) find(key string) (hash [sha256.Size]byte, known bool) {
	hash = sha256.Sum256([]byte(key))
	return hash, o.has(hash[:])
}

// has tells whether hash is that of an admin key. How long it takes tells nothing.
func (o operators) has(hash []byte) bool {
	found := 0
	for _, want := range o.hashes {
		found |= subtle.ConstantTimeCompare(hash, want[:])
	}
	return found == 1
}

// machine lets in who watches the machine: on the operators' own listener, by a
// direct connection from this machine, and otherwise with an admin key.
func (s *Server) machine(c *gin.Context) {
	if s.cfg.AdminApart || isDirectLoopback(c.Request) {
		return
	}
	if _, known := s.operators.find(bearer(c)); !known {
		s.refuseOperator(c, newProblem("unauthorized", "Send an admin key: Authorization: Bearer …"))
	}
}

// getProfile answers go tool pprof. The command line is left out: it may hold
// secrets.
func getProfile(c *gin.Context) {
	http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // a profile takes the time that it is asked for
	switch name := strings.TrimPrefix(c.Param("name"), "/"); name {
	case "":
		pprof.Index(c.Writer, c.Request)
	case "profile":
		pprof.Profile(c.Writer, c.Request)
	case "symbol":
		pprof.Symbol(c.Writer, c.Request)
	case "trace":
		pprof.Trace(c.Writer, c.Request)
	default:
		pprof.Handler(name).ServeHTTP(c.Writer, c.Request)
	}
}

// getMetrics answers Prometheus.
func (s *Server) getMetrics(c *gin.Context) {
	promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(c.Writer, c.Request)
}

// bearer is the token of an Authorization header (RFC 6750); "" when there is
// none.
func bearer(c *gin.Context) string {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// isDirectLoopback tells a connection from this machine from one that a proxy
// on this machine forwards.
func isDirectLoopback(r *http.Request) bool {
	for header := range r.Header {
		if strings.HasPrefix(header, "X-Forwarded-") || header == "Forwarded" || header == "X-Real-Ip" || header == "Via" {
			return false
		}
	}
	// A proxy that says nothing still asks for the site's own host.
	return isLoopback(r.RemoteAddr) && isLoopback(r.Host)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
