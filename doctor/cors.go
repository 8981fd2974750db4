package doctor

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

const takeCORSAway = "nginx: no add_header Access-Control-Allow-Origin … and no proxy_hide_header Access-Control-Allow-Origin; Hullbeam says it itself, on errors too"

// checkCORS looks whether a page may read a token, and a refusal.
func (x *examination) checkCORS(ctx context.Context) verdict {
	refused := x.postToken(ctx, map[string]any{})
	answers := map[string]answer{"a refusal": refused.answer}
	if refused.err != nil || refused.code == "" {
		return unchecked("a page's request is answered %v", refused.answer)
	}
	if originIsGone(refused) {
		return unchecked("the proxy takes the Origin header away: see origin")
	}
	if x.cfg.Connector != "" && x.token().given() {
		answers["a token"] = x.token().answer
	}
	for what, a := range answers {
		if wrong := x.wrongAllowOrigin(a); wrong != "" {
			return fail(takeCORSAway, "%s comes %s", what, wrong)
		}
	}
	return ok("pages may read what they are answered")
}

func (x *examination) checkSharedCORS(context.Context) verdict { return x.cors() }

// wrongAllowOrigin says what is wrong with an answer's Access-Control-Allow-Origin; "":
// nothing.
func (x *examination) wrongAllowOrigin(a answer) string {
	values := a.header.Values("Access-Control-Allow-Origin")
	switch {
	case len(values) == 0:
		return "without Access-Control-Allow-Origin"
	case len(values) > 1 || strings.Contains(values[0], ","):
		return "with Access-Control-Allow-Origin twice, which browsers take for none: " + quote(strings.Join(values, ", "))
	case values[0] != "*" && values[0] != x.cfg.Origin:
		return "with Access-Control-Allow-Origin for another page: " + quote(values[0])
	}
	return ""
}

// preflights are the routes that a browser may ask before, with the header that makes it ask.
var preflights = map[string]string{"POST": "content-type", "GET": "last-event-id"}

func (x *examination) checkPreflight(ctx context.Context) verdict {
	const change = "nginx: no limit_except, and no return for OPTIONS: pass them on (proxy_pass), and take add_header Access-Control-… away"
	for method, asks := range preflights {
		address := x.tokenURL()
		if method == http.MethodGet {
			address = x.streamURL()
		}
		a := x.ask(ctx, request{method: http.MethodOptions, url: address,
			header: header("Origin", x.cfg.Origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", asks)})
		switch {
		case a.late():
			return unchecked("OPTIONS before %s is answered %v", method, a)
		case a.err != nil || a.status/100 != 2:
			return fail(change, "OPTIONS before %s is answered %v", method, a)
		case x.wrongAllowOrigin(a) != "" && x.cors().status != OK:
			return unchecked("see cors")
		case x.wrongAllowOrigin(a) != "":
			return fail(change, "the answer to OPTIONS before %s comes %s", method, x.wrongAllowOrigin(a))
		case !allows(a.header, "Access-Control-Allow-Methods", method) || !allows(a.header, "Access-Control-Allow-Headers", asks):
			return fail(change, "the answer to OPTIONS before %s does not allow it with %s", method, asks)
		}
	}
	return ok("preflights are answered")
}

// allows tells whether a list of an answer has an entry.
func allows(h http.Header, name, entry string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(h.Values(name), ","), ","), func(listed string) bool {
		listed = strings.TrimSpace(listed)
		return listed == "*" || strings.EqualFold(listed, entry)
	})
}
