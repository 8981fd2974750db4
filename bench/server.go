package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// server is what is loaded: one or several nodes, taken in turn.
type server struct {
	nodes     []node
	connector string
	origin    string
	sources   int // loopback addresses that streams come from

	streamPath, publishPath string // of a server that is not Hullbeam; empty: it is
}

type node struct {
	address netip.AddrPort
	host    string // as the Host header says it
	prefix  string // of every path
}

// parseServer reads the addresses of nodes and looks their names up.
func parseServer(ctx context.Context, cfg Config) (*server, error) {
	s := &server{connector: url.PathEscape(cfg.Connector), origin: cfg.Origin, sources: cfg.Addresses,
		streamPath: cfg.StreamPath, publishPath: cfg.PublishPath}
	for _, text := range cfg.URLs {
		n, err := parseNode(ctx, text)
		if err != nil {
			return nil, err
		}
		s.nodes = append(s.nodes, n)
	}
	if len(s.nodes) == 0 {
		return nil, errors.New("no URL to load")
	}
	if s.origin == "" {
		s.origin = "http://" + s.nodes[0].host
	}
	return s, nil
}

func parseNode(ctx context.Context, text string) (node, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return node{}, err
	case u.Scheme == "https":
		return node{}, fmt.Errorf("%s: bench speaks plain http:// alone; give it the address behind the proxy that ends TLS", text)
	case u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "":
		return node{}, fmt.Errorf("%q is not http://host[:port]", text)
	}
	port, err := strconv.ParseUint("0"+u.Port(), 10, 16)
	if err != nil {
		return node{}, fmt.Errorf("%q: %w", text, err)
	}
	if port == 0 {
		port = 80
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return node{}, err
	}
	address := addresses[0].Unmap()
	for _, a := range addresses {
		if a.Unmap().Is4() { // of localhost both: those have more than one address to come from
			address = a.Unmap()
			break
		}
	}
	return node{netip.AddrPortFrom(address, uint16(port)), u.Host, strings.TrimRight(u.EscapedPath(), "/")}, nil
}

func (s *server) node(index int) *node { return &s.nodes[index%len(s.nodes)] }

func (s *server) address(index int) netip.AddrPort { return s.node(index).address }

// source is the address that a stream comes from: of a server on this machine
// one of many, since the ports of one would not do, and since visitors have many.
func (s *server) source(index int) netip.Addr {
	if a := s.address(index).Addr(); !a.Is4() || !a.IsLoopback() {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + index/len(s.nodes)%s.sources)})
}

// tokenRequest asks for the token of a stream.
func (s *server) tokenRequest(index int, anonymousID string) []byte {
	return s.post(index, "/api/v1/connectors/"+s.connector+"/token", "Origin: "+s.origin+"\r\n",
		[]byte(`{"claims":{"anonymous_id":"`+anonymousID+`"}}`))
}

// streamRequest opens a stream.
func (s *server) streamRequest(index int, token, lastEventID string) []byte {
	n := s.node(index)
	b := make([]byte, 0, 256+len(token))
	b = append(b, "GET "...)
	b = append(b, n.prefix...)
	b = append(b, "/api/v1/stream?token="...)
	b = append(b, url.QueryEscape(token)...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, n.host...)
	b = append(b, "\r\nAccept: text/event-stream\r\nOrigin: "...)
	b = append(b, s.origin...)
	if lastEventID != "" {
		b = append(b, "\r\nLast-Event-ID: "...)
		b = append(b, lastEventID...)
	}
	return append(b, "\r\n\r\n"...)
}

// plainRequest opens a stream of a server that is not Hullbeam.
func (s *server) plainRequest(index int, topic string) []byte {
	n := s.node(index)
	return []byte("GET " + n.prefix + strings.ReplaceAll(s.streamPath, "{topic}", topic) + " HTTP/1.1\r\nHost: " + n.host + "\r\nAccept: text/event-stream\r\n\r\n")
}

// post is a request with a body of JSON. Headers are whole lines.
func (s *server) post(index int, path, headers string, body []byte) []byte {
	n := s.node(index)
	b := make([]byte, 0, 256+len(headers)+len(body))
	b = append(b, "POST "...)
	b = append(b, n.prefix...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, n.host...)
	b = append(b, "\r\n"...)
	b = append(b, headers...)
	b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}
