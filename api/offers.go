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
	To struct {
		Visitor string `json:"visitor"`
		Topic   string `json:"topic"`
		All     bool   `json:"all"`
	} `json:"to"`
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
	send, err := s.receivers(conn.id, req)
	if err != nil {
		return "", 0, err
	}
	event, err := req.event(s.now())
	if err != nil {
		return "", 0, err
	}
	return req.ID, send(event), nil
}

// receivers are whom an offer is for, as the way to send it to them.
func (s *Server) receivers(connectorID string, req *offerRequest) (send func(*stream.Event) int, err error) {
	wrong := newProblem("invalid_request", "An offer is for one of visitor, topic and all.")
	named := 0
	if to := req.To.Visitor; to != "" {
		named++
		send = func(e *stream.Event) int {
			return s.broker.SendEach(connectorID, func(sub *stream.Subscriber) bool { return sub.Visitor() == to }, e)
		}
	}
	if req.To.Topic != "" {
		topic, err := hull.ParseTopic(req.To.Topic)
		if err != nil {
			return nil, wrong.at("/to/topic", err.Error())
		}
		named++
		send = func(e *stream.Event) int { return s.broker.Send(connectorID, topic.String(), e) }
	}
	if req.To.All {
		named++
		send = func(e *stream.Event) int {
			return s.broker.SendEach(connectorID, func(*stream.Subscriber) bool { return true }, e)
		}
	}
	if named != 1 {
		return nil, wrong.at("/to", fmt.Sprintf("names %d", named))
	}
	return send, nil
}

// event makes the offer's event and, when it has none, its id.
func (r *offerRequest) event(now time.Time) (*stream.Event, error) {
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
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // it would make more of it than an event may have
	err := encoder.Encode(offerData{
		ID: r.ID, Data: data.Bytes(), Tabs: []string{},
		SentAt: now.UTC().Format(timeFormat), ExpiresAt: now.Add(life).UTC().Format(timeFormat),
	})
	if err != nil {
		return nil, err
	}
	return stream.NewEvent(stream.Fields{
		Type: "offer", Data: bytes.TrimSpace(text.Bytes()), ID: stream.ID{Version: uint64(now.UnixMicro()), Tag: offerTag}, Accepted: now,
	})
}
