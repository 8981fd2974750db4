package hulltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"hullbeam/hull"
)

const (
	firstBatch = 100              // messages of a notification until an answer says otherwise
	maxTries   = 5                // of a notification that is answered with retry
	maxPause   = 10 * time.Second // between two, whatever an answer asks for
)

// Delivery is a notification that was sent, and what came of it.
type Delivery struct {
	Connector   string           `json:"connector"`
	ID          string           `json:"notification_id"`
	Channel     string           `json:"channel"`
	Messages    int              `json:"messages"`
	Tries       int              `json:"tries"`
	Status      int              `json:"status"` // of the last answer; 0: there was none
	FlowControl hull.FlowControl `json:"flow_control"`
	Code        string           `json:"code,omitzero"` // of the error that it names
}

// Taken tells whether the receiver has it now.
func (d Delivery) Taken() bool { return d.Status == http.StatusOK && d.FlowControl.Type != "retry" }

// newHTTPClient follows no redirect, and keeps no connection for which somebody would
// have to care.
func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// notification is what Hull would tell a connector.
type notification struct {
	channel  string
	messages []any
	export   bool // a replay
}

// notify tells the connectors, one after the other, and obeys their answers: a
// notification that is to be sent again has the same id, and how many messages are in
// the next one is theirs to say. The caller has the turn. Errors are those of ctx, or
// that an address is not reached.
func (s *Server) notify(ctx context.Context, n notification) (sent []Delivery, err error) {
	s.mu.Lock()
	connectors := slices.Collect(maps.Values(s.connectors))
	s.mu.Unlock()
	for _, c := range connectors {
		if c.url == "" {
			continue
		}
		deliveries, err := s.notifyOne(ctx, c, n)
		sent = append(sent, deliveries...)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (s *Server) notifyOne(ctx context.Context, c connector, n notification) (sent []Delivery, err error) {
	for messages := n.messages; len(messages) > 0; {
		batch := messages[:min(s.batchSize(), len(messages))]
		d := Delivery{Connector: c.credentials.ConnectorID, ID: rand.Text(), Channel: n.channel}
		for d.Tries < maxTries && !d.Taken() {
			if d.Tries > 0 {
				batch = batch[:min(s.batchSize(), len(batch))]
				if err := wait(ctx, d.FlowControl); err != nil {
					return append(sent, d), err
				}
			}
			d.Tries, d.Messages = d.Tries+1, len(batch)
			if err := s.send(ctx, c, n, batch, &d); err != nil {
				return append(sent, d), err
			}
		}
		if sent = append(sent, d); !d.Taken() {
			break // Hull, too, gives up some time
		}
		if messages = messages[len(batch):]; len(messages) > 0 {
			if err := wait(ctx, d.FlowControl); err != nil {
				return sent, err
			}
		}
	}
	return sent, nil
}

// batchSize is how many messages the next notification has.
func (s *Server) batchSize() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batch
}

// send sends one notification, and puts what is answered into d.
func (s *Server) send(ctx context.Context, c connector, n notification, batch []any, d *Delivery) error {
	body, err := json.Marshal(s.envelope(c, n, batch, d.ID))
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/smart-notifier", bytes.NewReader(body))
	if err != nil {
		return err
	}
	s.mu.Lock()
	request.Header = s.key.Headers(d.ID, "https://"+c.credentials.Organization+KeyPath, time.Now())
	s.mu.Unlock()
	response, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("sending a notification: %w", err)
	}
	defer response.Body.Close()
	var answer hull.Answer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("the answer to a notification, %s: %w", response.Status, err)
	}
	d.Status, d.FlowControl, d.Code = response.StatusCode, answer.FlowControl, ""
	if answer.Error != nil {
		d.Code = answer.Error.Code
	}
	if answer.FlowControl.Size > 0 {
		s.mu.Lock()
		s.batch = answer.FlowControl.Size
		s.mu.Unlock()
	}
	return nil
}

// envelope is a notification's body (docs/hull-protocol.md 2.2).
func (s *Server) envelope(c connector, n notification, batch []any, id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	envelope := map[string]any{
		"notification_id": id,
		"configuration": map[string]string{
			"id": c.credentials.ConnectorID, "organization": c.credentials.Organization, "secret": c.credentials.Secret,
		},
		"connector":         s.connectors[c.credentials.ConnectorID].app,
		"channel":           n.channel,
		"messages":          batch,
		"segments":          s.segmentsLocked(usersSegment),
		"accounts_segments": s.segmentsLocked(accountsSegment),
	}
	if n.export {
		envelope["is_export"] = true
	}
	return envelope
}

// wait waits as long as an answer asks for.
func wait(ctx context.Context, flow hull.FlowControl) error {
	timer := time.NewTimer(min(time.Duration(flow.In)*time.Millisecond, maxPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
