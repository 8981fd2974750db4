package attack

import (
	"net/url"
	"regexp"
	"strings"
)

// operatorsRoute is what operators may ask of a connector.
type operatorsRoute struct {
	name    string
	request func(c *connector) request
}

// operatorsRoutes are those below a connector's.
var operatorsRoutes = []operatorsRoute{
	{"see its settings", func(c *connector) request { return get(c.route("")) }},
	{"change its settings", func(c *connector) request {
		return put(c.route(""), object{"organization": c.organization, "private_settings": object{"whitelisted_domains": []string{"evil.test"}}})
	}},
	{"delete it", func(c *connector) request { return del(c.route("")) }},
	{"read its audit log", func(c *connector) request { return get(c.route("/audit")) }},
	{"put users into it", func(c *connector) request {
		return post(c.route("/users"), object{"user": object{"id": c.user, "plan": "stolen"}})
	}},
	{"explain its user", func(c *connector) request { return get(c.userRoute("email:" + c.email)) }},
	{"erase its user", func(c *connector) request { return del(c.userRoute("email:" + c.email)) }},
	{"erase its visitor", func(c *connector) request { return del(c.route("/visitors/" + c.visitor)) }},
	{"send its visitors an offer", func(c *connector) request {
		return post(c.route("/offers"), object{"to": object{"all": true}, "data": object{"text": "phish"}})
	}},
	{"list its offers", func(c *connector) request { return get(c.route("/offers")) }},
	{"read its offer", func(c *connector) request { return get(c.route("/offers/" + c.offer)) }},
	{"list its visitors", func(c *connector) request { return get(c.route("/visitors")) }},
	{"search its visitors", func(c *connector) request { return get(c.route("/visitors?q=" + url.QueryEscape(c.email))) }},
	{"see its visitor", func(c *connector) request { return get(c.route("/visitors/" + c.visitor)) }},
	{"read its visitor's timeline", func(c *connector) request { return get(c.route("/visitors/" + c.visitor + "/pages")) }},
	{"count its visitor's pages", func(c *connector) request { return get(c.route("/visitors/" + c.visitor + "/pages/summary")) }},
	{"end its streams", func(c *connector) request { return del(c.route("/streams")) }},
	{"end a person's streams", func(c *connector) request { return del(c.route("/streams?topic=" + url.QueryEscape("email:"+c.email))) }},
	{"watch it live", func(c *connector) request { return get(c.route("/live")) }},
}

