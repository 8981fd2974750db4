package attack

import (
	"net/url"
	"strings"
)

// withToken asks for a stream.
func (x *try) withToken(token string) *answer {
	return x.send(get("/api/v1/stream?token=" + url.QueryEscape(token)))
}

// notAToken is a text that opens no stream and sends nothing.
func notAToken(name string, token func(*try) string) Attack {
	return row(name, func(x *try) {
		x.withToken(token(x)).refused(401, "token_invalid")
		if !strings.ContainsAny(token(x), "\n\x00") { // which no header can have
			x.send(get("/api/v1/stream").key(token(x))).refused(401, "token_invalid")
		}
		x.send(post("/api/v1/pages", object{"token": token(x), "url": x.victim.page() + "/forged"})).refused(401, "token_invalid")
		x.send(post("/api/v1/visitors/email", object{"token": token(x), "email": "forged@example.com"})).refused(401, "token_invalid")
		x.send(post("/api/v1/offers/"+x.victim.offer+"/receipt", object{"token": token(x), "event": "clicked"})).refused(401, "token_invalid")
	})
}

func streamTokens() []Attack {
	return group("stream token", "docs/protocol.md#stream; design 1.2, 2.5",
		notAToken("none", func(*try) string { return "" }),
		notAToken("guessed", func(x *try) string { return strings.Repeat("A", len(x.victim.token)) }),
		notAToken("cut by a character", func(x *try) string { return x.victim.token[:len(x.victim.token)-1] }),
		notAToken("cut in half", func(x *try) string { return x.victim.token[:len(x.victim.token)/2] }),
		notAToken("a character more", func(x *try) string { return x.victim.token + "A" }),
		notAToken("a bit of the nonce turned", func(x *try) string { return turned(x.victim.token, 3) }),
		notAToken("a bit of the grant turned", func(x *try) string { return turned(x.victim.token, len(x.victim.token)/2) }),
		notAToken("a bit of the seal turned", func(x *try) string { return turned(x.victim.token, -4) }),
		notAToken("padded", func(x *try) string { return x.victim.token + "==" }),
		notAToken("of the other base64", func(x *try) string { return "+/" + strings.NewReplacer("-", "+", "_", "/").Replace(x.victim.token)[2:] }),
		notAToken("with a line break", func(x *try) string { return x.victim.token[:20] + "\n" + x.victim.token[20:] }),
		notAToken("with a NUL", func(x *try) string { return x.victim.token + "\x00" }),
		notAToken("two in one", func(x *try) string { return x.victim.token + x.foe.token }),
		notAToken("half of one and half of another", func(x *try) string {
			return x.victim.token[:len(x.victim.token)/2] + x.foe.token[len(x.foe.token)/2:]
		}),
		notAToken("longer than any is", func(*try) string { return strings.Repeat("A", 8<<10) }),
		notAToken("a visitor key", func(x *try) string { return x.victim.visitorKey }),
		notAToken("a session's cookie", func(x *try) string { return cookieValue(x.foe.session) }),
		notAToken("a one-time code", func(x *try) string { return x.oneTimeCode(&x.foe) }),
		notAToken("what reads Hull's page again", func(x *try) string { return x.checkToken(&x.foe) }),
		notAToken("an identity token", func(x *try) string { return x.mine(x.saying(nil)) }),
		notAToken("an admin key's hash", func(x *try) string { return hashOf(x.AdminKey, "") }),
		row("from another origin", func(x *try) { x.replayedFrom("https://evil.test") }),
		row("from another origin that the connector allows", func(x *try) { x.replayedFrom("https://a.wild." + x.victim.domain) }),
		row("from the same name without TLS", func(x *try) { x.replayedFrom("http://" + x.victim.domain) }),
		row("from a sandboxed frame", func(x *try) { x.replayedFrom("null") }),
		row("from another connector's page", func(x *try) { x.replayedFrom(x.foe.page()) }),
		row("in a cookie", func(x *try) {
			x.send(get("/api/v1/stream").with("Cookie", "token="+x.victim.token)).refused(401, "token_invalid")
		}),
		row("in a basic authorization", func(x *try) {
			x.send(get("/api/v1/stream").with("Authorization", "Basic "+x.victim.token)).refused(401, "token_invalid")
		}),
		row("behind another one", func(x *try) {
			x.send(get("/api/v1/stream?token=guessed&token="+x.victim.token)).refused(401, "token_invalid")
		}),
		row("for an operator's route", func(x *try) { x.send(get(x.victim.route("")).key(x.victim.token)).refused(401, "unauthorized") }),
		row("as a session", func(x *try) {
			x.send(get(x.victim.route("")).cookie("hullbeam_session="+x.victim.token)).refused(401, "unauthorized")
		}),
		row("to read Hull's page again", func(x *try) { x.send(get("/install/check").key(x.victim.token)).refused(401, "token_invalid") }),
		row("as Hull's credentials", func(x *try) { x.send(get("/status?token=" + x.victim.token)).refused(403) }),
		row("as a visitor key makes a new visitor", func(x *try) { x.isNewVisitor(x.victim.token, x.victim.page(), &x.victim) }),
		row("another connector's visitor key makes a new visitor", func(x *try) { x.isNewVisitor(x.victim.visitorKey, x.foe.page(), &x.foe) }),
		row("another origin's visitor key makes a new visitor", func(x *try) {
			x.isNewVisitor(x.victim.visitorKey, "https://a.wild."+x.victim.domain, &x.victim)
		}),
		row("a visitor's name is no key", func(x *try) { x.isNewVisitor(x.victim.visitor, x.victim.page(), &x.victim) }),
		row("of a connector that was deleted", func(x *try) {
			c := x.temporary("deleted")
			token := x.tokenAt(c)
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
			x.withToken(token).refused(401, "token_invalid")
		}),
		row("of which the streams were ended", func(x *try) {
			c := x.temporary("revoked")
			token := x.tokenAt(c)
			s := x.open(token)
			s.next("room.joined")
			x.send(del(c.route("/streams?topic=" + url.QueryEscape("anonymous_id:"+c.anonymousID))).key(x.AdminKey)).taken(204)
			if e := s.next("close"); !strings.Contains(e.data, "revoked") {
				x.fault("the stream ends with %s", e.data)
			}
			x.withToken(token).refused(401, "token_invalid")
			x.send(post("/api/v1/pages", object{"token": token, "url": c.page() + "/"})).refused(401, "token_invalid")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("of who was erased", func(x *try) {
			c := x.temporary("erased")
			token := x.tokenAt(c)
			x.send(del(c.userRoute("anonymous_id:" + c.anonymousID)).key(x.AdminKey)).taken(204)
			x.withToken(token).refused(401, "token_invalid")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("of an origin that is not allowed any more", func(x *try) {
			c := x.temporary("narrowed")
			token := x.tokenAt(c)
			x.send(put(c.route(""), object{"private_settings": object{"whitelisted_domains": []string{"other.test"}}}).key(x.AdminKey)).taken(200)
			x.withToken(token).refused(403, "origin_not_allowed")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("of possession, where everything is to be signed now", func(x *try) {
			c := x.temporary("stricter")
			token := x.tokenAt(c)
			x.send(put(c.route(""), object{"private_settings": object{
				"whitelisted_domains": []string{c.domain}, "identity_verification": "signed",
			}}).key(x.AdminKey)).taken(200)
			x.withToken(token).refused(401, "token_invalid")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
	)
}

func (x *try) replayedFrom(origin string) {
	for _, r := range []request{
		get("/api/v1/stream?token=" + x.victim.token),
		get("/api/v1/stream").key(x.victim.token),
		post("/api/v1/pages", object{"token": x.victim.token, "url": x.victim.page() + "/forged"}),
		post("/api/v1/visitors/email", object{"token": x.victim.token, "email": "forged@example.com"}),
		post("/api/v1/offers/"+x.victim.offer+"/receipt", object{"token": x.victim.token, "event": "clicked"}),
	} {
		x.send(r.origin(origin)).refused(403, "origin_not_allowed")
	}
}

// isNewVisitor asks for a token with a visitor key that must not count.
func (x *try) isNewVisitor(key, origin string, c *connector) {
	var got tokenAnswer
	x.send(post(c.route("/token"), object{
		"claims": object{"anonymous_id": "whose-visitor-key-is-it"}, "visitor_key": key,
	}).origin(origin)).taken(201).into(&got)
	if got.Visitor == x.victim.visitor || got.VisitorKey == key {
		x.fault("the visitor is the victim's")
	}
}

// temporary makes a connector that the attack takes away itself.
func (x *try) temporary(name string) *connector {
	c := newConnector(x.table, name)
	x.send(put(c.route(""), object{"private_settings": object{"whitelisted_domains": []string{c.domain}}}).key(x.AdminKey)).taken(201)
	return &c
}

func (x *try) tokenAt(c *connector) string {
	var got tokenAnswer
	x.send(post(c.route("/token"), object{"claims": object{"anonymous_id": c.anonymousID}}).origin(c.page())).taken(201).into(&got)
	return got.Token
}

func cookieValue(cookie string) string {
	_, value, _ := strings.Cut(cookie, "=")
	return value
}

// credentials are a connector's, as Hull puts them into a query.
func (c *connector) credentials() string {
	return url.Values{"ship": {c.id}, "organization": {c.organization}, "secret": {c.secret}}.Encode()
}

// checkToken is what Hull's page has to look again how a connector is doing.
func (x *try) checkToken(c *connector) string {
	page := string(x.silently(func() *answer { return x.send(get("/admin.html?" + c.credentials())).taken(200) }).body)
	_, rest, found := strings.Cut(page, `data-token="`)
	token, _, _ := strings.Cut(rest, `"`)
	if !found {
		x.stop("Hull's page has no token")
	}
	return token
}

// oneTimeCode is one that begins a session for a connector.
func (x *try) oneTimeCode(c *connector) string {
	var got struct{ URL string }
	x.silently(func() *answer { return x.send(post("/install/code", "").key(x.checkToken(c))).taken(201) }).into(&got)
	_, code, _ := strings.Cut(got.URL, "#code=")
	return code
}
