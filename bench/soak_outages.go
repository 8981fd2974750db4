package bench

import (
	"os"
	"strings"
	"sync"
	"time"
)

// outages knows what the mark file says.
type outages struct {
	path  string
	grace time.Duration

	mu    sync.Mutex
	over  int64 // clock, when the last one was
	read  int   // bytes of the file
	down  bool
	marks []Mark
	began int64 // clock, of what marks count from
}

// Mark is something that happened in a run and is not of the server's doing.
type Mark struct {
	// At is seconds after the beginning.
	At   float64 `json:"at"`
	Text string  `json:"text"`
}

// excuse tells whether requests may be refused now, since there is an outage, or it was
// over less than grace ago; and when the last one was over.
func (o *outages) excuse(now int64) (excused bool, over int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.readLocked(now)
	return o.down || o.over > 0 && now-o.over < int64(o.grace), o.over
}

func (o *outages) readLocked(now int64) {
	if o.path == "" {
		return
	}
	text, err := os.ReadFile(o.path)
	if err != nil || len(text) <= o.read {
		return
	}
	for line := range strings.Lines(string(text[o.read:])) {
		if !strings.HasSuffix(line, "\n") {
			return
		}
		o.read += len(line)
		what, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case what == "up":
			o.down, o.over = false, now
		case what == "down" && len(o.marks) < maxSamples:
			o.down = true
			o.marks = append(o.marks, Mark{round(float64(now-o.began) / 1e9), name})
		}
	}
}
