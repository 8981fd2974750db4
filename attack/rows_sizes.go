package attack

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"time"
)

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func sizes() []Attack {
	return group("size", "docs/configuration.md#limits; docs/protocol.md",
		row("a body above the limit", func(x *try) {
			x.whole(x.victim.route("/token"), `{"claims":{"anonymous_id":"`+x.victim.anonymousID+`"},"more":"`+strings.Repeat("a", 64<<10)+`"}`).refused(413).ends()
		}),
		row("a body that is said to be ten terabytes", func(x *try) {
			x.raw(lines("POST "+x.victim.route("/token")+" HTTP/1.1", "Host: {host}", "Origin: "+x.victim.page(), "Content-Type: text/plain",
				"Content-Length: 10995116277760", "") + "{").refused(413).ends()
		}),
		row("a notification that is said to be ten terabytes", func(x *try) {
			x.raw(lines("POST /smart-notifier?"+x.victim.credentials()+" HTTP/1.1", "Host: {host}", "X-Amz-Sns-Message-Type: Notification",
				"Content-Length: 10995116277760", "") + "{").refused(413).ends()
		}),
		row("a page view above the limit", func(x *try) {
			x.whole("/api/v1/pages", jsonOf(object{"token": x.victim.token, "url": x.victim.page() + "/" + strings.Repeat("a", 70_000)})).refused(413).ends()
		}),
		row("a page's address above its limit", func(x *try) {
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": x.victim.page() + "/" + strings.Repeat("a", 5000)})).refused(400, "invalid_request")
		}),
		row("a title above its limit", func(x *try) {
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": x.victim.page() + "/", "title": strings.Repeat("a", 1025)})).refused(400, "invalid_request")
		}),
		row("claims nested ten thousand deep", func(x *try) {
			x.claiming(`{"claims":{"x":`+nested(10_000)+`}}`).refused(400, "invalid_claims")
		}),
		row("JSON nested beyond what any reader takes", func(x *try) { x.claiming(nested(30_000)).refused(400, "invalid_claims") }),
		row("a notification nested a hundred thousand deep", func(x *try) {
			x.send(post("/smart-notifier?"+x.victim.credentials(), nested(100_000)).with("X-Amz-Sns-Message-Type", "Notification")).refused(400, "INVALID_JSON")
		}),
		row("an extract's announcement nested a hundred thousand deep", func(x *try) {
			x.send(post("/batch?"+x.victim.credentials(), nested(100_000))).refused(400, "INVALID_JSON")
		}),
		row("a thousand anonymous ids", func(x *try) {
			ids := make([]string, 1000)
			for i := range ids {
				ids[i] = fmt.Sprintf("anonymous-visitor-%04d", i)
			}
			x.claiming(object{"claims": object{"anonymous_id": ids}}).refused(400, "invalid_claims")
		}),
		row("a claim above its limit", func(x *try) {
			x.claiming(object{"claims": object{"anonymous_id": strings.Repeat("a", 257)}}).refused(400, "invalid_claims")
		}),
		row("five thousand members that mean nothing", func(x *try) {
			x.claiming(`{"claims":{`+strings.Repeat(`"x":1,`, 5000)+`"email":"`+x.victim.email+`"}}`).refused(403, "claims_unproven")
		}),
		row("a number with a million digits' worth", func(x *try) {
			x.claiming(`{"claims":{"anonymous_id":1e999999999}}`).refused(400, "invalid_claims")
		}),
		row("a bomb of gzip", func(x *try) {
			x.send(post(x.victim.route("/token"), bomb(32<<20)).origin(x.victim.page()).with("Content-Encoding", "gzip")).refusedAs(400, 413, 415)
		}),
		row("a bomb of gzip at Hull's door", func(x *try) {
			x.send(post("/smart-notifier?"+x.victim.credentials(), bomb(32<<20)).with("X-Amz-Sns-Message-Type", "Notification").with("Content-Encoding", "gzip")).
				refusedAs(400, 413, 415)
		}),
		row("a header of forty kilobytes", func(x *try) {
			x.raw(lines("GET /healthz HTTP/1.1", "Host: {host}", "X-Long: "+strings.Repeat("a", 40<<10), "")).refused(431).ends()
		}),
		row("an address of forty kilobytes", func(x *try) {
			x.raw(lines("GET /"+strings.Repeat("a", 40<<10)+" HTTP/1.1", "Host: {host}", "")).refused(414, 431).ends()
		}),
		row("ten thousand headers", func(x *try) {
			x.raw(lines("GET /healthz HTTP/1.1", "Host: {host}", strings.Repeat("X: y\r\n", 10_000))).refused(431).ends()
		}),
		row("a stream's request with a header of forty kilobytes", func(x *try) {
			x.raw(lines("GET /api/v1/stream?token="+x.victim.token+" HTTP/1.1", "Host: {host}", "X-Long: "+strings.Repeat("a", 40<<10), "")).refused(431).ends()
		}),
		row("a try to sign in of nine kilobytes", func(x *try) {
			x.send(ownSignIn(object{"key": strings.Repeat("a", 9<<10)})).refused(413, "body_too_large")
		}),
		row("an offer above its limit", func(x *try) {
			x.send(post(x.foe.route("/offers"), object{"to": object{"all": true}, "data": strings.Repeat("a", 33<<10)}).cookie(x.foe.session).with("Origin", x.URL)).
				refusedAs(400, 413)
		}),
		row("a page of an offer that takes a reader for ever", func(x *try) {
			x.send(post(x.foe.route("/offers"), object{"to": object{"page": strings.Repeat("/**a", 200)}, "data": 1}).cookie(x.foe.session).with("Origin", x.URL)).
				refused(400, "invalid_request")
		}),
		row("a list of a million", func(x *try) {
			x.send(get(x.foe.route("/visitors?limit=1000000")).cookie(x.foe.session)).refused(400, "invalid_request")
			x.send(get(x.foe.route("/visitors?limit=-1")).cookie(x.foe.session)).refused(400, "invalid_request")
		}),
		row("a cursor that somebody has made", func(x *try) {
			for _, cursor := range []string{"x", "v.zzzzzzzz.1.3", "p.99999999999999999999.1.3", "'%20OR%201=1--", "%00"} {
				x.send(get(x.foe.route("/visitors?cursor="+cursor)).cookie(x.foe.session)).refused(400, "invalid_request")
			}
		}),
		row("more users at once than are taken", func(x *try) {
			x.send(post(x.foe.route("/users"), "["+strings.Repeat("1,", 10_000)+"1]").cookie(x.foe.session).with("Origin", x.URL)).refusedAs(400, 413)
		}),
		row("a connector's name above its limit", func(x *try) {
			x.send(post("/api/v1/connectors/"+strings.Repeat("a", 65)+"/token", object{}).origin(x.victim.page())).refused(404, "connector_unknown")
		}),
		row("a topic above its limit", func(x *try) {
			x.send(del(x.foe.userRoute("id:"+strings.Repeat("a", 4096))).cookie(x.foe.session).with("Origin", x.URL)).refused(400, "invalid_request")
		}),
		row("a file in a hundred thousand parts", func(x *try) {
			a := x.send(get("/ship.js").with("Range", "bytes=0-0"+strings.Repeat(",0-0", 2000))).refusedAs(200, 416)
			if len(a.body) > 1<<20 {
				x.fault("the answer has %d bytes", len(a.body))
			}
		}),
		slowly(row("a body that never comes", func(x *try) {
			x.staysOpen(lines("POST "+x.victim.route("/token")+" HTTP/1.1", "Host: {host}", "Origin: "+x.victim.page(), "Content-Type: text/plain", "Content-Length: 100", ""), "")
		})),
		slowly(row("a body that comes by the byte", func(x *try) {
			x.staysOpen(lines("POST "+x.victim.route("/token")+" HTTP/1.1", "Host: {host}", "Origin: "+x.victim.page(), "Content-Type: text/plain", "Content-Length: 10000", ""), "a")
		})),
		slowly(row("a body in pieces without an end", func(x *try) {
			x.staysOpen(lines("POST "+x.victim.route("/token")+" HTTP/1.1", "Host: {host}", "Origin: "+x.victim.page(), "Content-Type: text/plain", "Transfer-Encoding: chunked", ""), "1\r\na\r\n")
		})),
		slowly(row("a notification that comes by the byte", func(x *try) {
			x.staysOpen(lines("POST /smart-notifier?"+x.victim.credentials()+" HTTP/1.1", "Host: {host}", "X-Amz-Sns-Message-Type: Notification", "Content-Length: 10000", ""), " ")
		})),
		slowly(row("a body that nobody reads", func(x *try) {
			x.staysOpen(lines("POST /nothing/is/here HTTP/1.1", "Host: {host}", "Content-Length: 10000", ""), "a")
		})),
		slowly(row("a head that comes by the byte", func(x *try) { x.staysOpen("GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-Slow: ", "a") })),
		slowly(row("a stream's head that comes by the byte", func(x *try) { x.staysOpen("GET /api/v1/stream?token=", "a") })),
		slowly(row("a connection that says nothing", func(x *try) { x.staysOpen("", "") })),
	)
}

