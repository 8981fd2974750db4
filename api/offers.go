package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/stream"
)

// offerRequest is what an operator posts to send an offer.
type offerRequest struct {
	To        offerTo         `json:"to"`
	Data      json.RawMessage `json:"data"`
	ExpiresIn string          `json:"expires_in"`
	ID        string          `json:"id"`
}

const (
	maxOfferData     = 32 << 10
	maxOfferLife     = 30 * 24 * time.Hour
	defaultOfferLife = 24 * time.Hour
	maxOfferBody     = 2 * maxOfferData // its data may be indented
	offerTag         = "offer"          // of its event's id
)

// offerData is the data of an offer event.
type offerData struct {
	ID        string          `json:"id"`
	Data      json.RawMessage `json:"data"`
	SentAt    string          `json:"sent_at"`
	ExpiresAt string          `json:"expires_at"`
	Tabs      []string        `json:"tabs"`
}

// offerTo is whom an offer is for: one of these.
type offerTo struct {
	Visitor string `json:"visitor,omitempty"`
	Topic   string `json:"topic,omitempty"` // as hull.Topic writes it
	All     bool   `json:"all,omitempty"`
}

// sentOffer is an offer on its way to the streams, of all nodes.
type sentOffer struct {
	ID   string          `json:"id"`
	To   offerTo         `json:"to"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"` // of the event
}

// postOffer sends an offer to the streams that are open now.
func (s *Server) postOffer(c *gin.Context) {
	id, live, err := s.offer(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusAccepted, gin.H{"id": id, "live": live})
}

func (s *Server) offer(c *gin.Context) (id string, live int, err error) {
	conn, err := s.connectors.get(c.Request.Context(), c.Param("connector"))
	if err != nil {
		return "", 0, err
	}
	body, err := readText(c, maxOfferBody)
	if err != nil {
		return "", 0, err
	}
	req := &offerRequest{}
	if err := decode(body, "invalid_request", req); err != nil {
		return "", 0, err
	}
	offer, err := req.offer(s.now())
	if err != nil {
		return "", 0, err
	}
	if s.cluster != nil {
		live, err = s.cluster.offer(c.Request.Context(), conn.id, offer)
	} else {
		live, err = s.deliver(conn.id, offer)
	}
	return offer.ID, live, err
}

// offer makes what is sent, with an id when it has none.
func (r *offerRequest) offer(now time.Time) (*sentOffer, error) {
	to, err := r.To.canonical()
	if err != nil {
		return nil, err
	}
	wrong := newProblem("invalid_request", "The offer cannot be sent as it is.")
	life := defaultOfferLife
	if r.ExpiresIn != "" {
		var err error
		if life, err = time.ParseDuration(r.ExpiresIn); err != nil || life <= 0 || life > maxOfferLife {
			return nil, wrong.at("/expires_in", fmt.Sprintf("is a time such as 10m, at most %v", maxOfferLife))
		}
	}
	if len(r.Data) == 0 || string(r.Data) == "null" {
		return nil, wrong.at("/data", "is missing")
	}
	var data bytes.Buffer
	if err := json.Compact(&data, r.Data); err != nil || data.Len() > maxOfferData {
		return nil, wrong.at("/data", fmt.Sprintf("is JSON of at most %d bytes", maxOfferData))
	}
	if r.ID == "" {
		r.ID = "o_" + rand.Text()
	} else if !saneID(r.ID) {
		return nil, wrong.at("/id", "is at most 64 of A-Za-z0-9._-")
	}
	text, err := encode(offerData{
		ID: r.ID, Data: data.Bytes(), Tabs: []string{},
		SentAt: now.UTC().Format(timeFormat), ExpiresAt: now.Add(life).UTC().Format(timeFormat),
	})
	if err != nil {
		return nil, err
	}
	return &sentOffer{ID: r.ID, To: to, At: now, Data: text}, nil
}

// encode is json.Marshal without escapes for HTML, which would make more of an
// offer's data than an event may have.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSpace(text.Bytes()), err
}

// canonical checks that the offer is for one of them, and has the topic as streams
// have it.
func (to offerTo) canonical() (offerTo, error) {
	wrong := newProblem("invalid_request", "An offer is for one of visitor, topic and all.")
	named := 0
	for _, is := range []bool{to.Visitor != "", to.Topic != "", to.All} {
		if is {
			named++
		}
	}
	if named != 1 {
		return to, wrong.at("/to", fmt.Sprintf("names %d", named))
	}
	if to.Topic != "" {
		topic, err := hull.ParseTopic(to.Topic)
		if err != nil {
			return to, wrong.at("/to/topic", err.Error())
		}
		to.Topic = topic.String()
	}
	return to, nil
}

// deliver sends an offer to the open streams of this node that it is for, and
// returns how many took it.
func (s *Server) deliver(connectorID string, o *sentOffer) (live int, err error) {
	event, err := stream.NewEvent(stream.Fields{
		Type: "offer", Data: o.Data, ID: stream.ID{Version: uint64(o.At.UnixMicro()), Tag: offerTag}, Accepted: o.At,
	})
	if err != nil {
		return 0, err
	}
	if o.To.Topic != "" {
		return s.broker.Send(connectorID, o.To.Topic, event), nil
	}
	meant := func(sub *stream.Subscriber) bool { return o.To.All || sub.Visitor() == o.To.Visitor }
	return s.broker.SendEach(connectorID, meant, event), nil
}
