package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"hullbeam/hull/hulltest"
)

// firehose has a page view forwarded of a connector that tracks them. What is in it is
// Hullbeam's own; it must have the form of the fixture's event, and be about the visitor.
func (r *replay) firehose() error {
	const name, visitor = "rest/firehose-request.json", "replay-0123456789abcdef"
	var request struct {
		Batch []struct {
			Type string
			Body map[string]any
		}
	}
	if err := r.decode(name, &request); err != nil {
		return err
	}
	want := []string{"202"}
	for _, e := range request.Batch {
		if e.Type == "track" {
			want = append(want, fmt.Sprint(e.Type, " of anonymous_id:", visitor, " with ", slices.Sorted(maps.Keys(e.Body))))
		}
	}
	private := json.RawMessage(`{"whitelisted_domains":["www.harbor.example"],"track_page_views":true}`)
	return with(options{private: private}, func(s *server) error {
		token, err := s.token("anonymous_id", visitor)
		if err != nil {
			return err
		}
		view, err := json.Marshal(map[string]string{"token": token, "url": page + "/prices", "view": "1"})
		if err != nil {
			return err
		}
		answered, err := s.post("/api/v1/pages", view, http.Header{"Origin": {page}, "Content-Type": {"application/json"}})
		if err != nil {
			return err
		}
		got := []string{answered.said()}
		for _, e := range s.entries() {
			var body map[string]any
			if err := json.Unmarshal(e.Body, &body); err != nil {
				return err
			}
			for _, topic := range e.Topics {
				got = append(got, fmt.Sprint(e.Type, " of ", topic, " with ", slices.Sorted(maps.Keys(body))))
			}
		}
		r.add(name, "caused by a page view", strings.Join(want, ", "), strings.Join(got, ", "))
		return nil
	})
}

// entries waits for what the pretend Hull's firehose takes, which checks the tokens.
func (s *server) entries() []hulltest.Entry {
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		for _, c := range s.hull.Calls() {
			if len(c.Entries) > 0 && c.Status == http.StatusOK {
				return c.Entries
			}
		}
	}
	return nil
}
