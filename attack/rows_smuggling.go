package attack

import "strings"

// smuggled is a request that hides in another's body.
const smuggled = "GET /api/v1/audit HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// head is a token request with other lines in its head.
func (x *try) head(more ...string) string {
	return lines(append([]string{"POST " + x.victim.route("/token") + " HTTP/1.1", "Host: {host}", "Origin: " + x.victim.page(), "Content-Type: text/plain"}, append(more, "")...)...)
}

// malformed is a request that is answered 400, once, and ends the connection.
func malformed(name string, text func(*try) string) Attack {
	return row(name, func(x *try) { x.raw(text(x)).refused(400, 501, 505).ends() })
}

func smuggling() []Attack {
	return group("smuggling", "RFC 9112 6.1, 6.3, 11.2",
		malformed("two lengths", func(x *try) string { return x.head("Content-Length: 0", "Content-Length: 90") + smuggled }),
		malformed("two lengths in one line", func(x *try) string { return x.head("Content-Length: 0, 90") + smuggled }),
		malformed("a length with a sign", func(x *try) string { return x.head("Content-Length: +0") + smuggled }),
		malformed("a negative length", func(x *try) string { return x.head("Content-Length: -1") + smuggled }),
		malformed("a length in hexadecimal", func(x *try) string { return x.head("Content-Length: 0x0") + smuggled }),
		malformed("a length beyond all numbers", func(x *try) string { return x.head("Content-Length: 18446744073709551616") + smuggled }),
		malformed("an encoding that there is not", func(x *try) string { return x.head("Transfer-Encoding: xchunked") + smuggled }),
		malformed("an encoding twice", func(x *try) string {
			return x.head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + smuggled
		}),
		malformed("an encoding and another", func(x *try) string { return x.head("Transfer-Encoding: chunked, identity") + "0\r\n\r\n" + smuggled }),
		malformed("an encoding behind a tab of another kind", func(x *try) string { return x.head("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n" + smuggled }),
		malformed("a space before the colon", func(x *try) string { return x.head("Transfer-Encoding : chunked", "Content-Length: 0") + smuggled }),
		malformed("a name with a space", func(x *try) string { return x.head("Content Length: 0") + smuggled }),
		malformed("a name with a NUL", func(x *try) string { return x.head("X\x00: a") + smuggled }),
		malformed("a value with a NUL", func(x *try) string { return x.head("X-Any: a\x00b") + smuggled }),
		malformed("a value with a bare CR", func(x *try) string { return x.head("X-Any: a\rContent-Length: 5") + smuggled }),
		malformed("a line without a colon", func(x *try) string { return x.head("nonsense") + smuggled }),
		malformed("a first line that is folded", func(*try) string { return "GET /healthz HTTP/1.1\r\n Host: {host}\r\n\r\n" }),
		malformed("no host", func(*try) string { return "GET /healthz HTTP/1.1\r\n\r\n" }),
		malformed("two hosts", func(*try) string { return "GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: evil.test\r\n\r\n" }),
		malformed("two hosts of a stream", func(x *try) string {
			return "GET /api/v1/stream?token=" + x.victim.token + " HTTP/1.1\r\nHost: {host}\r\nhost: evil.test\r\n\r\n"
		}),
		malformed("a host that is none", func(*try) string { return "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n" }),
		malformed("a host that is none, of a stream", func(x *try) string {
			return "GET /api/v1/stream?token=" + x.victim.token + " HTTP/1.1\r\nHost: a/b\\c<>\r\n\r\n"
		}),
		malformed("HTTP 0.9", func(*try) string { return "GET /healthz\r\n\r\n" }),
		malformed("a version that there is not", func(*try) string { return "GET /healthz HTTP/9.9\r\nHost: {host}\r\n\r\n" }),
		malformed("a version of a stream that there is not", func(x *try) string {
			return "GET /api/v1/stream?token=" + x.victim.token + " HTTP/1.2 HTTP/1.1\r\nHost: {host}\r\n\r\n"
		}),
		malformed("a request line with a space too many", func(*try) string { return "GET /healthz /admin/ HTTP/1.1\r\nHost: {host}\r\n\r\n" }),
		malformed("a method that is none", func(*try) string { return "G(ET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n" }),
		malformed("a handshake of TLS", func(*try) string { return "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n" }),
		row("a length beside an encoding: what hides behind it gets no more than by itself", func(x *try) {
			c := x.raw(x.head("Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\n" + smuggled)
			if c.only(400, 401); len(c.answers) > 2 {
				x.fault("there are %d answers", len(c.answers))
			}
		}),
		row("an encoding of HTTP/1.0 is no encoding", func(x *try) {
			text := strings.Replace(x.head("Transfer-Encoding: chunked"), "HTTP/1.1", "HTTP/1.0", 1)
			x.raw(text+"0\r\n\r\n"+smuggled).refused(400, 501).ends()
		}),
		row("an encoding whose line is folded", func(x *try) {
			c := x.raw(x.head("Transfer-Encoding:", " chunked", "Content-Length: 0") + "0\r\n\r\n" + smuggled)
			if c.only(400, 401); len(c.answers) > 2 {
				x.fault("there are %d answers", len(c.answers))
			}
		}),
		row("a piece whose length is beyond all numbers", func(x *try) {
			x.raw(x.head("Transfer-Encoding: chunked") + "fffffffffffffffff\r\na\r\n0\r\n\r\n" + smuggled).refused(400)
		}),
		row("a piece that is longer than it says", func(x *try) {
			x.raw(x.head("Transfer-Encoding: chunked") + "1\r\nabc\r\n0\r\n\r\n" + smuggled).refused(400)
		}),
		row("a piece with a signed length", func(x *try) {
			x.raw(x.head("Transfer-Encoding: chunked") + "-1\r\na\r\n0\r\n\r\n" + smuggled).refused(400)
		}),
		row("a key behind the body, as a trailer", func(x *try) {
			x.raw(lines("GET /api/v1/audit HTTP/1.1", "Host: {host}", "Transfer-Encoding: chunked", "Trailer: Authorization", "Connection: close", "")+
				"0\r\nAuthorization: Bearer "+x.AdminKey+"\r\n\r\n").refused(400, 401).ends()
		}),
		row("an origin whose line is folded", func(x *try) {
			x.raw(lines("POST "+x.victim.route("/token")+" HTTP/1.1", "Host: {host}", "Origin: "+x.victim.page(), " .evil.test", "Content-Type: text/plain",
				"Content-Length: 2", "Connection: close", "")+"{}").refused(400, 403).ends()
		}),
		row("the change of a connection to HTTP/2", func(x *try) {
			c := x.raw(lines("GET /api/v1/audit HTTP/1.1", "Host: {host}", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", ""))
			c.refused(401)
		}),
		row("the change of a connection to a socket of another kind", func(x *try) {
			x.raw(lines("GET /api/v1/stream?token=guessed HTTP/1.1", "Host: {host}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
				"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "")).refused(401)
		}),
		row("a whole address in place of a path", func(x *try) {
			x.raw(lines("GET http://evil.test/api/v1/audit HTTP/1.1", "Host: {host}", "Connection: close", "")).refused(401, 403).ends()
			x.raw(lines("GET http://"+x.Bait.url("", "127.0.0.1")[3:]+" HTTP/1.1", "Host: {host}", "Connection: close", "")).refused(404).ends()
		}),
		row("asking for a proxy", func(x *try) {
			x.raw(lines("CONNECT 127.0.0.1:"+x.Bait.port+" HTTP/1.1", "Host: {host}", "Connection: close", "")).refused(400, 404, 405).ends()
		}),
		row("asking for an echo", func(x *try) {
			c := x.raw(lines("TRACE / HTTP/1.1", "Host: {host}", "Cookie: "+x.foe.session, "Connection: close", "")).refused(404, 405).ends()
			for _, a := range c.answers {
				a.lacks(x.foe.session)
			}
		}),
		row("a method in small letters", func(x *try) {
			x.raw(lines("get /api/v1/audit HTTP/1.1", "Host: {host}", "Connection: close", "")).refused(404, 405).ends()
			x.raw(lines("Delete "+x.victim.route("")+" HTTP/1.1", "Host: {host}", "Authorization: Bearer "+x.AdminKey, "Connection: close", "")).refused(404, 405).ends()
		}),
		row("a request behind a stream's", func(x *try) {
			x.raw(lines("GET /api/v1/stream?token=guessed HTTP/1.1", "Host: {host}", "") + smuggled).only(401)
		}),
		row("a stream with a body in which a request hides", func(x *try) {
			c := x.raw(lines("GET /api/v1/stream?token=guessed HTTP/1.1", "Host: {host}", "Content-Length: 5", "") + "GET /" + "")
			c.refused(400, 401)
		}),
		row("lines that end in LF alone", func(x *try) {
			x.raw("GET /api/v1/audit HTTP/1.1\nHost: {host}\nConnection: close\n\n").refused(400, 401).ends()
			x.raw("GET /api/v1/stream?token=guessed HTTP/1.1\nHost: {host}\nConnection: close\n\n").refused(400, 401).ends()
		}),
	)
}
