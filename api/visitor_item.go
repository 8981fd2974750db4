package api

import (
	"slices"
	"strings"
	"time"

	"hullbeam/hull"
	"hullbeam/store"
)

// visitorItem is a visitor as operators are told of one (docs/operators.md).
type visitorItem struct {
	Visitor     string       `json:"visitor"`
	Live        bool         `json:"live"`
	Since       *moment      `json:"since,omitempty"`
	User        *userItem    `json:"user"`
	Segments    []string     `json:"segments"`
	StatedEmail *statedEmail `json:"stated_email,omitempty"`
	Page        *pageItem    `json:"page"`
	Tabs        []tabItem    `json:"tabs"`
	Streams     int          `json:"streams"`
	FirstSeen   *moment      `json:"first_seen,omitempty"`
	LastSeen    *moment      `json:"last_seen,omitempty"`
	Views       int          `json:"views"`
	Visitors    []string     `json:"visitors,omitempty"` // others of the same person; of one visitor alone
}

// userItem is the user that a visitor is.
type userItem struct {
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
}

// statedEmail is what a visitor typed. Nothing proves it.
type statedEmail struct {
	Email string `json:"email"`
	At    moment `json:"at"`
}

// pageItem is a page that was looked at, by both clocks.
type pageItem struct {
	URL       string `json:"url"`
	Title     string `json:"title"`
	Referrer  string `json:"referrer"`
	At        moment `json:"at"`
	LocalTime string `json:"local_time"`
}

// tabItem is a page that is open.
type tabItem struct {
	Tab   string `json:"tab"`
	URL   string `json:"url"`
	Title string `json:"title"`
	At    moment `json:"at"`
}

// moment is a time as all answers have it.
type moment struct{ time.Time }

// MarshalJSON writes UTC with milliseconds.
func (m moment) MarshalJSON() ([]byte, error) {
	return []byte(`"` + m.UTC().Format(timeFormat) + `"`), nil
}

// Compare is time.Time's.
func (m moment) Compare(other moment) int { return m.Time.Compare(other.Time) }

// momentOf is nil for the zero time.
func momentOf(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	return &moment{t}
}

// item is the visitor as operators are told.
func (who *liveVisitor) item() visitorItem {
	m := who.merged
	item := newVisitorItem(who.record, m.User, who.person)
	item.Visitor, item.Live, item.Since, item.Streams = m.Visitor, true, &moment{m.Since}, m.Streams
	room := maxItemTabs
	for _, t := range m.Tabs {
		if room -= len(t.URL) + len(t.Title); room < 0 {
			break
		}
		item.Tabs = append(item.Tabs, tabItem{t.ID, t.URL, t.Title, moment{t.At}})
	}
	if len(m.Tabs) > 0 {
		t := m.Tabs[0]
		item.Page = &pageItem{t.URL, t.Title, t.Referrer, moment{t.At}, t.LocalTime}
	}
	return item
}

// newVisitorItem is a visitor as it is stored.
func newVisitorItem(record store.Visitor, user string, person hull.Person) visitorItem {
	item := visitorItem{
		Visitor: record.ID, Segments: shortTexts(person.Segments), Tabs: []tabItem{},
		FirstSeen: momentOf(record.FirstSeen), LastSeen: momentOf(record.LastSeen), Views: record.Views,
	}
	if user != "" {
		item.User = &userItem{user, short(person.Name), short(person.Email), short(person.ExternalID)}
	}
	if record.Email != "" {
		item.StatedEmail = &statedEmail{record.Email, moment{record.EmailAt}}
	}
	if p := record.Latest; p.URL != "" {
		item.Page = &pageItem{p.URL, p.Title, p.Referrer, moment{p.At}, p.LocalTime}
	}
	return item
}

// An item fits into an event (stream.MaxEvent), whatever pages and Hull say: in bytes.
const (
	maxItemTabs     = 16 << 10
	maxItemText     = 256
	maxItemSegments = 8 << 10
)

// short is the beginning of a text, without characters that have no look of their own.
func short(text string) string {
	if len(text) > maxItemText {
		text = strings.ToValidUTF8(text[:maxItemText-len("…")], "") + "…"
	}
	return strings.Map(shown, text)
}

// shortTexts are the first of texts.
func shortTexts(texts []string) []string {
	list, room := []string{}, maxItemSegments
	for _, text := range texts {
		if room -= min(len(text), maxItemText); room < 0 {
			break
		}
		list = append(list, short(text))
	}
	return list
}

// visitorFilter says which visitors an operator wants to see.
type visitorFilter struct {
	q       string // in lower case
	segment string
	page    *glob
}

// admits tells whether an item is meant: every word that is given must fit.
func (f visitorFilter) admits(item visitorItem) bool {
	return f.admitsText(item) && (f.segment == "" || slices.Contains(item.Segments, f.segment)) && f.admitsPage(item)
}

func (f visitorFilter) admitsText(item visitorItem) bool {
	if f.q == "" {
		return true
	}
	texts := []string{item.Visitor}
	if u := item.User; u != nil {
		texts = append(texts, u.ID, u.Name, u.Email, u.ExternalID)
	}
	if item.StatedEmail != nil {
		texts = append(texts, item.StatedEmail.Email)
	}
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), f.q) })
}

func (f visitorFilter) admitsPage(item visitorItem) bool {
	if f.page == nil {
		return true
	}
	if !item.Live {
		return item.Page != nil && f.page.matches(item.Page.URL)
	}
	return slices.ContainsFunc(item.Tabs, func(t tabItem) bool { return f.page.matches(t.URL) })
}
