package api

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// machine lets in who watches the machine: on the operators' own listener, by a
// direct connection from this machine, and otherwise with a key for all connectors.
func (s *Server) machine(c *gin.Context) {
	if s.cfg.AdminApart || isDirectLoopback(c.Request) {
		return
	}
	who, err := s.keyHolder(c)
	if err == nil {
		err = who.mayAsk(c.Request.Method, "")
	}
	if err != nil {
		s.refuseOperator(c, err)
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
