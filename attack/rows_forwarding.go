package attack

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

func forwarding() []Attack {
	attacks := group("forwarding", "docs/configuration.md trusted_proxies; design 1.7",
		row("another host in what is forwarded does not change the stream's address", func(x *try) {
			var got tokenAnswer
			x.send(post(x.victim.route("/token"), object{"claims": object{"anonymous_id": "whose-host-is-it-then"}}).origin(x.victim.page()).
				with("X-Forwarded-Host", "evil.test").with("X-Forwarded-Proto", "gopher").with("X-Forwarded-Port", "1").with("Forwarded", "host=evil.test").
				with("X-Host", "evil.test")).taken(201).into(&got)
			if strings.Contains(got.StreamURL, "evil") || strings.Contains(got.StreamURL, "gopher") {
				x.fault("the stream is at %s", got.StreamURL)
			}
		}),
		row("another address to be rewritten to", func(x *try) {
			for _, header := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Path", "X-Forwarded-Prefix"} {
				x.send(get("/healthz").with(header, "/api/v1/connectors")).taken(200).lacks(x.victim.id)
				x.send(get("/api/v1/connectors").with(header, "/healthz")).refused(401, "unauthorized")
			}
		}),
		row("another method to be taken", func(x *try) {
			x.send(post("/api/v1/session", "").with("X-HTTP-Method", "GET").with("X-Method-Override", "GET")).refusedAs(400, 415)
		}),
		row("an address of its own choice is not noted", func(x *try) {
			id := "spoof-" + x.table
			x.send(del(x.foe.route("/visitors/v_nobody")).cookie(x.foe.session).with("Origin", x.URL).with("X-Request-Id", id).
				with("X-Forwarded-For", "203.0.113.7").with("X-Real-Ip", "203.0.113.7").with("Forwarded", "for=203.0.113.7").
				with("Cf-Connecting-Ip", "203.0.113.7").with("True-Client-Ip", "203.0.113.7")).refused(404, "not_found")
			for _, entry := range x.auditOf(x.foe.route("/audit")) {
				if entry.RequestID == id && entry.Address == "203.0.113.7" {
					x.fault("the audit log believes it")
				}
			}
		}),
		row("an address of its own choice that is none", func(x *try) {
			for _, from := range []string{strings.Repeat("1.2.3.4, ", 1000), "\t,,,", "::::", "127.0.0.1", "unknown, _hidden"} {
				x.send(get("/metrics").with("X-Forwarded-For", from)).refused(401, "unauthorized")
			}
		}),
	)
	for i := range attacks {
		attacks[i] = unlessDevelopment(attacks[i])
	}
	return append(attacks, group("forwarding", "docs/configuration.md#development-mode", inDevelopment(row("anything to development mode", func(x *try) {
		for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-Ip"} {
			x.send(get("/healthz").with(header, "127.0.0.1")).refused(403, "forbidden")
		}
		x.send(get("/healthz").with("Host", "localhost.evil.test")).refused(403, "forbidden")
	})))...)
}

// inDevelopment marks attacks on development mode.
func inDevelopment(a Attack) Attack {
	a.needs = func(t *Target) string {
		if !t.Development {
			return "the server is not in development mode"
		}
		return ""
	}
	return a
}

// floods use up what an address may do, so they come last, for where each attack cannot
// have an address of its own.
func floods() []Attack {
	return group("flood", "docs/configuration.md#limits; docs/operators.md#signing-in",
		unlessDevelopment(row("of sign-ins, each from another address by its own word", func(x *try) {
			x.limited(60, func(i int) request {
				return ownSignIn(object{"key": fmt.Sprintf("an admin key that is guessed, %d", i)}).with("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
			}, http.StatusUnauthorized)
		})),
		unlessDevelopment(row("of tokens, each from another address by its own word", func(x *try) {
			x.limited(1500, func(i int) request {
				return post(x.victim.route("/token"), object{"claims": object{"email": x.victim.email}}).origin(x.victim.page()).
					with("X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", i/250, i%250)).with("X-Real-Ip", fmt.Sprintf("10.1.%d.%d", i/250, i%250))
			}, http.StatusForbidden)
		})),
		row("of page views of one visitor", func(x *try) {
			token := x.tokenOf(object{"anonymous_id": "floods-with-page-views"})
			x.limited(400, func(i int) request {
				return post("/api/v1/pages", object{"token": token, "url": x.victim.page() + "/", "view": fmt.Sprintf("v%d", i)})
			}, http.StatusAccepted)
		}),
	)
}

// limited sends requests, many at a time: at some point they must be answered 429, which
// says when to come again, and until then with a status.
func (x *try) limited(most int, request func(i int) request, until int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	told := 0
	turns := make(chan int)
	for range 16 {
		all.Go(func() {
			for i := range turns {
				a, err := x.exchange(request(i))
				mu.Lock()
				switch {
				case err != nil:
					x.fault("no answer: %v", err)
				case a.status == http.StatusTooManyRequests:
					if told++; told == 1 {
						a.refused(429, "rate_limited").asksToWait()
					}
				case a.status != until:
					a.refusedAs(until)
				}
				mu.Unlock()
			}
		})
	}
	for i := range most {
		turns <- i
		mu.Lock()
		done := told > 0
		mu.Unlock()
		if done {
			break
		}
	}
	close(turns)
	all.Wait()
	if told == 0 {
		x.fault("%d requests were answered, and none with 429", most)
	}
}
