package attack

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// notLetIn is a request for an operators' route by who is none.
func notLetIn(name string, status int, code string, show func(*try, request) request) Attack {
	return row(name, func(x *try) {
		for _, r := range []request{
			get(x.victim.route("")), del(x.victim.route("")), get("/api/v1/connectors"), get("/api/v1/audit"), get(x.victim.route("/live")),
			post(x.victim.route("/offers"), object{"to": object{"all": true}, "data": object{}}),
		} {
			x.send(show(x, r)).refused(status, code)
		}
	})
}

// noSession is a request to sign in that gives no session.
func noSession(name string, status int, code string, asked func(*try) request) Attack {
	return row(name, func(x *try) {
		x.send(asked(x)).refused(status, code).has("Set-Cookie", "")
	})
}

func ownSignIn(shown any) request {
	return post("/api/v1/session", shown).with("Sec-Fetch-Site", "same-origin")
}

func operators() []Attack {
	const none = "unauthorized"
	return group("operator", "docs/operators.md#signing-in, #sessions; design 1.5",
		notLetIn("without a key", 401, none, func(_ *try, r request) request { return r }),
		notLetIn("with a wrong key", 401, none, func(_ *try, r request) request { return r.key("an admin key that is guessed") }),
		notLetIn("with an empty key", 401, none, func(_ *try, r request) request { return r.key("") }),
		notLetIn("with all of the key but its end", 401, none, func(x *try, r request) request { return r.key(x.AdminKey[:len(x.AdminKey)-1]) }),
		notLetIn("with the key and more", 401, none, func(x *try, r request) request { return r.key(x.AdminKey + "a") }),
		notLetIn("with the key in other letters", 401, none, func(x *try, r request) request { return r.key(otherCase(x.AdminKey)) }),
		notLetIn("with the key's hash", 401, none, func(x *try, r request) request { return r.key(hashOf(x.AdminKey, "")) }),
		notLetIn("with the key in the query", 401, none, func(x *try, r request) request {
			separator := "?"
			r.path += separator + "key=" + strings.ReplaceAll(x.AdminKey, " ", "+") + "&access_token=" + strings.ReplaceAll(x.AdminKey, " ", "+")
			return r
		}),
		notLetIn("with the key in other headers", 401, none, func(x *try, r request) request {
			return r.with("X-Api-Key", x.AdminKey).with("X-Admin-Key", x.AdminKey).with("Proxy-Authorization", "Bearer "+x.AdminKey)
		}),
		notLetIn("with the key as a password", 401, none, func(x *try, r request) request {
			return r.with("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+x.AdminKey)))
		}),
		notLetIn("with the key as a cookie", 401, none, func(x *try, r request) request {
			return r.cookie("hullbeam_session=" + strings.ReplaceAll(x.AdminKey, " ", "_"))
		}),
		notLetIn("with a wrong key before the right one", 401, none, func(x *try, r request) request { return r.key("wrong").key(x.AdminKey) }),
		notLetIn("with a wrong key beside a session", 401, none, func(x *try, r request) request { return r.key("wrong").cookie(x.foe.session) }),
		notLetIn("with a connector's secret", 401, none, func(x *try, r request) request { return r.key(x.victim.secret) }),
		notLetIn("with a cookie of its own making", 401, none, func(x *try, r request) request {
			return r.cookie("hullbeam_session=" + base64.RawURLEncoding.EncodeToString([]byte(`{"i":"1","s":{"k":"AA"},"e":"2999-01-01T00:00:00Z"}`)))
		}),
		notLetIn("with a cookie of which a bit is turned", 401, none, func(x *try, r request) request { return r.cookie(turned(x.foe.session, -9)) }),
		notLetIn("with a one-time code as a cookie", 401, none, func(x *try, r request) request {
			return r.cookie("hullbeam_session=" + x.oneTimeCode(&x.foe))
		}),
		row("a change by a form of another site, with the cookie", func(x *try) {
			for _, site := range []string{"cross-site", "same-site", "none"} {
				x.send(post(x.foe.route("/offers"), `{"to":{"all":true},"data":{}}`).with("Content-Type", "text/plain").
					with("Cookie", x.foe.session).with("Sec-Fetch-Site", site)).refused(403, "forbidden")
			}
		}),
		row("a change by a page of another site in an old browser", func(x *try) {
			for _, origin := range []string{"https://evil.test", "null", x.URL + ".evil.test", x.URL + "0"} {
				x.send(post(x.foe.route("/offers"), object{"to": object{"all": true}, "data": object{}}).with("Cookie", x.foe.session).origin(origin)).
					refused(403, "forbidden")
			}
		}),
		row("a change with the cookie that does not say where it is from", func(x *try) {
			x.send(del(x.foe.route("")).with("Cookie", x.foe.session)).refused(403, "forbidden")
		}),
		row("a look with the cookie by a page of another site", func(x *try) {
			x.send(get(x.foe.route("/visitors")).with("Cookie", x.foe.session).with("Sec-Fetch-Site", "cross-site")).refused(403, "forbidden")
			x.send(get(x.foe.route("/live")).with("Cookie", x.foe.session).with("Sec-Fetch-Site", "same-site")).refused(403, "forbidden")
		}),
		row("a POST that says it is a DELETE", func(x *try) {
			x.send(post(x.victim.route(""), "").key(x.AdminKey).with("X-HTTP-Method-Override", "DELETE").with("X-Method-Override", "DELETE")).
				refused(405, "method_not_allowed")
			x.send(get(x.victim.route("?_method=DELETE")).key(x.AdminKey)).taken(200)
		}),
		noSession("signs in with a wrong key", 401, none, func(*try) request { return ownSignIn(object{"key": "an admin key that is guessed"}) }),
		noSession("signs in with another connector's secret", 401, none, func(x *try) request {
			return ownSignIn(object{"ship": x.victim.id, "organization": x.victim.organization, "secret": x.foe.secret})
		}),
		noSession("signs in with an empty secret", 401, none, func(x *try) request {
			return ownSignIn(object{"ship": x.victim.id, "organization": x.victim.organization, "secret": ""})
		}),
		noSession("signs in with a list of secrets", 400, "invalid_request", func(x *try) request {
			return ownSignIn(object{"ship": x.victim.id, "organization": x.victim.organization, "secret": []string{x.foe.secret}})
		}),
		noSession("signs in with two things at once", 400, "invalid_request", func(x *try) request {
			return ownSignIn(object{"key": x.AdminKey, "ship": x.victim.id})
		}),
		noSession("signs in by a form of another site", 415, "unsupported_media_type", func(x *try) request {
			return ownSignIn(object{"key": x.AdminKey}).with("Content-Type", "text/plain")
		}),
		noSession("has another site's page sign in", 403, "forbidden", func(x *try) request {
			return post("/api/v1/session", object{"key": x.AdminKey}).with("Sec-Fetch-Site", "cross-site")
		}),
		noSession("signs in where others on the way can read it", 403, "forbidden", func(x *try) request {
			return ownSignIn(object{"key": x.AdminKey}).with("Host", "beam.example.com")
		}),
		noSession("signs in with a stream token as a code", 401, none, func(x *try) request { return ownSignIn(object{"code": x.victim.token}) }),
		noSession("signs in with a session as a code", 401, none, func(x *try) request { return ownSignIn(object{"code": cookieValue(x.foe.session)}) }),
		noSession("signs in with what reads Hull's page again", 401, none, func(x *try) request { return ownSignIn(object{"code": x.checkToken(&x.foe)}) }),
		row("a one-time code twice", func(x *try) {
			code := x.oneTimeCode(&x.foe)
			x.signIn(object{"code": code})
			x.send(ownSignIn(object{"code": code})).refused(401, none).has("Set-Cookie", "")
		}),
		row("a session that was fixed before", func(x *try) {
			r := ownSignIn(object{"ship": x.foe.id, "organization": x.foe.organization, "secret": x.foe.secret}).with("Cookie", "hullbeam_session=fixed")
			if got := cookieOf(x.send(r).taken(201)); strings.Contains(got, "fixed") || got == x.foe.session {
				x.fault("the session is one that somebody else knows")
			}
			x.send(get(x.foe.route("")).cookie("hullbeam_session=fixed")).refused(401, none)
		}),
		row("a session's cookie that scripts and other sites could have", func(x *try) {
			r := ownSignIn(object{"ship": x.foe.id, "organization": x.foe.organization, "secret": x.foe.secret})
			cookie := x.send(r).taken(201).header.Get("Set-Cookie")
			if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
				x.fault("the cookie lacks HttpOnly or SameSite=Strict")
			}
		}),
		row("a session after it was signed out", func(x *try) {
			session := x.signIn(object{"ship": x.foe.id, "organization": x.foe.organization, "secret": x.foe.secret})
			x.send(del("/api/v1/session").cookie(session).with("Origin", x.URL)).taken(204)
			x.send(get(x.foe.route("")).cookie(session)).refused(401, none)
		}),
		row("another site signs an operator out", func(x *try) {
			x.send(del("/api/v1/session").with("Cookie", x.foe.session).with("Sec-Fetch-Site", "cross-site")).refused(403, "forbidden")
			x.send(get("/api/v1/session").cookie(x.foe.session)).taken(200)
		}),
		row("a frame around the operators' pages", func(x *try) {
			policy := x.send(get("/admin/")).taken(200).header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "frame-ancestors 'none'") {
				x.fault("the policy is %q", policy)
			}
		}),
		row("the profiles and metrics through a proxy", func(x *try) {
			for _, path := range []string{"/metrics", "/debug/pprof/heap", "/debug/pprof/", "/debug/pprof/profile?seconds=1"} {
				for _, header := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via", "X-Forwarded-Host"} {
					x.send(get(path).with(header, "127.0.0.1")).refusedAs(401, 403)
				}
			}
		}),
		row("the metrics by a page whose name was led to this machine", func(x *try) {
			x.send(get("/metrics").with("Host", "evil.test")).refusedAs(401, 403)
			x.send(get("/debug/pprof/goroutine?debug=2").with("Host", "localhost.evil.test")).refusedAs(401, 403)
		}),
		row("the command line, which may have secrets", func(x *try) { x.send(get("/debug/pprof/cmdline").key(x.AdminKey)).refused(http.StatusNotFound) }),
		row("Hull's page with another connector's secret", func(x *try) { x.hullsPage(x.victim.id, x.victim.organization, x.foe.secret) }),
		row("Hull's page of a connector that there is not is the same", func(x *try) { x.hullsPage("attack-nobody", x.victim.organization, "guessed") }),
		row("Hull's credentials given twice", func(x *try) { x.send(get("/status?" + x.victim.credentials() + "&secret=other")).refused(403) }),
		row("Hull's credentials in a token that nobody signed", func(x *try) {
			said := object{"ship": x.victim.id, "organization": x.victim.organization, "secret": x.victim.secret}
			for _, token := range []string{jwt(object{"alg": "none"}, said, unsigned), jwt(hs256, said, hs("")), jwt(hs256, said, hs(x.victim.secret))} {
				x.send(get("/status?hullToken=" + token)).refused(403)
				x.send(post("/batch?token="+token, object{"url": "https://hullapp.io/x"})).refused(403)
			}
		}),
	)
}

func otherCase(text string) string {
	if upper := strings.ToUpper(text); upper != text {
		return upper
	}
	return strings.ToLower(text)
}

func (x *try) hullsPage(id, organization, secret string) {
	c := connector{id: id, organization: organization, secret: secret}
	page := x.send(get("/admin.html?" + c.credentials())).refused(403)
	other := x.silently(func() *answer { return x.send(get("/admin.html")).refused(403) })
	if string(page.body) != string(other.body) {
		x.fault("the answer tells of the connector")
	}
}
