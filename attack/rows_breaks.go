package attack

import (
	"net/url"
	"strings"
)

// poison is a text that would be a header, or an event, where a line break gets through.
const poison = "a\r\nX-Injected: 1\r\n\r\nevent: forged\ndata: forged\n\n\u2028\x85"

func lineBreaks() []Attack {
	return group("line break", "HTML standard 9.2; docs/protocol.md#on-the-wire",
		row("in the request's id, folded", func(x *try) {
			for _, a := range x.raw(lines("GET /healthz HTTP/1.1", "Host: {host}", "X-Request-Id: a", "\tX-Injected: 1", "Connection: close", "")).answers {
				x.say("%d", a.status)
				if strings.Contains(a.header.Get("X-Request-Id"), "njected") {
					x.fault("it is echoed")
				}
			}
		}),
		row("in the request's id, encoded", func(x *try) {
			a := x.send(get("/healthz").with("X-Request-Id", "a%0d%0aX-Injected:1"))
			if a.taken(200); strings.Contains(a.header.Get("X-Request-Id"), "njected") {
				x.fault("it is echoed")
			}
		}),
		row("in the request's id, other controls", func(x *try) {
			a := x.send(get("/healthz").with("X-Request-Id", "a\tb\u0085c\u2028"))
			if a.taken(200); strings.ContainsAny(a.header.Get("X-Request-Id"), "\t\u0085\u2028") {
				x.fault("it is echoed")
			}
		}),
		row("in the last event's id of the query", func(x *try) {
			s := x.openAt("/api/v1/stream?token=" + x.victim.token + "&last_event_id=" + url.QueryEscape(poison))
			s.wholeUntil("user.update")
		}),
		row("in the last event's id of the header", func(x *try) {
			x.open(x.victim.token, [2]string{"Last-Event-ID", "1-a\t event: forged"}).wholeUntil("user.update")
		}),
		row("in a stream's token", func(x *try) { x.withToken(poison).refused(401, "token_invalid") }),
		row("in a claim", func(x *try) {
			for _, kind := range []string{"id", "external_id", "email", "anonymous_id"} {
				x.claiming(object{"claims": object{kind: "0123456789" + poison}}).refused(400, "invalid_claims")
			}
		}),
		row("in a claim that the site has signed", func(x *try) {
			x.proving(x.mine(x.saying(object{"external_id": poison}))).refused(401, "identity_token_invalid")
		}),
		row("in an anonymous id, as what ends a line elsewhere", func(x *try) {
			x.open(x.tokenOf(object{"anonymous_id": "0123456789abcdef\u2028event forged"})).wholeUntil("cache.miss")
		}),
		row("in a connector's name", func(x *try) {
			for _, name := range []string{"a%0d%0aX-Injected:%201", "a%0aevent:%20forged", "%00", "a%e2%80%a8b"} {
				x.send(post("/api/v1/connectors/"+name+"/token", object{}).origin(x.victim.page())).refused(404, "connector_unknown")
				x.send(put("/api/v1/connectors/"+name, object{}).key(x.AdminKey)).refused(400, "invalid_request")
			}
		}),
		row("in a topic", func(x *try) {
			x.send(get(x.foe.route("/users/id:a%0d%0aX-Injected:%201")).cookie(x.foe.session)).refused(400, "invalid_request")
			x.send(del(x.foe.route("/users/id:a%0a")).cookie(x.foe.session).with("Origin", x.URL)).refused(400, "invalid_request")
		}),
		row("in a page's address and title", func(x *try) {
			token := x.tokenOf(object{"anonymous_id": "breaks-lines-" + x.table})
			var got struct {
				Items []struct{ Title, URL, Referrer string }
			}
			x.send(post("/api/v1/pages", object{"token": token, "url": x.victim.page() + "/" + poison})).refused(400, "invalid_request")
			x.send(post("/api/v1/pages", object{
				"token": token, "url": x.victim.page() + "/%0d%0aX-Injected:%201", "title": poison, "referrer": "https://r.test/" + poison, "tab": "t", "view": "v",
			})).taken(202)
			unmarshal(x.admin(x.victim.route("/visitors/"+x.visitorOf(token)+"/pages")), &got)
			if len(got.Items) == 0 {
				x.fault("the history does not have it at all")
			}
			for _, view := range got.Items {
				if strings.ContainsAny(view.Title+view.URL+view.Referrer, "\r\n\u0085") {
					x.fault("the history has it: %q", view)
				}
			}
		}),
		row("in a view's and a tab's name", func(x *try) {
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": x.victim.page() + "/", "view": poison})).refused(400, "invalid_request")
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "url": x.victim.page() + "/", "tab": poison})).refused(400, "invalid_request")
			x.send(post("/api/v1/pages", object{"token": x.victim.token, "gone": true, "tab": poison})).refused(400, "invalid_request")
		}),
		row("in a visitor's email", func(x *try) {
			x.send(post("/api/v1/visitors/email", object{"token": x.victim.token, "email": "a@b.test\r\nBcc: c@d.test"})).refused(400, "invalid_request")
		}),
		row("in a receipt", func(x *try) {
			x.send(post("/api/v1/offers/"+url.PathEscape(poison)+"/receipt", object{"token": x.victim.token, "event": "seen"})).refusedAs(400, 404)
			x.send(post("/api/v1/offers/"+x.victim.offer+"/receipt", object{"token": x.victim.token, "event": poison})).refused(400, "invalid_request")
		}),
		row("in an offer's name", func(x *try) {
			x.send(post(x.foe.route("/offers"), object{"id": poison, "to": object{"all": true}, "data": 1}).cookie(x.foe.session).with("Origin", x.URL)).
				refused(400, "invalid_request")
		}),
		row("in an offer's data comes as one event", func(x *try) {
			c := x.crowded("offered")
			s := x.open(x.tokenAt(c))
			s.next("room.joined")
			x.send(post(c.route("/offers"), `{"to":{"all":true},"expires_in":"1m","data":{"text":`+jsonOf(poison)+`,"raw":`+"\"\u2028\"\r\n\n"+`}}`).key(x.AdminKey)).taken(202)
			s.wholeUntil("offer")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("in a user's traits and events comes as one event", func(x *try) {
			c := x.crowded("noted")
			s := x.open(x.tokenAt(c))
			s.next("cache.miss", "user.error")
			x.send(post(c.route("/users"), `{"user":{"id":"u","anonymous_ids":["`+c.anonymousID+`"],"note":`+jsonOf(poison)+`,"list":[`+"\r\n\n"+`1]},`+
				`"events":[{"event":`+jsonOf("Bought\r\n\ndata: forged")+`},{"event":"Bought"}]}`).key(x.AdminKey)).taken(202)
			s.wholeUntil("user.update")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("in a user's id comes as one event", func(x *try) {
			c := x.crowded("named")
			s := x.open(x.tokenAt(c))
			s.next("cache.miss", "user.error")
			x.send(post(c.route("/users"), object{"user": object{"id": poison, "anonymous_ids": []string{c.anonymousID}}}).key(x.AdminKey)).taken(202)
			s.wholeUntil("user.update")
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("in what the live view shows comes as one event", func(x *try) {
			c := x.crowded("watched")
			live := x.openAt(c.route("/live"), [2]string{"Authorization", "Bearer " + x.AdminKey})
			live.next("live.ready")
			token := x.tokenAt(c)
			s := x.open(token)
			x.send(post("/api/v1/pages", object{"token": token, "url": c.page() + "/", "title": poison, "referrer": "https://r.test/" + poison})).taken(202)
			live.wholeUntil("visitor.joined")
			s.close()
			x.send(del(c.route("")).key(x.AdminKey)).taken(204)
		}),
		row("in what Hull's page asks for", func(x *try) {
			x.send(get("/admin.html?ship=" + url.QueryEscape(poison) + "&organization=a&secret=b")).refused(403)
		}),
	)
}

// wholeUntil reads a stream until an event of this kind, and asks that nothing came that
// the server does not send: no forged event, and data of one line of JSON.
func (s *stream) wholeUntil(kind string) {
	defer s.close()
	for {
		e := s.next(kind, "forged", "", "message")
		if e.kind == "forged" || e.kind == "" || strings.Contains(e.id, "forged") || !strings.HasPrefix(e.data, "{") || !strings.HasSuffix(e.data, "}") {
			s.x.fault("the stream has an event %q: %.100q", e.kind, e.data)
		}
		if s.x.say("%s", e.kind); e.kind == kind {
			return
		}
	}
}

// crowded makes a connector whose user and visitors the attack may change: it takes it
// away itself.
func (x *try) crowded(name string) *connector {
	c := newConnector(x.table, name)
	x.send(put(c.route(""), object{"private_settings": object{
		"whitelisted_domains": []string{c.domain}, "public_traits": []string{"note", "list"}, "public_events": []string{"Bought", "Bought\r\n\ndata: forged"},
	}}).key(x.AdminKey)).taken(201)
	return &c
}

// visitorOf is the visitor that a token of the victim's was last given for.
func (x *try) visitorOf(token string) string {
	var list struct {
		Items []struct{ Visitor string }
	}
	unmarshal(x.admin(x.victim.route("/visitors")), &list)
	for _, v := range list.Items {
		if v.Visitor != x.victim.visitor {
			return v.Visitor
		}
	}
	x.stop("the visitor is not in the history")
	return ""
}
