package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

// listing is a part of a list, as operators get it.
type listing struct {
	Items any    `json:"items"`
	Next  string `json:"next_cursor,omitempty"`
}

const (
	defaultListed = 50
	maxListed     = 500
)

// list answers a part of a connector's list, which read returns.
func (s *Server) list(c *gin.Context, read func(ctx context.Context, conn *connector, cursor string, limit int) (items any, next string, err error)) {
	limit, err := listLimit(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	items, next, err := read(c.Request.Context(), conn, c.Query("cursor"), limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, listing{items, next})
}

func listLimit(c *gin.Context) (int, error) {
	text := c.Query("limit")
	if text == "" {
		return defaultListed, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxListed {
		return 0, newProblem("invalid_request", "A value cannot be used.").at("", fmt.Sprintf("limit is 1 to %d", maxListed))
	}
	return limit, nil
}

// orNotFound is the problem not_found for store.ErrNotFound.
func orNotFound(err error, detail string) error {
	if errors.Is(err, store.ErrNotFound) {
		return newProblem("not_found", detail)
	}
	return err
}

// getVisitors lists a connector's visitors: those who are there, or all who are remembered.
func (s *Server) getVisitors(c *gin.Context) {
	filter, err := readVisitorFilter(c)
	live := false
	if text := c.Query("live"); err == nil && text != "" {
		if live, err = strconv.ParseBool(text); err != nil {
			err = newProblem("invalid_request", "A value cannot be used.").at("", "live is true or false")
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.list(c, func(ctx context.Context, conn *connector, cursor string, limit int) (any, string, error) {
		if live {
			return s.liveVisitors(ctx, conn, filter, cursor, limit)
		}
		return s.recentVisitors(ctx, conn, filter, cursor, limit)
	})
}

func readVisitorFilter(c *gin.Context) (f visitorFilter, err error) {
	f = visitorFilter{q: strings.ToLower(strings.TrimSpace(c.Query("q"))), segment: c.Query("segment")}
	if text := c.Query("page"); text != "" {
		g, err := parseGlob(text)
		if err != nil {
			return f, newProblem("invalid_request", "A value cannot be used.").at("", "page "+err.Error())
		}
		f.page = &g
	}
	return f, nil
}

// liveVisitors are those who are there, who came last first.
func (s *Server) liveVisitors(ctx context.Context, conn *connector, f visitorFilter, cursor string, limit int) (any, string, error) {
	after, err := parseLiveCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	v, err := s.liveView(ctx, conn)
	if err != nil {
		return nil, "", err
	}
	items := slices.DeleteFunc(v.items(), func(item visitorItem) bool { return !after.isBefore(item) || !f.admits(item) })
	if len(items) <= limit {
		return items, "", nil
	}
	return items[:limit], newLiveCursor(items[limit-1]), nil
}

// liveCursor is where a list of those who are there goes on: behind who came then.
type liveCursor struct {
	since   int64 // nanoseconds since 1970, as exact as the order
	visitor string
}

func newLiveCursor(item visitorItem) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", item.Since.UnixNano(), item.Visitor))
}

func parseLiveCursor(text string) (*liveCursor, error) {
	if text == "" {
		return nil, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	since, visitor, ok := strings.Cut(string(plain), " ")
	at, numberErr := strconv.ParseInt(since, 10, 64)
	if err != nil || numberErr != nil || !ok {
		return nil, store.ErrCursor
	}
	return &liveCursor{at, visitor}, nil
}

// isBefore tells whether the item comes after the cursor.
func (l *liveCursor) isBefore(item visitorItem) bool {
	if l == nil {
		return true
	}
	at := item.Since.UnixNano()
	return at < l.since || at == l.since && item.Visitor > l.visitor
}

// mostScanned bounds the visitors that are looked at for one part of a filtered list.
const mostScanned = 5000

// recentVisitors are those who are remembered, who were seen last first.
func (s *Server) recentVisitors(ctx context.Context, conn *connector, f visitorFilter, cursor string, limit int) (any, string, error) {
	v, err := s.liveView(ctx, conn)
	if err != nil {
		return nil, "", err
	}
	items := []visitorItem{}
	for scanned := 0; scanned < mostScanned && len(items) < limit; {
		// No more than are missing: the cursor stands behind what was looked at.
		records, next, err := s.store.RecentVisitors(ctx, conn.id, cursor, limit-len(items))
		if err != nil {
			return nil, "", err
		}
		found, err := s.visitorItems(ctx, conn, v, records)
		if err != nil {
			return nil, "", err
		}
		for _, item := range found {
			if f.admits(item) {
				items = append(items, item)
			}
		}
		scanned += len(records)
		if cursor = next; next == "" {
			break
		}
	}
	return items, cursor, nil
}

// visitorItems are stored visitors as operators are told of them.
func (s *Server) visitorItems(ctx context.Context, conn *connector, v *liveView, records []store.Visitor) ([]visitorItem, error) {
	var users []string
	for _, record := range records {
		if record.UserID != "" {
			users = append(users, record.UserID)
		}
	}
	slices.Sort(users)
	people, err := readPeople(ctx, s.store, conn, slices.Compact(users))
	if err != nil {
		return nil, err
	}
	items := make([]visitorItem, len(records))
	for i, record := range records {
		var live bool
		if items[i], live = v.find(record.ID); !live {
			items[i] = newVisitorItem(record, record.UserID, people[record.UserID])
		}
	}
	return items, nil
}

// knownVisitor is who a request names: whom the store knows, or who is there.
func (s *Server) knownVisitor(ctx context.Context, conn *connector, id string) (item visitorItem, who store.Person, err error) {
	records, err := s.store.Visitors(ctx, conn.id, []string{id})
	if err != nil {
		return item, who, fmt.Errorf("reading a visitor: %w", err)
	}
	v, err := s.liveView(ctx, conn)
	if err != nil {
		return item, who, err
	}
	item, live := v.find(id)
	if len(records) == 0 && !live {
		return item, who, newProblem("not_found", "Nobody remembers this visitor.")
	}
	if !live {
		items, err := s.visitorItems(ctx, conn, v, records)
		if err != nil {
			return item, who, err
		}
		item = items[0]
	}
	who = store.Person{Visitor: id}
	if item.User != nil {
		who.UserID = item.User.ID
	}
	return item, who, nil
}

// getVisitor answers who a visitor is.
func (s *Server) getVisitor(c *gin.Context) {
	ctx := c.Request.Context()
	conn, err := s.connectors.get(ctx, c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	item, who, err := s.knownVisitor(ctx, conn, c.Param("visitor"))
	if err == nil && who.UserID != "" {
		var others []store.Visitor
		others, err = s.store.VisitorsOf(ctx, conn.id, who.UserID)
		for _, other := range others {
			if other.ID != item.Visitor {
				item.Visitors = append(item.Visitors, other.ID)
			}
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, item)
}

// viewItem is a page that a person looked at.
type viewItem struct {
	View    string `json:"view"`
	Visitor string `json:"visitor"`
	pageItem
	Session string `json:"session"`
}

// getPages lists what the person whom a visitor is has looked at.
func (s *Server) getPages(c *gin.Context) {
	s.list(c, func(ctx context.Context, conn *connector, cursor string, limit int) (any, string, error) {
		_, who, err := s.knownVisitor(ctx, conn, c.Param("visitor"))
		if err != nil {
			return nil, "", err
		}
		views, next, err := s.store.Pages(ctx, conn.id, who, cursor, limit)
		items := make([]viewItem, len(views))
		for i, v := range views {
			items[i] = viewItem{v.ID, v.Visitor, pageItem{v.URL, v.Title, v.Referrer, moment{v.At}, v.LocalTime}, v.Session}
		}
		return items, next, err
	})
}

// mostCounted is how many pages a summary has.
const mostCounted = 50

// summaryItem is what a person has looked at, in numbers.
type summaryItem struct {
	Views    int         `json:"views"`
	Sessions int         `json:"sessions"`
	First    *moment     `json:"first,omitempty"`
	Last     *moment     `json:"last,omitempty"`
	Pages    []pageCount `json:"pages"`
	Days     []dayCount  `json:"days"`
}

// pageCount is a store.PageCount.
type pageCount struct {
	URL   string `json:"url"`
	Title string `json:"title"`
	Views int    `json:"views"`
	Last  moment `json:"last"`
}

// dayCount is a store.DayCount.
type dayCount struct {
	Day   string `json:"day"`
	Views int    `json:"views"`
}

// getPageSummary answers it in numbers.
func (s *Server) getPageSummary(c *gin.Context) {
	ctx := c.Request.Context()
	conn, err := s.connectors.get(ctx, c.Param("connector"))
	if err != nil {
		s.fail(c, err)
		return
	}
	_, who, err := s.knownVisitor(ctx, conn, c.Param("visitor"))
	if err != nil {
		s.fail(c, err)
		return
	}
	sum, err := s.store.PageSummary(ctx, conn.id, who, mostCounted)
	if err != nil {
		s.fail(c, fmt.Errorf("reading what a person has looked at: %w", err))
		return
	}
	item := summaryItem{Views: sum.Views, Sessions: sum.Sessions, First: momentOf(sum.First), Last: momentOf(sum.Last), Pages: []pageCount{}, Days: []dayCount{}}
	for _, p := range sum.Pages {
		item.Pages = append(item.Pages, pageCount{p.URL, p.Title, p.Views, moment{p.Last}})
	}
	for _, d := range sum.Days {
		item.Days = append(item.Days, dayCount(d))
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, item)
}
