package hull_test

import (
	"errors"
	"testing"
	"time"

	"hullbeam/hull"
)

// Hull is asked for as much as is really taken, and is left to wait for as long as
// that takes.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		name     string
		messages int
		took     time.Duration // each of many notifications
		size, in int
	}{
		{"nothing taken yet", 0, 0, 100, 100},
		{"as fast as usual", 100, 20 * time.Millisecond, 100, 100},
		{"a second for a hundred", 100, time.Second, 100, 100},
		{"two seconds for a hundred", 100, 2 * time.Second, 50, 2000},
		{"five seconds for fifty", 50, 5 * time.Second, 10, 10000},
		{"a minute for a hundred", 100, time.Minute, 10, 10000},
		{"single messages that wait for a sync", 1, 50 * time.Millisecond, 100, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p hull.Pace
			for range 100 {
				p.Took(c.messages, c.took)
			}
			flow := p.Next("user:update").FlowControl
			if near := flow.Size - c.size; flow.Type != "next" || near < 0 || near > 1 || flow.In > c.in || flow.In < c.in*98/100 {
				t.Errorf("got %+v, want size %d in %d", flow, c.size, c.in)
			}
		})
	}
}

func TestPaceRecovers(t *testing.T) {
	var p hull.Pace
	for range 20 {
		p.Took(100, 10*time.Second)
	}
	if flow := p.Next("user:update").FlowControl; flow.Size > 20 {
		t.Errorf("slow: got %+v", flow)
	}
	if flow := p.Next("ship:update").FlowControl; flow.Size != 50 || flow.In != 1 {
		t.Errorf("another channel: got %+v", flow)
	}
	for range 60 {
		p.Took(100, 10*time.Millisecond)
	}
	if flow := p.Next("user:update").FlowControl; flow.Size != 100 || flow.In != 100 {
		t.Errorf("fast again: got %+v", flow)
	}
}

// C16: what can never succeed is not asked for again as it is; what may, after as long
// as a batch takes.
func TestC16RetryAfterWhatABatchTakes(t *testing.T) {
	var p hull.Pace
	_, quick := p.Retry(hull.ErrUnavailable)
	for range 100 {
		p.Took(100, 5*time.Second)
	}
	for name, c := range map[string]struct {
		err      error
		status   int
		size, in int
	}{
		"unavailable":            {hull.ErrUnavailable, 503, 10, 5000},
		"something else":         {errors.New("the disk is gone"), 503, 10, 5000},
		"too large":              {hull.ErrEntityTooLarge, 413, 1, 0},
		"refused":                {hull.ErrInvalidSignature, 400, 10, 1000},
		"refused for its secret": {hull.ErrInvalidConfiguration, 400, 10, 1000},
	} {
		status, answer := p.Retry(c.err)
		flow := answer.FlowControl
		if status != c.status || flow.Type != "retry" || flow.Size != c.size || flow.In > c.in || flow.In < c.in*98/100 {
			t.Errorf("%s: got %d %+v", name, status, flow)
		}
	}
	if quick.FlowControl.In != 1000 {
		t.Errorf("a quick node: got %+v", quick.FlowControl)
	}
}
