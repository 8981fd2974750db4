package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
)

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
