package doctor

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// page is what is known of Config.Page.
type page struct {
	failed   string // why nothing is known
	url      *url.URL
	policies []Policy
	snippets []snippetTag
}

// snippetTag is a script element that loads a snippet.
type snippetTag struct {
	Tag
	src       *url.URL
	connector string
	endpoint  *url.URL
}

// maxRedirects is how many are followed to a page.
const maxRedirects = 5

// fetchPage gets and reads the page.
func (x *examination) fetchPage(ctx context.Context) *page {
	at, err := url.Parse(x.cfg.Page)
	if err != nil {
		return &page{failed: "it has no readable address"}
	}
	for range maxRedirects {
		a := x.ask(ctx, request{url: at.String(), header: header("Accept", "text/html")})
		location, err := at.Parse(a.header.Get("Location"))
		switch {
		case a.err == nil && a.status == http.StatusOK:
			return readPage(at, a)
		case a.err != nil || a.status/100 != 3 || err != nil || !isWeb(location.Scheme):
			return &page{failed: "the page is answered " + a.String()}
		}
		at = location
	}
	return &page{failed: fmt.Sprintf("it redirects more than %d times", maxRedirects)}
}

func readPage(at *url.URL, a answer) *page {
	p := &page{url: at, policies: ParsePolicies(a.header.Values("Content-Security-Policy")...)}
	document, err := html.Parse(bytes.NewReader(a.body))
	if err != nil {
		return &page{failed: "the page's HTML cannot be read"}
	}
	base := at
	for node := range document.Descendants() {
		switch {
		case node.Type != html.ElementNode:
		case node.Data == "base" && base == at:
			if href, err := at.Parse(attribute(node, "href")); err == nil {
				base = href
			}
		case node.Data == "meta" && strings.EqualFold(attribute(node, "http-equiv"), "Content-Security-Policy"):
			p.policies = append(p.policies, policiesOfMeta(attribute(node, "content"))...)
		case node.Data == "script":
			p.addSnippet(base, node)
		}
	}
	return p
}

// policiesOfMeta are those of a meta element, in which some directives do not count (HTML
// standard, 4.2.5.3).
func policiesOfMeta(content string) []Policy {
	policies := ParsePolicies(content)
	for _, policy := range policies {
		delete(policy, "sandbox")
	}
	return policies
}

