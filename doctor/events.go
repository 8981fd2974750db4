package doctor

import (
	"bufio"
	"context"
	"io"
	"strings"
	"time"
)

// event is one of a stream.
type event struct {
	kind, id, data string
	at             time.Time
}

// maxLine bounds a line of a stream, in bytes: an event's data has at most 64 KiB.
const maxLine = 256 << 10

// readEvents sends the events of a stream (HTML standard, 9.2.6, as far as Hullbeam uses it)
// until it ends, is no stream, or ctx ends; then it closes events. Who does not take them stops
// the reading.
func readEvents(ctx context.Context, body io.Reader, events chan<- event) {
	defer close(events)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	var e event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if lines.Text() != "" || e.kind == "" {
				continue // a comment, or the end of nothing
			}
			e.at = time.Now()
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
			e = event{}
		}
	}
}
