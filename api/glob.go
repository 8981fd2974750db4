package api

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// glob tells pages by their addresses: * stands for any characters of a path segment, **
// for any at all, ? for one of a path segment. One that begins with / is of the path,
// another of the whole address without its query. A * alone is every page.
type glob struct {
	pattern *regexp.Regexp
	path    bool
}

const maxGlob = 512

var errGlob = errors.New("must be a glob of at most 512 bytes, such as /pricing, /products/* or https://shop.example/**")

// parseGlob reads a glob.
func parseGlob(text string) (glob, error) {
	if text == "" || len(text) > maxGlob {
		return glob{}, errGlob
	}
	if text == "*" {
		text = "**"
	}
	var b strings.Builder
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = strings.TrimLeft(rest, "*")
			continue
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
		case rest[0] == '?':
			b.WriteString(`[^/]`)
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
		}
		rest = rest[1:]
	}
	pattern, err := regexp.Compile(`^(?s:` + b.String() + `)$`)
	if err != nil {
		return glob{}, errGlob // of a text that is not UTF-8
	}
	return glob{pattern, text[0] == '/'}, nil
}

// matches tells whether a page's address is meant.
func (g glob) matches(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	if g.path {
		return g.pattern.MatchString(cmp.Or(u.EscapedPath(), "/")) || g.pattern.MatchString(u.Path)
	}
	plain := bare(address)
	read, err := url.PathUnescape(plain) // as people write it
	return g.pattern.MatchString(plain) || err == nil && g.pattern.MatchString(read)
}
