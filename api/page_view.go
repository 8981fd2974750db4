package api

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"hullbeam/hull"
)

// pageView is what a page tells of being looked at (docs/protocol.md).
type pageView struct {
	URL       string `json:"url"`
	Title     string `json:"title"`
	Referrer  string `json:"referrer"`
	LocalTime string `json:"local_time"`
	Tab       string `json:"tab"`
	View      string `json:"view"`
}

// What a page view may have, in bytes; of an address also as it is kept: what is not ASCII
// is three times as long then, and comes from no browser.
const (
	maxPageURL = 4096
	maxTitle   = 1024
	maxViewID  = 64
)

// check reports what is wrong with a page view of an origin.
func (p *pageView) check(origin string) error {
	u, err := url.Parse(p.URL)
	switch {
	case len(p.URL) > maxPageURL || len(bare(p.URL)) > maxPageURL || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return wrong("/url", fmt.Sprintf("must be an http or https URL of at most %d bytes", maxPageURL))
	case originOf(u) != strings.ToLower(origin):
		return wrong("/url", "must be of the token's origin")
	case len(p.Title) > maxTitle:
		return wrong("/title", fmt.Sprintf("is longer than %d bytes", maxTitle))
	case len(p.Referrer) > maxPageURL || len(bare(p.Referrer)) > maxPageURL:
		return wrong("/referrer", fmt.Sprintf("is longer than %d bytes", maxPageURL))
	}
	if p.LocalTime != "" {
		if _, err := time.Parse(time.RFC3339, p.LocalTime); err != nil || len(p.LocalTime) > maxViewID {
			return wrong("/local_time", "must be RFC 3339, with an offset")
		}
	}
	return p.checkIDs()
}

// checkIDs is what also holds for a page that is left.
func (p *pageView) checkIDs() error {
	for _, id := range []struct{ name, value string }{{"tab", p.Tab}, {"view", p.View}} {
		if id.value != "" && !saneID(id.value) {
			return wrong("/"+id.name, fmt.Sprintf("must be at most %d of A-Za-z0-9._-", maxViewID))
		}
	}
	return nil
}

// originOf is the origin of a page, as its browser sends it.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch port := ":" + u.Port(); {
	case u.Scheme == "https" && port == ":443", u.Scheme == "http" && port == ":80":
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}

// bare is an address without what may say more of a visitor than where they are: its
// query, its fragment, and its user. "" for what is no web page.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// shown leaves out of a text what has no look of its own: controls, and what has other
// characters run the other way, with which a text shows as another one.
func shown(r rune) rune {
	if unicode.IsControl(r) || '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069' {
		return -1
	}
	return r
}

// event is the page view as Hull is told it.
func (p *pageView) event(key viewKey) hull.Event {
	properties := map[string]any{}
	if title := strings.Map(shown, p.Title); title != "" {
		properties["title"] = title
	}
	if p.LocalTime != "" {
		properties["local_time"] = p.LocalTime
	}
	return hull.Event{Name: "page", ID: key.eventID(), URL: bare(p.URL), Referrer: bare(p.Referrer), Properties: properties}
}