// addSnippet adds the element when it loads a snippet: by its address, or by its attribute.
func (p *page) addSnippet(base *url.URL, node *html.Node) {
	src, err := base.Parse(attribute(node, "src"))
	if err != nil || attribute(node, "src") == "" {
		return
	}
	query := src.Query()
	connector := cmp.Or(attribute(node, "data-hull-id"), query.Get("hullId"))
	if connector == "" && !strings.HasSuffix(src.Path, "/ship.js") {
		return
	}
	endpoint := &url.URL{Scheme: src.Scheme, Host: src.Host}
	if said, err := url.Parse(cmp.Or(attribute(node, "data-hull-endpoint"), query.Get("hullEndpoint"))); err == nil && said.Host != "" {
		endpoint = said
	}
	p.snippets = append(p.snippets, snippetTag{Tag{attribute(node, "nonce"), attribute(node, "integrity")}, src, connector, endpoint})
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Namespace == "" && a.Key == name {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

// snippet is the element that the page should have, or how it differs.
func (x *examination) snippet(p *page) (tag snippetTag, verdict verdict) {
	want := fmt.Sprintf(`in the page's head: <script async src="%s/ship.js" data-hull-id="%s"></script>`, x.cfg.URL, cmp.Or(x.cfg.Connector, "CONNECTOR"))
	var others []string
	for _, tag := range p.snippets {
		switch {
		case originOf(tag.endpoint) != originOf(x.base):
			others = append(others, "one whose data-hull-endpoint is "+quote(originOf(tag.endpoint)))
		case tag.connector == "":
			others = append(others, "one without data-hull-id")
		case x.cfg.Connector != "" && tag.connector != x.cfg.Connector:
			others = append(others, fmt.Sprintf("one of connector %q", quote(tag.connector)))
		default:
			return tag, ok("the page has the snippet of connector %q", quote(tag.connector))
		}
	}
	if len(others) > 0 {
		return tag, fail(want, "the page has another snippet: %s", strings.Join(others, ", "))
	}
	return tag, fail(want, "the page's HTML has no snippet; one that a tag manager puts in is not seen from here")
}

func (x *examination) checkPage(context.Context) verdict {
	p := x.page()
	if p.failed != "" {
		return fail("--page: the address of a page that has the snippet", "%s", p.failed)
	}
	_, v := x.snippet(p)
	return v
}

// checkCSP tells whether the page's policies let the snippet be loaded, load its parts and the
// connector's script, and ask the server.
func (x *examination) checkCSP(context.Context) verdict {
	p := x.page()
	switch {
	case p.failed != "":
		return unchecked("the page cannot be read")
	case len(p.policies) == 0:
		return ok("the page has no Content-Security-Policy")
	}
	tag, v := x.snippet(p)
	if v.status != OK {
		tag = snippetTag{src: x.base.JoinPath("ship.js"), endpoint: x.base} // as it would be
	}
	var found blocked
	for _, policy := range p.policies {
		found.judge(policy, p.url, tag)
	}
	switch {
	case len(found.needed) > 0:
		return fail(found.change(), "blocked: %s", strings.Join(unique(append(found.needed, found.ofScript...)), ", "))
	case len(found.ofScript) > 0:
		return warn(found.change(), "blocked, if the connector has a script: %s", strings.Join(unique(found.ofScript), ", "))
	}
	return ok("the page's policies (%d) let the snippet work", len(p.policies))
}

// blocked is what policies block of the snippet, and what they would have to say.
type blocked struct {
	needed, ofScript []string // ofScript: of the connector's own script alone
	changes          []string
}

func (b *blocked) add(list *[]string, what, directive, source string) {
	*list = append(*list, fmt.Sprintf("%s by %s", what, directive))
	b.changes = append(b.changes, fmt.Sprintf("%s … %s", directive, quote(source)))
}

func (b *blocked) change() string {
	return "the page's Content-Security-Policy: " + strings.Join(unique(b.changes), "; ")
}

// judge adds what a policy blocks. Parts of the snippet are imported, with its nonce; the
// connector's script has an element without one.
func (b *blocked) judge(p Policy, self *url.URL, tag snippetTag) {
	origin := originOf(tag.endpoint)
	part, script := tag.endpoint.JoinPath("ship/part.js"), tag.endpoint.JoinPath("api/v1/connectors/c/script.js")
	if allowed, directive := p.AllowsScript(self, tag.src, tag.Tag); !allowed {
		b.add(&b.needed, "the snippet", directive, p.remedy(directive, originOf(tag.src)))
	} else if allowed, directive := p.AllowsLoaded(self, part, tag.Nonce); !allowed {
		b.add(&b.needed, "the snippet's parts", directive, origin)
	} else if allowed, directive := p.AllowsLoaded(self, script, ""); !allowed {
		b.add(&b.ofScript, "the connector's script", directive, origin)
	}
	if allowed, directive := p.AllowsConnection(self, tag.endpoint.JoinPath("api/v1/stream")); !allowed {
		b.add(&b.needed, "its requests and the stream", directive, origin)
	}
	if names, listed := p["trusted-types"]; listed && !hasKeyword(names, "hullbeam") && !hasKeyword(names, "*") {
		b.add(&b.ofScript, "the connector's script", "trusted-types", "hullbeam")
	}
}

// remedy is the source with which a directive would let the snippet in.
func (p Policy) remedy(directive, origin string) string {
	switch {
	case directive == "sandbox":
		return "allow-scripts"
	case hasKeyword(p[directive], "'strict-dynamic'"):
		return "'nonce-…', and the same nonce on the snippet's tag (with 'strict-dynamic' addresses do not count)"
	}
	return origin
}

// unique leaves out what was said before.
func unique(texts []string) (list []string) {
	said := map[string]bool{}
	for _, text := range texts {
		if !said[text] {
			list = append(list, text)
		}
		said[text] = true
	}
	return list
}
