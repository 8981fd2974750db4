package api_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"hullbeam/api"
)

// BenchmarkOpenStream is a page that connects, opens its stream, is told that nobody is
// cached, and leaves: over real sockets, its own part included.
func BenchmarkOpenStream(b *testing.B) {
	s := start(b, options{noHull: true, config: func(c *api.Config) { c.Limits.StreamsPerAddress, c.Limits.Openings = 0, 0 }})
	addr := strings.TrimPrefix(s.URL, "http://")
	request := fmt.Appendf(nil, "GET %s?token=%s HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nAccept: text/event-stream\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
		api.StreamPath, s.token(claim("anonymous_id", anonymous)), addr, page)
	answer := make([]byte, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		for n := 0; !bytes.Contains(answer[:n], []byte("cache.miss")); {
			more, err := conn.Read(answer[n:])
			if err != nil {
				b.Fatalf("%v after %q", err, answer[:n])
			}
			n += more
		}
		conn.Close()
	}
}
