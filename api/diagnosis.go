package api

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// diagnosis is how a request of an operator has arrived, which cannot be seen from outside,
// and what the node is set to that hullbeam doctor judges it by.
type diagnosis struct {
	Time           string           `json:"time"` // by the node's clock
	Request        diagnosedRequest `json:"request"`
	PublicURL      string           `json:"public_url"`      // as configured
	TrustedProxies int              `json:"trusted_proxies"` // how many entries there are
	Store          diagnosedStore   `json:"store"`
}

// diagnosedRequest is what the node knows of who asks.
type diagnosedRequest struct {
	Peer           string `json:"peer"`         // of the connection, host:port
	PeerTrusted    bool   `json:"peer_trusted"` // it is one of trusted_proxies
	Client         string `json:"client"`       // as limits count it
	Host           string `json:"host"`
	TLS            bool   `json:"tls"`    // the connection has it
	Secure         bool   `json:"secure"` // the request counts as https
	ForwardedFor   string `json:"forwarded_for"`
	ForwardedProto string `json:"forwarded_proto"`
}

type diagnosedStore struct {
	Kind string `json:"kind"` // embedded, redis
}

// getDiagnosis answers an operator of all connectors. What is in it of requests is of their
// own.
func (s *Server) getDiagnosis(c *gin.Context) {
	r := c.Request
	d := diagnosis{
		Time: s.now().UTC().Format(timeFormat), PublicURL: s.cfg.PublicURL, TrustedProxies: len(s.proxies),
		Request: diagnosedRequest{
			Peer: r.RemoteAddr, PeerTrusted: s.proxies.have(peer(c)), Client: s.clientAddress(c), Host: r.Host,
			TLS: r.TLS != nil, Secure: s.isSecure(c),
			ForwardedFor: strings.Join(r.Header.Values("X-Forwarded-For"), ", "), ForwardedProto: r.Header.Get("X-Forwarded-Proto"),
		},
		Store: diagnosedStore{"embedded"},
	}
	if s.cluster != nil {
		d.Store.Kind = "redis"
	}
	c.JSON(http.StatusOK, d)
}
