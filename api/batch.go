package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// busyRetry is how long Hull is asked to wait when there is no room for an extract.
const busyRetry = time.Minute

// postBatch answers Hull's word that an extract is ready: as soon as the download has
// started, as Hull expects (docs/hull-protocol.md 6).
func (s *Server) postBatch(c *gin.Context) {
	err := s.batch(c)
	if err == nil {
		c.String(http.StatusOK, "ok")
		return
	}
	s.metrics.extracts.WithLabelValues("refused").Inc()
	status, answer := s.pace.Retry(err)
	if status >= http.StatusInternalServerError {
		c.Header("Retry-After", strconv.Itoa(int(busyRetry.Seconds())))
		answer.FlowControl.In = int(busyRetry.Milliseconds())
		s.failed(c.Request.Context(), err, "route", c.FullPath(), "request_id", c.GetString(requestIDKey))
	}
	c.JSON(status, answer)
}

// batch is the way of an announcement: who sends it, what it says, whether there is
// room, and whether its extract can be had. Nothing is fetched for who does not know
// the connector's secret.
func (s *Server) batch(c *gin.Context) error {
	conn, err := s.caller(c)
	if err != nil {
		return err
	}
	x, body, err := s.readAnnouncement(c)
	if err != nil {
		return err
	}
	if x.request.Accounts {
		s.metrics.extracts.WithLabelValues("accounts").Inc()
		s.log.Info("an extract of accounts: pages are told nothing of accounts alone", "connector", conn.id)
		return nil
	}
	x.conn = conn
	return s.extractOnce(c.Request.Context(), x, body)
}

func (s *Server) readAnnouncement(c *gin.Context) (x *extraction, body []byte, err error) {
	body, leave, err := s.intake.read(c)
	defer leave()
	if err != nil {
		return nil, nil, err
	}
	request, err := hull.ParseExtractRequest(body, s.cfg.Limits.JSONDepth)
	if err != nil {
		return nil, nil, err
	}
	return &extraction{request: request, segments: segmentIDs(c), started: make(chan error, 1)}, body, nil
}

// segmentIDs are the segments that the query says that all users are in.
func segmentIDs(c *gin.Context) []string {
	ids := c.QueryArray("segment_id")
	return slices.DeleteFunc(ids, func(id string) bool { return !utf8.ValidString(id) })
}

// extractOnce begins an extraction. An announcement with an id is taken once per body:
// what is the same is not known of Hull's ids, but its addresses are signed anew each
// time. One without an id is taken as often as it comes.
func (s *Server) extractOnce(ctx context.Context, x *extraction, body []byte) error {
	if x.request.ID == "" {
		return s.begin(ctx, x)
	}
	digest := sha256.Sum256(body)
	turn, err := s.store.Begin(ctx, x.conn.id, "extract:"+hex.EncodeToString(digest[:]), digest, s.cfg.Hull.ExtractTimeout+onceHold)
	switch {
	case err != nil:
		return fmt.Errorf("looking whether an extract was taken before: %w", err)
	case turn.State != store.Yours:
		s.metrics.extracts.WithLabelValues("repeated").Inc()
		return nil
	}
	x.turn = &turn
	return s.begin(ctx, x)
}

// begin waits until the extraction's download has started, or could not.
func (s *Server) begin(ctx context.Context, x *extraction) error {
	err := s.extracts.hand(ctx, x)
	if errors.Is(err, hull.ErrOverloaded) {
		s.met(limitExtracts)
	}
	if err == nil {
		err = <-x.started
	} else {
		s.release(x, false)
	}
	if errors.Is(err, hull.ErrExtractUnreachable) {
		s.log.Warn("an extract cannot be fetched", "connector", x.conn.id, "error", err)
	}
	return err
}

// release notes that an extract was taken, so that the same announcement has no effect
// for a while; or that it was not, so that it may come again.
func (s *Server) release(x *extraction, taken bool) {
	if x.turn == nil {
		return
	}
	ctx := context.Background() // also when the node stops
	var err error
	if taken {
		err = s.store.Done(ctx, *x.turn, s.verifier.ReplayWindow())
	} else {
		err = s.store.Undone(ctx, *x.turn)
	}
	if err != nil {
		s.log.Warn("it could not be noted what became of an extract", "connector", x.conn.id, "error", err)
	}
}
