package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"hullbeam/stream/streamtest"
)

// patience is how long an event may take, on a machine that has much to do.
const patience = 20 * time.Second

// opened is a page's stream.
type opened struct {
	events chan streamtest.Event // closed at its end
	close  context.CancelFunc
}

// token is that of a page that knows one identity of its visitor.
func (s *server) token(kind, value string) (string, error) {
	claims, err := json.Marshal(map[string]any{"claims": map[string]string{kind: value}})
	if err != nil {
		return "", err
	}
	answered, err := s.post("/api/v1/connectors/"+ship+"/token", claims, http.Header{"Origin": {page}, "Content-Type": {"application/json"}})
	if err != nil {
		return "", err
	}
	var token struct{ Token string }
	if json.Unmarshal(answered.body, &token) != nil || token.Token == "" {
		return "", fmt.Errorf("no token: %s", answered.said())
	}
	return token.Token, nil
}

// open opens a stream, as a page that knows one identity of its visitor.
func (s *server) open(kind, value string) (*opened, error) {
	token, err := s.token(kind, value)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/stream?token="+token, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	response, err := client.Transport.RoundTrip(request) // without the client's time-out
	if err != nil {
		cancel()
		return nil, err
	}
	o := &opened{make(chan streamtest.Event, 256), cancel}
	go func() {
		defer close(o.events)
		defer response.Body.Close()
		for event, err := range streamtest.Read(response.Body) {
			if err != nil {
				return
			}
			o.events <- event
		}
	}()
	return o, nil
}

// until reads events until one is as wanted, and tells whether one was.
func (o *opened) until(wanted func(streamtest.Event) bool) bool {
	late := time.After(patience)
	for {
		select {
		case event, ok := <-o.events:
			if !ok {
				return false
			}
			if wanted(event) {
				return true
			}
		case <-late:
			return false
		}
	}
}

// isType wants an event of a type.
func isType(name string) func(streamtest.Event) bool {
	return func(e streamtest.Event) bool { return e.Type == name }
}
