package doctor

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Policy is one Content-Security-Policy: its directives by their names, with their values
// (W3C, Content Security Policy Level 3, 2.2.1).
type Policy map[string][]string

// ParsePolicies reads the policies of a header's lines, or of a meta element's content: each
// has several, separated by commas, and all of them hold (2.2.2).
func ParsePolicies(lines ...string) (policies []Policy) {
	for _, line := range lines {
		for text := range strings.SplitSeq(line, ",") {
			if policy := parsePolicy(text); len(policy) > 0 {
				policies = append(policies, policy)
			}
		}
	}
	return policies
}

func parsePolicy(text string) Policy {
	policy := Policy{}
	for directive := range strings.SplitSeq(text, ";") {
		words := strings.FieldsFunc(directive, isASCIISpace)
		if len(words) == 0 {
			continue
		}
		name := lower(words[0])
		if _, again := policy[name]; !again { // of two of a name the first counts
			policy[name] = words[1:]
		}
	}
	return policy
}

func isASCIISpace(r rune) bool { return strings.ContainsRune("\t\n\f\r ", r) }

// lower is text in lower case where it is ASCII, as CSP compares.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// String is the policy as a header has it.
func (p Policy) String() string {
	var directives []string
	for name, values := range p {
		directives = append(directives, strings.Join(append([]string{name}, values...), " "))
	}
	slices.Sort(directives)
	return strings.Join(directives, "; ")
}

// effective is the first of the directives that the policy has; "" when it has none, and allows
// everything.
func (p Policy) effective(names ...string) string {
	for _, name := range names {
		if _, ok := p[name]; ok {
			return name
		}
	}
	return ""
}

// Tag is a script element of a page: what a policy judges it by.
type Tag struct {
	Nonce, Integrity string
}

// scriptDirectives and connectDirectives are where it stands what may be loaded and asked, the
// first that there is.
var (
	scriptDirectives  = []string{"script-src-elem", "script-src", "default-src"}
	connectDirectives = []string{"connect-src", "default-src"}
)

// AllowsScript tells whether a page at self may load the script at target by the element tag
// that its HTML has (6.7.1.1), and the directive that says no.
func (p Policy) AllowsScript(self, target *url.URL, tag Tag) (allowed bool, directive string) {
	if p.forbidsScripts() {
		return false, "sandbox"
	}
	name := p.effective(scriptDirectives...)
	if name == "" {
		return true, ""
	}
	sources := p[name]
	switch {
	case tag.Nonce != "" && slices.Contains(sources, "'nonce-"+tag.Nonce+"'"):
		return true, ""
	case hasHashes(sources, tag.Integrity):
		return true, ""
	case hasKeyword(sources, "'strict-dynamic'"):
		return false, name // addresses do not count any more
	}
	return matchesAny(sources, self, target), name
}

// AllowsLoaded tells the same of a script that a script of the page loads, with a nonce or
// without ("").
func (p Policy) AllowsLoaded(self, target *url.URL, nonce string) (allowed bool, directive string) {
	if name := p.effective(scriptDirectives...); !p.forbidsScripts() && hasKeyword(p[name], "'strict-dynamic'") {
		return true, ""
	}
	return p.AllowsScript(self, target, Tag{Nonce: nonce})
}

// AllowsConnection tells whether a page at self may ask target (6.1.2).
func (p Policy) AllowsConnection(self, target *url.URL) (allowed bool, directive string) {
	name := p.effective(connectDirectives...)
	return name == "" || matchesAny(p[name], self, target), name
}

// forbidsScripts tells whether the page is sandboxed without scripts.
func (p Policy) forbidsScripts() bool {
	flags, sandboxed := p["sandbox"]
	return sandboxed && !hasKeyword(flags, "allow-scripts")
}

func hasKeyword(sources []string, keyword string) bool {
	return slices.ContainsFunc(sources, func(source string) bool { return lower(source) == keyword })
}

// hasHashes tells whether all hashes of an element's integrity are in the list (6.7.2.3).
func hasHashes(sources []string, integrity string) bool {
	hashes := strings.FieldsFunc(integrity, isASCIISpace)
	for _, hash := range hashes {
		if !slices.Contains(sources, "'"+hash+"'") {
			return false
		}
	}
	return len(hashes) > 0
}

