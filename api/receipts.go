package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"hullbeam/store"
)

// receiptRequest is what a page posts when an offer was seen, clicked or dismissed.
type receiptRequest struct {
	Token string `json:"token"`
	Event string `json:"event"`
}

// receipts are what may become of an offer.
var receipts = map[string]store.OfferStep{"seen": store.OfferSeen, "clicked": store.OfferClicked, "dismissed": store.OfferDismissed}

func (s *Server) postReceipt(c *gin.Context) {
	if err := s.receipt(c); err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusAccepted)
}

// receipt takes what became of an offer that the visitor was sent.
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
	step, ok := receipts[req.Event]
	if !ok {
		return wrong("/event", "must be seen, clicked or dismissed")
	}
	if err := s.admitVisitor(g); err != nil {
		return err
	}
	offer := c.Param("offer")
	if err := s.markReceipt(c.Request.Context(), g, offer, step); err != nil {
		return err
	}
	s.metrics.receipts.WithLabelValues(req.Event).Inc()
	s.noteReceipt(c.Request.Context(), g.Connector, offer, g.Visitor, req.Event)
	return nil
}
