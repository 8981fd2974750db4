package attack

import "strings"

// otherOrigin is an origin that is not the victim's, however much it looks like it. In it
// {page} is the victim's domain.
func otherOrigin(name, origin string) Attack {
	return row(name, func(x *try) {
		from := strings.ReplaceAll(origin, "{page}", x.victim.domain)
		a := x.send(post(x.victim.route("/token"), object{"claims": object{"anonymous_id": x.victim.anonymousID}}).origin(from))
		a.refused(403, "origin_not_allowed")
		if from == "null" {
			a.has("Access-Control-Allow-Origin", "")
		}
	})
}

func origins() []Attack {
	return group("origin", "docs/protocol.md#origins; hull-protocol.md 10.5",
		otherOrigin("somebody else's", "https://evil.test"),
		otherOrigin("null", "null"),
		otherOrigin("the name with more behind it", "https://{page}.evil.test"),
		otherOrigin("the name with more before it", "https://evil{page}"),
		otherOrigin("a name below it", "https://a.{page}"),
		otherOrigin("without TLS", "http://{page}"),
		otherOrigin("as the user of another host", "https://{page}@evil.test"),
		otherOrigin("as the password", "https://a:{page}@evil.test"),
		otherOrigin("as the fragment", "https://evil.test#{page}"),
		otherOrigin("as the query", "https://evil.test?{page}"),
		otherOrigin("as the path", "https://evil.test/{page}"),
		otherOrigin("behind a backslash", `https://evil.test\.{page}`),
		otherOrigin("with a path of its own", "https://{page}/"),
		otherOrigin("in capitals", "HTTPS://{page}"),
		otherOrigin("with a dot behind a port", "https://{page}:443."),
		otherOrigin("with the usual port written out", "https://{page}:443"),
		otherOrigin("with port 0", "https://{page}:0"),
		otherOrigin("with an empty port", "https://{page}:"),
		otherOrigin("with a port beyond all ports", "https://{page}:65979"),
		otherOrigin("with a port of digits that are no ASCII", "https://{page}:٤٤٣"),
		otherOrigin("the port of a row with another", "https://port.{page}:8444"),
		otherOrigin("a row of http over TLS", "https://plain.{page}"),
		otherOrigin("the wildcard's own name", "https://wild.{page}"),
		otherOrigin("a name that ends as the wildcard's", "https://evilwild.{page}"),
		otherOrigin("the wildcard with nothing before it", "https://.wild.{page}"),
		otherOrigin("the wildcard itself", "https://*.wild.{page}"),
		otherOrigin("in wide letters", "https://ｖictim.{page}"),
		otherOrigin("a letter that looks the same", "https://vіctim.{page}"),
		otherOrigin("with a dot that is no ASCII", "https://evil。{page}"),
		otherOrigin("percent-encoded", "https://%76ictim.{page}"),
		otherOrigin("two in one header", "https://{page}, https://evil.test"),
		otherOrigin("two in one header, apart by a space", "https://{page} https://evil.test"),
		otherOrigin("an extension's", "chrome-extension://{page}"),
		otherOrigin("a file's", "file://{page}"),
		otherOrigin("without a scheme", "{page}"),
		otherOrigin("a scheme alone", "https://"),
		otherOrigin("an address of this machine", "http://127.0.0.1"),
		otherOrigin("this machine by a number", "http://2130706433"),
		otherOrigin("eight kilobytes", "https://"+strings.Repeat("a.", 4000)+"{page}"),
		row("none", func(x *try) {
			x.send(post(x.victim.route("/token"), object{"claims": object{"anonymous_id": x.victim.anonymousID}})).refused(403, "origin_not_allowed")
		}),
		row("two headers, a good one first", func(x *try) { x.twoOrigins(x.victim.page(), "https://evil.test") }),
		row("two headers, a good one last", func(x *try) { x.twoOrigins("https://evil.test", x.victim.page()) }),
		row("a good one in Referer alone", func(x *try) {
			x.send(post(x.victim.route("/token"), object{"claims": object{"anonymous_id": x.victim.anonymousID}}).
				with("Referer", x.victim.page()+"/")).refused(403, "origin_not_allowed")
		}),
		row("a page of another site gets no cookies let in", func(x *try) {
			x.send(request{method: "OPTIONS", path: x.victim.route("/token")}.origin("https://evil.test").
				with("Access-Control-Request-Method", "POST").with("Access-Control-Request-Headers", "cookie, x-anything")).
				taken(204).has("Access-Control-Allow-Credentials", "").has("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, Cache-Control")
		}),
		row("a page of another site reads no operators' route", func(x *try) {
			x.send(get("/api/v1/connectors").cookie(x.foe.session).origin("https://evil.test")).refusedAs(200, 403).has("Access-Control-Allow-Origin", "")
			x.send(request{method: "OPTIONS", path: x.victim.route("")}.origin("https://evil.test").with("Access-Control-Request-Method", "DELETE")).
				refusedAs(404, 405).has("Access-Control-Allow-Methods", "")
		}),
		row("a page view of a page of another site", func(x *try) {
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": "https://evil.test/"})).refused(400, "invalid_request")
		}),
		row("a page view of a script", func(x *try) {
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": "javascript:alert(1)"})).refused(400, "invalid_request")
		}),
	)
}

func (x *try) twoOrigins(first, second string) {
	x.send(post(x.victim.route("/token"), object{"claims": object{"anonymous_id": x.victim.anonymousID}}).
		origin(first).origin(second)).refused(403, "origin_not_allowed")
	x.send(get("/api/v1/stream?token="+x.victim.token).origin(first).origin(second)).refused(403, "origin_not_allowed")
	x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": x.victim.page() + "/"}).origin(first).origin(second)).refused(403, "origin_not_allowed")
}