// whole sends all of a body, while the server may answer before it has read that and close
// the connection, of which net/http's client makes an error.
func (x *try) whole(path, body string) *conversation {
	return x.raw(lines("POST "+path+" HTTP/1.1", "Host: {host}", "Origin: "+x.victim.page(), "Content-Type: text/plain",
		fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close", "") + body)
}

// bomb is a body that unpacks to so many bytes.
func bomb(size int) []byte {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	io.CopyN(w, zeros{}, int64(size))
	w.Close()
	return packed.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// staysOpen sends a beginning, and then drips of it four times a second: the server must
// end the connection.
func (x *try) staysOpen(beginning, drip string) {
	conn := x.dial()
	defer conn.Close()
	began := time.Now()
	io.WriteString(conn, strings.ReplaceAll(beginning, "{host}", x.address()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn.SetReadDeadline(began.Add(x.Patience))
		_, err := io.Copy(io.Discard, conn)
		if late, ok := err.(interface{ Timeout() bool }); ok && late.Timeout() {
			x.fault("the connection is open after %v", x.Patience)
		}
	}()
	for ticks := time.NewTicker(250 * time.Millisecond); ; {
		select {
		case <-ended:
			ticks.Stop()
			x.say("closed after %v", time.Since(began).Round(time.Second))
			return
		case <-ticks.C:
			io.WriteString(conn, drip)
		}
	}
}
