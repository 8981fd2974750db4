package doctor

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokenAnswer is what came of asking for a token.
type tokenAnswer struct {
	answer
	code, detail string // of a refusal
	Token        string
	ExpiresAt    string `json:"expires_at"`
	StreamURL    string `json:"stream_url"`
	Topics       []string
}

func (t tokenAnswer) given() bool { return t.status == http.StatusCreated && t.Token != "" }

func (x *examination) tokenURL() string {
	return x.cfg.URL + "/api/v1/connectors/" + url.PathEscape(cmp.Or(x.cfg.Connector, "doctor")) + "/token"
}

// postToken asks for a token with a body, as a page does: text/plain spares the preflight.
func (x *examination) postToken(ctx context.Context, body map[string]any) (t tokenAnswer) {
	text, err := json.Marshal(body)
	if err != nil {
		return tokenAnswer{answer: answer{err: err}}
	}
	t.answer = x.ask(ctx, request{method: http.MethodPost, url: x.tokenURL(), body: string(text),
		header: header("Content-Type", "text/plain", "Origin", x.cfg.Origin)})
	t.code, t.detail = t.problem()
	if t.status == http.StatusCreated && t.decode(&t) != nil {
		t.Token = "" // as none
	}
	return t
}

func (x *examination) askToken(ctx context.Context) tokenAnswer {
	body := map[string]any{"claims": map[string]any{"anonymous_id": x.cfg.AnonymousID}}
	if x.cfg.IdentityToken != "" {
		body["identity_token"] = x.cfg.IdentityToken
	}
	return x.postToken(ctx, body)
}

func (x *examination) checkConnector(context.Context) verdict {
	t := x.token()
	if t.code == "connector_unknown" {
		return fail(`the page: data-hull-id="…" with the id that Hull shows of the connector; or install the connector in Hull with this server's address (or config.yaml: connectors)`,
			"no connector has the id %q", x.cfg.Connector)
	}
	if t.code == "origin_not_allowed" || t.code == "claims_unproven" || t.given() {
		return ok("connector %q is known", x.cfg.Connector)
	}
	return unchecked("no token was given: %v", t.answer)
}

// originIsGone tells whether the node has seen no Origin.
func originIsGone(t tokenAnswer) bool {
	return t.code == "origin_not_allowed" && strings.Contains(t.detail, "Origin header")
}

func (x *examination) checkOrigin(context.Context) verdict {
	t := x.token()
	switch {
	case originIsGone(t):
		return fail("nginx: proxy_set_header Origin $http_origin; (or take the line away that empties it)", "the proxy takes the Origin header away: %v", t.answer)
	case x.cfg.Connector == "":
		return unchecked("give --connector, the connector's id")
	case t.code == "origin_not_allowed":
		return fail(fmt.Sprintf("in Hull, the connector's Allowed domains (whitelisted_domains): %s", hostOf(x.cfg.Origin)), "pages of %s are refused", x.cfg.Origin)
	case t.code == "connector_unknown" || t.code == "" && !t.given():
		return unchecked("there is no connector that could allow it")
	}
	return ok("pages of %s are let in", x.cfg.Origin)
}

func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}

// explained are refusals of a token that other checks tell of.
var explained = []string{"connector_unknown", "origin_not_allowed"}

// checkToken tells of what else keeps a page from its token.
func (x *examination) checkToken(ctx context.Context) verdict {
	t := x.token()
	switch {
	case t.given():
		return x.complete(t)
	case slices.Contains(explained, t.code):
		return unchecked("refused: %s", t.code)
	case t.code == "unavailable" && x.isUnready(ctx):
		return unchecked("the node is not ready")
	case t.code == "claims_unproven":
		return unchecked("an unsigned id does not count here: give --identity-token ('hullbeam sign' makes one)")
	case t.code == "identity_token_invalid":
		return fail("the site's back end: a new token, signed with identity_secret, of which exp is ahead", "%v; %s", t.answer, describeToken(x.cfg.IdentityToken))
	case t.code == "rate_limited":
		return fail("config.yaml: trusted_proxies: [the proxy's address], else all visitors are one address; or limits.tokens_per_address: more", "%v", t.answer)
	case t.late():
		return fail("the node: what its log and its load say, and those of Redis", "a token is not given within %v", x.cfg.Patience)
	case t.code != "":
		return fail("what "+x.cfg.URL+"/docs/errors/"+url.PathEscape(quote(t.code))+" says", "%v", t.answer)
	}
	return fail("nginx: location /api/ { proxy_pass …; } for all methods, with client_max_body_size 1m;", "the proxy answers in Hullbeam's place: %v", t.answer)
}

// complete checks the members that a page needs.
func (x *examination) complete(t tokenAnswer) verdict {
	expires, err := time.Parse(time.RFC3339, t.ExpiresAt)
	if t.StreamURL == "" || err != nil || len(t.Topics) == 0 {
		return fail("the version of Hullbeam: one that speaks protocol 1", "a token comes without stream_url, expires_at or topics")
	}
	return ok("a token is given, good for %v", time.Until(expires).Round(time.Minute))
}

// describeToken says until when an identity token is good, and nothing else of it.
func describeToken(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "the identity token is no JWT"
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Exp *float64 }
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Exp == nil {
		return "the identity token has no exp"
	}
	expires := time.Unix(int64(*claims.Exp), 0)
	if left := time.Until(expires); left < 0 {
		return fmt.Sprintf("the identity token has expired %v ago", -left.Round(time.Second))
	} else if left > 24*time.Hour {
		return "the identity token's exp is more than 24 h ahead"
	}
	return "its exp is good: the secret, the algorithm (HS256) or aud is not"
}

// checkAddress compares the address that pages are told with the one that was asked.
func (x *examination) checkAddress(context.Context) verdict {
	told, err := url.Parse(x.token().StreamURL)
	switch {
	case err != nil || told.Host == "":
		return unchecked("no stream_url came")
	case originOf(told) == originOf(x.base) || isLoopback(told.Hostname()) && isLoopback(x.base.Hostname()) && told.Port() == x.base.Port() && told.Scheme == x.base.Scheme:
		return ok("pages are told %s", quote(originOf(told)))
	}
	change := "config.yaml: public_url: " + originOf(x.base)
	switch {
	case told.Host == x.base.Host:
		change = "nginx: proxy_set_header X-Forwarded-Proto $scheme; or " + change
	case told.Scheme == x.base.Scheme && !isLoopback(told.Hostname()):
		change += ", or nginx: proxy_set_header Host $http_host; or, if that is the address of pages, give it to hullbeam doctor"
	}
	return fail(change, "pages that ask %s are told to open their stream at %s", originOf(x.base), quote(originOf(told)))
}

// nobody is a claim that nobody has signed.
const nobody = "doctor@hullbeam.invalid"

// checkIdentity claims to be somebody, without a proof.
func (x *examination) checkIdentity(ctx context.Context) verdict {
	t := x.postToken(ctx, map[string]any{"claims": map[string]any{"email": nobody}})
	switch {
	case t.given() && slices.Contains(t.Topics, "email:"+nobody):
		return fail("config.yaml: identity.verification: possession, and in Hull the connector's Identity verification (identity_verification): possession, or signed",
			"an email that nobody has proven counts: anyone can read anyone's public traits")
	case t.code == "claims_unproven":
		return ok("an email that nobody has proven does not count")
	}
	return unchecked("a claim without a proof is answered %v", t.answer)
}
