package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hullbeam/api"
)

// A body is read whole, whatever its length, and whether that was said before.
func TestNotificationBodies(t *testing.T) {
	const most = 1 << 20
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Limits.NotificationBody, c.Limits.NotificationMemory = most, most }})
	for _, length := range []int{400, 64 << 10, 64<<10 + 1, 256 << 10, 256<<10 + 1, most - 1, most} {
		for _, chunked := range []bool{false, true} {
			id := fmt.Sprint(length, chunked)
			body := string(numbered(id, userMessage("u1", plan(id), anonymousIDs(anonymous))))
			body = body[:len(body)-1] + strings.Repeat(" ", length-len(body)) + "}"
			if r := s.post(id, body, chunked); r.StatusCode != 200 {
				t.Errorf("%d bytes, chunked %v: got %d", length, chunked, r.StatusCode)
			}
			s.quiet() // the node follows the user for the streams before
			s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan(id)
		}
	}
	if r := s.post("too long", string(numbered("too long"))+strings.Repeat(" ", most), true); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too long, and not said before: got %d", r.StatusCode)
	}
}

// post posts a notification.
func (s *server) post(id, body string, chunked bool) *http.Response {
	s.t.Helper()
	var from io.Reader = strings.NewReader(body)
	if chunked {
		from = io.MultiReader(from) // whose length nobody knows
	}
	req := must(http.NewRequestWithContext(s.t.Context(), "POST", s.URL+"/smart-notifier", from))
	req.Header = s.key.Headers(id, "https://"+org+"/test/public-key", s.now())
	res := must(http.DefaultTransport.RoundTrip(req))
	res.Body.Close()
	return res
}

// Who says that long bodies come, and sends nothing, keeps nobody out.
func TestC20AnnouncedBodiesTakeNoRoom(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Limits.NotificationMemory = c.Limits.NotificationBody }})
	for range 400 { // 8 GB
		conn := must(net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")))
		defer conn.Close()
		fmt.Fprintf(conn, "POST /smart-notifier HTTP/1.1\r\nHost: beam\r\nContent-Length: %d\r\nExpect: 100-continue\r\n", 20<<20)
		for name, values := range s.key.Headers("x", "https://"+org+"/key", s.now()) {
			fmt.Fprintf(conn, "%s: %s\r\n", name, values[0])
		}
		fmt.Fprint(conn, "\r\n")
		if line := must(bufio.NewReader(conn).ReadString('\n')); !strings.Contains(line, "100") { // the body is being read
			t.Fatalf("got %s", line)
		}
	}
	s.update(userMessage("u1", plan("pro"), anonymousIDs(anonymous)))
	s.listen(s.token(claim("anonymous_id", anonymous))).expectPlan("pro")
}

// A body that is said to be too long is refused before it comes: whoever says so and sends
// nothing would else keep the answer, and the connection, until it should have come.
func TestBodiesSaidToBeTooLongAreNotAwaited(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Limits.ReadTimeout = 5 * time.Minute }})
	for _, path := range []string{
		tokenPath, "/batch?ship=" + ship + "&organization=" + org + "&secret=" + secret,
	} {
		conn := must(net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")))
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: beam\r\nOrigin: %s\r\nContent-Type: text/plain\r\nContent-Length: 10995116277760\r\n\r\n{", path, page)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
			t.Errorf("%s: got %s, close %v", path, response.Status, response.Close)
		}
	}
}
