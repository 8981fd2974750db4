package api

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

// receiptRequest is what a page posts when an offer was seen, clicked or dismissed.
type receiptRequest struct {
	Token string `json:"token"`
	Event string `json:"event"`
}

// receipts are what may become of an offer.
var receipts = []string{"seen", "clicked", "dismissed"}

func (s *Server) postReceipt(c *gin.Context) {
	if err := s.receipt(c); err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusAccepted)
}

// receipt takes what became of an offer. It is counted, and believed: which offers a
// visitor was sent is not known here.
func (s *Server) receipt(c *gin.Context) error {
	if !saneID(c.Param("offer")) { // no offer has such an id
		return newProblem("not_found", "There is no such offer.")
	}
	body, err := s.readBrowserBody(c)
	if err != nil {
		return err
	}
	req := &receiptRequest{}
	if err := decode(body, "invalid_request", req); err != nil {
		return err
	}
	g, _, err := s.visitGrant(c, req.Token)
	if err != nil {
		return err
	}
	if !slices.Contains(receipts, req.Event) {
		return wrong("/event", "must be seen, clicked or dismissed")
	}
	if err := s.admitVisitor(g); err != nil {
		return err
	}
	s.metrics.receipts.WithLabelValues(req.Event).Inc()
	return nil
}
