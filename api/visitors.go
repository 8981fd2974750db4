package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

// getVisitors lists a connector's visitors: those who are there, or all who are remembered.
func (s *Server) getVisitors(c *gin.Context) {
	filter, err := readVisitorFilter(c)
	live := false
	if text := c.Query("live"); err == nil && text != "" {
		if live, err = strconv.ParseBool(text); err != nil {
			err = wrong("", "live is true or false")
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
			return f, wrong("", "page "+err.Error())
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