// matchesAny tells whether a list of sources has target (6.7.2.5). 'none' matches nothing.
func matchesAny(sources []string, self, target *url.URL) bool {
	return slices.ContainsFunc(sources, func(source string) bool { return matches(lower(source), source, self, target) })
}

// matches tells whether a source has target (6.7.2.8). folded is the source in lower case.
func matches(folded, source string, self, target *url.URL) bool {
	switch {
	case folded == "*":
		return isWeb(target.Scheme) || target.Scheme == self.Scheme
	case folded == "'self'":
		return isSelf(self, target)
	case strings.HasPrefix(folded, "'"):
		return false
	}
	if scheme, ok := strings.CutSuffix(folded, ":"); ok && !strings.ContainsAny(scheme, ".:/*") {
		return schemeMatches(scheme, target.Scheme)
	}
	return parseHostSource(source).matches(self, target)
}

func isWeb(scheme string) bool {
	return slices.Contains([]string{"http", "https", "ws", "wss"}, scheme)
}

// isSelf tells whether target is of the page's origin, or of the same over TLS.
func isSelf(self, target *url.URL) bool {
	if lower(self.Hostname()) != lower(target.Hostname()) {
		return false
	}
	return self.Scheme == target.Scheme && portOf(self) == portOf(target) ||
		schemeMatches(self.Scheme, target.Scheme) && (portOf(self) == portOf(target) || isDefaultPort(self) && isDefaultPort(target))
}

// schemeMatches tells whether a scheme in a policy is that of a URL, or one that was made
// safer (6.7.2.9).
func schemeMatches(expression, scheme string) bool {
	switch expression {
	case scheme:
		return true
	case "http":
		return scheme == "https"
	case "ws":
		return scheme == "wss" || scheme == "http" || scheme == "https"
	case "wss":
		return scheme == "https"
	}
	return false
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return defaultPorts[u.Scheme]
}

func isDefaultPort(u *url.URL) bool { return portOf(u) == defaultPorts[u.Scheme] }

// hostSource is a source such as https://*.example.com:443/path.
type hostSource struct{ scheme, host, port, path string }

func parseHostSource(source string) (h hostSource) {
	if scheme, rest, ok := strings.Cut(source, "://"); ok {
		h.scheme, source = lower(scheme), rest
	}
	if i := strings.IndexByte(source, '/'); i >= 0 {
		source, h.path = source[:i], source[i:]
	}
	h.host = lower(source)
	if i := strings.LastIndexByte(source, ':'); i > strings.LastIndexByte(source, ']') {
		h.host, h.port = lower(source[:i]), source[i+1:]
	}
	return h
}

func (h hostSource) matches(self, target *url.URL) bool {
	switch {
	case h.scheme != "" && !schemeMatches(h.scheme, target.Scheme):
		return false
	case h.scheme == "" && !schemeMatches(lower(self.Scheme), target.Scheme):
		return false
	}
	return hostMatches(h.host, lower(target.Hostname())) && portMatches(h.port, target) && pathMatches(h.path, target.EscapedPath())
}

// hostMatches compares hosts (6.7.2.10). Of addresses the standard lets only 127.0.0.1 match;
// browsers take all, and so it is done here.
func hostMatches(pattern, host string) bool {
	if below, ok := strings.CutPrefix(pattern, "*."); ok {
		return below != "" && net.ParseIP(host) == nil && strings.HasSuffix(host, "."+below)
	}
	return pattern != "" && strings.Trim(pattern, "[]") == host
}

// portMatches compares ports (6.7.2.11).
func portMatches(pattern string, target *url.URL) bool {
	switch pattern {
	case "":
		return isDefaultPort(target)
	case "*", portOf(target):
		return true
	}
	return pattern == "80" && portOf(target) == "443" // one that was made safer
}

// pathMatches compares paths (6.7.2.12): a pattern that ends with a slash has what is below it.
func pathMatches(pattern, path string) bool {
	if pattern == "" || pattern == "/" && path == "" {
		return true
	}
	pattern, err := url.PathUnescape(pattern)
	if err != nil {
		return false
	}
	if path, err = url.PathUnescape(path); err != nil {
		return false
	}
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(path, pattern)
	}
	return path == pattern
}
