package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"slices"
)

const pageColumns = "visitor, n, at, session, id, local_time, url, title, referrer"

var pagesOf = list{letter: 'p', keys: 3, n: 9 + 3, query: "SELECT " + pageColumns + `, at, visitor, n FROM pages
	WHERE person = ? AND (at, visitor, n) < (?, ?, ?) ORDER BY at DESC, visitor DESC, n DESC LIMIT ?`}

// page is a PageView with its place in the list.
type page struct {
	PageView
	keys []int64
}

// Pages implements [Visitors].
func (h *history) Pages(ctx context.Context, connectorID string, of Person, cursor string, limit int) (views []PageView, next string, err error) {
	at, err := pagesOf.place(cursor)
	if err != nil {
		return nil, "", err
	}
	err = h.of(ctx, "reading page views", connectorID, func(c *conn, connector int64) error {
		pages, more, err := c.pages(connector, of, at, limit)
		if err != nil {
			return err
		}
		for _, p := range pages {
			views = append(views, p.PageView)
		}
		if more {
			next = pagesOf.cursor(pages[limit-1].keys)
		}
		return nil
	})
	return views, next, err
}

// pages returns at most limit of what comes after a place, of all that a person's views
// are under.
func (c *conn) pages(connector int64, of Person, at []int64, limit int) (pages []page, more bool, err error) {
	persons, err := c.persons(connector, of)
	if err != nil {
		return nil, false, err
	}
	names := visitorNames{}
	for _, person := range persons {
		var failed error
		next, err := pagesOf.read(c, at, limit, func(row []driver.Value) {
			name, err := names.of(c, row[0].(int64))
			failed = cmp.Or(failed, err)
			pages = append(pages, readPage(row, name))
		}, person)
		if err = cmp.Or(err, failed); err != nil {
			return nil, false, err
		}
		more = more || next != ""
	}
	if len(persons) > 1 {
		slices.SortFunc(pages, func(a, b page) int { return slices.Compare(b.keys, a.keys) })
	}
	if len(pages) > limit {
		return pages[:limit], true, nil
	}
	return pages, more, nil
}

func readPage(row []driver.Value, visitor string) page {
	key, n, at := row[0].(int64), row[1].(int64), row[2].(int64)
	return page{PageView{
		ID: row[4].(string), Visitor: visitor, At: fromMilli(at), LocalTime: row[5].(string),
		Session: sessionName(row[3].(int64), key),
		URL:     row[6].(string), Title: row[7].(string), Referrer: row[8].(string),
	}, []int64{at, key, n}}
}

// visitorNames are the ids of visitors by their keys. One that was erased since, when it
// was somebody else's, has none.
type visitorNames map[int64]string

func (n visitorNames) of(c *conn, key int64) (string, error) {
	name, ok := n[key]
	if ok {
		return name, nil
	}
	row, err := c.first(1, "SELECT id FROM visitors WHERE key = ?", key)
	if err != nil {
		return "", err
	}
	if row != nil {
		name = row[0].(string)
	}
	n[key] = name
	return name, nil
}

// summaryDays is of how many days views are counted.
const summaryDays = 90

// PageSummary implements [Visitors].
func (h *history) PageSummary(ctx context.Context, connectorID string, of Person, top int) (PageSummary, error) {
	s := newSummary()
	err := h.of(ctx, "counting page views", connectorID, func(c *conn, connector int64) error {
		persons, err := c.persons(connector, of)
		if err != nil {
			return err
		}
		for _, person := range persons {
			err := c.each(5, func(row []driver.Value) error {
				s.add(row[0].(int64), row[1].(int64), row[2].(int64), row[3].(string), row[4].(string))
				return nil
			}, "SELECT at, visitor, session, url, title FROM pages WHERE person = ? ORDER BY at, visitor, n", person)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return PageSummary{}, err
	}
	return s.total(top), nil
}

// summary is a PageSummary that is being counted.
type summary struct {
	PageSummary
	sessions map[[2]int64]bool
	pages    map[string]*PageCount
	days     map[string]int
}

func newSummary() *summary {
	return &summary{sessions: map[[2]int64]bool{}, pages: map[string]*PageCount{}, days: map[string]int{}}
}

func (s *summary) add(ms, visitor, session int64, url, title string) {
	at := fromMilli(ms)
	if s.Views++; s.Views == 1 || at.Before(s.First) {
		s.First = at
	}
	if at.After(s.Last) {
		s.Last = at
	}
	s.sessions[[2]int64{visitor, session}] = true
	s.days[at.Format("2006-01-02")]++
	p := s.pages[url]
	if p == nil {
		p = &PageCount{URL: url}
		s.pages[url] = p
	}
	if p.Views++; !at.Before(p.Last) {
		p.Title, p.Last = title, at
	}
}

// total returns what was counted, with the top pages.
func (s *summary) total(top int) PageSummary {
	s.Sessions = len(s.sessions)
	for _, p := range s.pages {
		s.Pages = append(s.Pages, *p)
	}
	slices.SortFunc(s.Pages, func(a, b PageCount) int {
		return cmp.Or(cmp.Compare(b.Views, a.Views), b.Last.Compare(a.Last), cmp.Compare(a.URL, b.URL))
	})
	s.Pages = s.Pages[:min(top, len(s.Pages))]
	for day, views := range s.days {
		s.Days = append(s.Days, DayCount{day, views})
	}
	slices.SortFunc(s.Days, func(a, b DayCount) int { return cmp.Compare(a.Day, b.Day) })
	s.Days = s.Days[max(0, len(s.Days)-summaryDays):]
	return s.PageSummary
}
