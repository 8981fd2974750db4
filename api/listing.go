package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

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
		return 0, wrong("", fmt.Sprintf("limit is 1 to %d", maxListed))
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