func tenants() []Attack {
	var attacks []Attack
	for _, r := range operatorsRoutes {
		attacks = append(attacks, row("its operator tries to "+r.name, func(x *try) {
			x.send(r.request(&x.victim).cookie(x.foe.session).with("Origin", x.URL)).refused(403, "forbidden")
		}))
	}
	for _, r := range operatorsRoutes {
		attacks = append(attacks, withKeys(row("its key tries to "+r.name, func(x *try) {
			x.send(r.request(&x.victim).key(x.keys.write)).refused(403, "forbidden")
			x.send(r.request(&x.victim).key(x.keys.read)).refused(403, "forbidden")
		})))
	}
	for _, r := range operatorsRoutes {
		if r.request(&connector{}).method != "GET" {
			attacks = append(attacks, withKeys(row("at home, its key to read tries to "+r.name, func(x *try) {
				x.send(r.request(&x.foe).key(x.keys.read)).refused(403, "forbidden")
			})))
		}
	}
	return group("another connector", "docs/operators.md#signing-in; design 1.5", append(attacks,
		row("its operator tries all routes that there are", func(x *try) {
			for _, r := range x.describedRoutes() {
				x.send(r.cookie(x.foe.session).with("Origin", x.URL)).refused(403, "forbidden")
			}
		}),
		withKeys(row("its key reads what concerns all", func(x *try) {
			for _, key := range []string{x.keys.read, x.keys.write} {
				x.send(get("/api/v1/audit").key(key)).refused(403, "forbidden")
				x.send(get("/metrics").key(key).with("X-Forwarded-For", "127.0.0.1")).refusedAs(401, 403)
				x.send(get("/debug/pprof/heap").key(key).with("X-Forwarded-For", "127.0.0.1")).refusedAs(401, 403)
				x.send(get("/api/v1/connectors").key(key)).taken(200).lacks(x.victim.id)
			}
		})),
		withKeys(row("its key to write changes its secret", func(x *try) {
			x.send(put(x.foe.route(""), object{"organization": x.foe.organization, "secret": "of my own, and long"}).key(x.keys.write)).refused(403, "forbidden")
		})),
		withKeys(row("its key to read begins a session, and changes something", func(x *try) {
			session := x.signIn(object{"key": x.keys.read})
			x.send(post(x.foe.route("/offers"), object{"to": object{"all": true}, "data": 1}).cookie(session).with("Origin", x.URL)).refused(403, "forbidden")
		})),
		row("its operator reads the audit log of all", func(x *try) { x.send(get("/api/v1/audit").cookie(x.foe.session)).refused(403, "forbidden") }),
		row("its operator lists the connectors and sees one", func(x *try) {
			x.send(get("/api/v1/connectors").cookie(x.foe.session)).taken(200).lacks(x.victim.id)
		}),
		row("its operator gives it another organization", func(x *try) {
			x.send(put(x.foe.route(""), object{"organization": x.victim.organization}).cookie(x.foe.session).with("Origin", x.URL)).refused(403, "forbidden")
		}),
		row("its operator gives it another secret", func(x *try) {
			x.send(put(x.foe.route(""), object{"organization": x.foe.organization, "secret": "of my own"}).cookie(x.foe.session).with("Origin", x.URL)).
				refused(403, "forbidden")
		}),
		row("its operator makes a connector", func(x *try) {
			x.send(put("/api/v1/connectors/attack-"+x.table+"-new", object{}).cookie(x.foe.session).with("Origin", x.URL)).refused(403, "forbidden")
		}),
		row("its operator looks a user up who is the victim's", func(x *try) {
			x.send(get(x.foe.userRoute("email:" + x.victim.email)).cookie(x.foe.session)).taken(200).lacks(x.victim.user).lacks(`"plan":"pro"`)
		}),
		row("its operator erases the user at home, which reaches nobody here", func(x *try) {
			x.mayChange = true
			x.send(del(x.foe.userRoute("email:"+x.victim.email)).cookie(x.foe.session).with("Origin", x.URL)).taken(204)
		}),
		row("its operator looks a visitor up who is the victim's", func(x *try) {
			x.send(get(x.foe.route("/visitors/"+x.victim.visitor)).cookie(x.foe.session)).refused(404, "not_found")
			x.send(get(x.foe.route("/visitors/"+x.victim.visitor+"/pages")).cookie(x.foe.session)).refused(404, "not_found")
		}),
		row("its operator erases a visitor who is the victim's", func(x *try) {
			x.send(del(x.foe.route("/visitors/"+x.victim.visitor)).cookie(x.foe.session).with("Origin", x.URL)).refused(404, "not_found")
		}),
		row("its operator reads an offer of the victim's", func(x *try) {
			x.send(get(x.foe.route("/offers/"+x.victim.offer)).cookie(x.foe.session)).refused(404, "not_found")
		}),
		row("its operator goes out of its path", func(x *try) {
			for _, between := range []string{"/../", "/%2e%2e/", "/..%2f", "//../"} {
				x.raw(lines("GET "+x.foe.route(between)+x.victim.id+" HTTP/1.1", "Host: {host}", "Cookie: "+x.foe.session,
					"Sec-Fetch-Site: same-origin", "Connection: close", "")).refused(400, 403, 404)
			}
		}),
		row("its page clicks on the victim's offer", func(x *try) {
			x.send(post("/api/v1/offers/"+x.victim.offer+"/receipt", object{"token": x.foe.token, "event": "clicked"})).refused(404, "not_found")
		}),
		row("its page looks at the victim's pages", func(x *try) {
			x.send(post("/api/v1/pages", object{"token": x.foe.token, "url": x.victim.page() + "/secret"})).refused(400, "invalid_request")
		}),
		row("its page gets a token of the victim's", func(x *try) {
			x.send(post(x.victim.route("/token"), object{"claims": object{"anonymous_id": x.victim.anonymousID}}).origin(x.foe.page())).
				refused(403, "origin_not_allowed")
		}),
		row("its site signs that a page is the victim's user", func(x *try) {
			var got tokenAnswer
			signed := jwt(hs256, x.saying(nil), hs(x.foe.identitySecret))
			x.send(post(x.foe.route("/token"), object{"identity_token": signed}).origin(x.foe.page())).taken(201).into(&got)
			x.isStranger(got.Token)
		}),
		row("its script under the victim's name", func(x *try) {
			var shown struct {
				Script string `json:"script_url"`
			}
			page := x.open(x.foe.token)
			update := page.next("user.update")
			page.close()
			unmarshal(update.data, &shown)
			x.send(get(strings.Replace(shown.Script, x.foe.id, x.victim.id, 1) + "x")).refused(404)
		}),
		row("its notification names the victim", func(x *try) {
			x.send(post("/batch?"+url.Values{"ship": {x.victim.id}, "organization": {x.foe.organization}, "secret": {x.foe.secret}}.Encode(), object{"url": "https://hullapp.io/x"})).
				refused(403, "INVALID_CREDENTIALS")
		}),
	)...)
}

// withKeys marks attacks with the operators' keys of a server that this package has
// started.
func withKeys(a Attack) Attack {
	a.needs = func(t *Target) string {
		if t.keys == (operatorKeys{}) {
			return "operators' keys are in the server's configuration"
		}
		return ""
	}
	return a
}

var pathLine = regexp.MustCompile(`(?m)^  (/api/v1/connectors/\{[a-z]+\}[^:\s]*):|^    (get|put|post|delete|patch):`)

// describedRoutes are all routes of operators below the victim that /openapi.yaml tells
// of: what comes to be there comes to be tried.
func (x *try) describedRoutes() (routes []request) {
	text := string(x.silently(func() *answer { return x.send(get("/openapi.yaml")).taken(200) }).body)
	path := ""
	for line := range strings.SplitSeq(text, "\n") {
		switch found := pathLine.FindStringSubmatch(line); {
		case found == nil && strings.HasPrefix(line, "  /"):
			path = ""
		case found == nil:
		case found[1] != "":
			path = parameter.ReplaceAllString(strings.Replace(found[1], "{connector}", x.victim.id, 1), "x")
			if strings.HasSuffix(found[1], "/token") || strings.HasSuffix(found[1], "/{script}") { // which are for pages
				path = ""
			}
		case path != "":
			routes = append(routes, request{method: strings.ToUpper(found[2]), path: path})
		}
	}
	if len(routes) < 10 { // else they are not read as they are written
		x.stop("/openapi.yaml tells of %d routes below a connector", len(routes))
	}
	return routes
}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)
