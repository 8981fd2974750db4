package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"hullbeam/stream"
)

func TestDeliveryIsOverWithTheLastStream(t *testing.T) {
	for _, test := range []struct {
		name                string
		before, after, want int // streams that are written to before and after it is known that there are two
		waits               time.Duration
	}{
		{"both are written to at once", 2, 0, 2, 0},
		{"both are written to later", 0, 2, 2, time.Second},
		{"one each", 1, 1, 2, time.Second},
		{"one is slow", 1, 0, 1, 5 * time.Second},
		{"both are slow", 0, 0, 0, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, calls := time.Now(), 0
				d := stream.NewDelivery(func(written int, last time.Time) {
					calls++
					if took := time.Since(began); written != test.want || took != test.waits || last.IsZero() != (written == 0) {
						t.Errorf("%d streams after %v, the last at %v; want %d after %v", written, took, last, test.want, test.waits)
					}
				})
				for range test.before {
					d.Wrote(time.Now())
				}
				d.Expect(2, 5*time.Second)
				time.Sleep(time.Second)
				for range test.after {
					d.Wrote(time.Now())
				}
				time.Sleep(time.Minute)
				d.Wrote(time.Now()) // of one who comes too late
				if calls != 1 {
					t.Errorf("it was over %d times", calls)
				}
			})
		})
	}
}

func TestDecodeTracedMessage(t *testing.T) {
	update := func(trace string) string {
		return "\x01" + trace + "u\x00\x00\x00\x00\x00\x00\x00\x07" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "{}"
	}
	for name, test := range map[string]struct {
		message, trace string
		damaged        bool
	}{
		"not traced":              {update(""), "", false},
		"traced":                  {update("T\x00\x00\x00\x03abc"), "abc", false},
		"an empty trace":          {update("T\x00\x00\x00\x00"), "", false},
		"longer than the message": {update("T\x00\x00\xff\x00"), "", true},
		"nothing behind it":       {"\x01T\x00\x00\x00\x03abc", "", true},
		"traced twice":            {update("T\x00\x00\x00\x01aT\x00\x00\x00\x01b"), "", true},
	} {
		m, err := stream.DecodeMessage(test.message)
		if (err != nil) != test.damaged {
			t.Errorf("%s: error %v", name, err)
		}
		if u, _ := m.(stream.Update); err == nil && (u.Trace != test.trace || u.Version != 7 || string(u.State) != "{}") {
			t.Errorf("%s: got %+v", name, m)
		}
	}
}
