package attack

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// event is one of an event stream, as a browser reads it (HTML standard, 9.2.6).
type event struct{ kind, data, id string }

// stream is an open event stream.
type stream struct {
	x      *try
	events chan event // closed when it ends
	close  func()
}

// open opens a stream with a token.
func (x *try) open(token string, header ...[2]string) *stream {
	return x.openAt("/api/v1/stream?token="+url.QueryEscape(token), header...)
}

func (x *try) openAt(path string, header ...[2]string) *stream {
	ctx, cancel := context.WithCancel(x.ctx)
	request, err := http.NewRequestWithContext(ctx, "GET", x.URL+path, nil)
	if err != nil {
		x.stop("no request for a stream: %v", err)
	}
	for _, h := range header {
		request.Header.Add(h[0], h[1])
	}
	response, err := plainClient.Do(request)
	if err != nil {
		cancel()
		x.stop("no stream: %v", err)
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		cancel()
		x.stop("a stream is answered %d", response.StatusCode)
	}
	s := &stream{x, make(chan event, 64), cancel}
	go s.follow(response)
	return s
}

// follow reads the events of a stream until it ends.
func (s *stream) follow(response *http.Response) {
	defer response.Body.Close()
	defer close(s.events)
	read(bufio.NewReader(response.Body), s.events)
}

// read reads events until the stream ends. A line may end in CR, LF or both.
func read(r *bufio.Reader, events chan<- event) {
	e := event{}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(strings.TrimRight(line, "\r\n"), "\r") {
			name, value, _ := strings.Cut(part, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "event":
				e.kind = value
			case "data":
				e.data += value
			case "id":
				e.id = value
			case "":
				if e.kind != "" || e.data != "" {
					events <- e
				}
				e = event{}
			}
		}
	}
}

// next waits for an event of one of these kinds; others are passed over.
func (s *stream) next(kinds ...string) event {
	late := time.After(patience)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.x.stop("the stream ended before %s", strings.Join(kinds, " or "))
			}
			if slices.Contains(kinds, e.kind) {
				return e
			}
		case <-late:
			s.x.stop("no %s came", strings.Join(kinds, " or "))
		}
	}
}

// first opens a stream, and returns what it is first told of a user: user.update,
// cache.miss, user.private.
func (x *try) first(token string) event {
	s := x.open(token)
	defer s.close()
	return s.next("user.update", "cache.miss", "user.private", "close")
}
