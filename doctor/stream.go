package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// live is a stream as a page sees it.
type live struct {
	answer
	encoding  string        // Content-Encoding, when what browsers accept is offered; "": none
	hung      bool          // no head came
	first     *event        // nil: none came
	waited    time.Duration // until the head, or until the first event, as far as it came
	heartbeat time.Duration // the longest silence to expect, as the first event says; 0: it does not
	events    <-chan event  // those behind the first; closed at its end
}

// begins tells whether it says its first event.
func (l live) begins() bool { return l.first != nil }

// browserCodings is what browsers accept.
const browserCodings = "gzip, deflate, br, zstd"

// watch opens the stream: at first as browsers do, and when it is compressed once more, without.
func (x *examination) watch(ctx context.Context) live {
	l := x.stream(ctx, header("Accept-Encoding", browserCodings), "")
	if encoding := l.encoding; encoding != "" {
		l = x.stream(ctx, header("Accept-Encoding", "identity"), "")
		l.encoding = encoding
	}
	return l
}

// stream opens a stream and waits for its first event, for Config.Patience. It ends with ctx.
// query comes behind the token.
func (x *examination) stream(ctx context.Context, h http.Header, query string) (l live) {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(x.cfg.Patience, cancel)
	h.Set("Accept", "text/event-stream")
	h.Set("Origin", x.cfg.Origin)
	address := x.streamURL() + "?token=" + url.QueryEscape(x.token().Token) + query
	if h.Get("Authorization") != "" {
		address = x.streamURL()
	}
	res, a := x.open(ctx, request{url: address, header: h})
	l.answer, l.waited = a, time.Since(began)
	if l.hung = !late.Stop(); l.hung || a.err != nil {
		cancel()
		return l
	}
	if a.status != http.StatusOK {
		defer cancel()
		defer time.AfterFunc(x.cfg.Patience, cancel).Stop()
		l.body = readSome(res)
		return l
	}
	if l.encoding = codingOf(a); l.encoding != "" { // nothing of it can be read
		defer cancel()
		res.Body.Close()
		return l
	}
	events := make(chan event)
	l.events = events
	x.running.Go(func() {
		defer cancel()
		defer res.Body.Close()
		readEvents(ctx, res.Body, events)
	})
	l.awaitFirst(ctx, x.cfg.Patience)
	l.waited = time.Since(began)
	return l
}

// codingOf is an answer's Content-Encoding; "" when it has none.
func codingOf(a answer) string {
	if coding := a.header.Get("Content-Encoding"); coding != "identity" {
		return coding
	}
	return ""
}

// readSome reads the body of a refusal, as much of it as comes before the request is cancelled.
func readSome(res *http.Response) []byte {
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	return body
}

func (l *live) awaitFirst(ctx context.Context, patience time.Duration) {
	e, in := next(ctx, l.events, patience)
	if !in {
		return
	}
	l.first = &e
	var joined struct {
		HeartbeatMS int64 `json:"heartbeat_ms"`
	}
	if e.kind == "room.joined" && json.Unmarshal([]byte(e.data), &joined) == nil {
		l.heartbeat = time.Duration(min(max(0, joined.HeartbeatMS), 600_000)) * time.Millisecond
	}
}

// next is the next event, if one comes within patience.
func next(ctx context.Context, events <-chan event, patience time.Duration) (e event, in bool) {
	select {
	case e, in = <-events:
	case <-time.After(patience):
	case <-ctx.Done():
	}
	return e, in
}

// checkStream tells what the stream's request is answered.
func (x *examination) checkStream(ctx context.Context) verdict {
	l := x.live()
	code, _ := l.problem()
	switch {
	case l.hung:
		return unchecked("its answer does not come: see buffering")
	case l.err != nil:
		return fail("nginx: location /api/v1/stream { proxy_pass …; }", "it cannot be opened: %v", l.answer)
	case l.status == http.StatusOK && !strings.HasPrefix(l.header.Get("Content-Type"), "text/event-stream"):
		return fail("nginx: location /api/v1/stream { proxy_pass …; } and nothing that changes Content-Type", "it comes as %q", quote(l.header.Get("Content-Type")))
	case l.status == http.StatusOK && x.wrongAllowOrigin(l.answer) != "" && x.cors().status == OK:
		return fail(takeCORSAway, "the stream comes %s", x.wrongAllowOrigin(l.answer))
	case l.status == http.StatusOK:
		return ok("a stream is open")
	case code == "token_invalid":
		return unchecked("its token is not taken: see query")
	case code == "unavailable" && x.isUnready(ctx):
		return unchecked("the node is not ready")
	case code != "":
		return fail("config.yaml: stream.max_streams, limits.streams_per_address (with trusted_proxies), as the detail says", "refused: %v", l.answer)
	}
	return fail("nginx: location /api/v1/stream { proxy_pass …; }", "the proxy answers in Hullbeam's place: %v", l.answer)
}

// checkQuery looks whether the token, which an EventSource can only say in the query, arrives.
func (x *examination) checkQuery(ctx context.Context) verdict {
	l := x.live()
	if code, _ := l.problem(); code != "token_invalid" {
		if l.status == http.StatusOK {
			return ok("the stream's query arrives")
		}
		return unchecked("no stream is open")
	}
	if other := x.stream(ctx, header("Authorization", "Bearer "+x.token().Token), ""); other.status == http.StatusOK {
		return fail("nginx: proxy_pass http://ADDRESS; without a path (or with $is_args$args behind it)", "a token in the query does not arrive, in a header it does")
	}
	return fail("config.yaml: secret (SECRET): the same on every node", "a token that was given just now is refused: %v", l.answer)
}

// longToken is as long as tokens get (docs/protocol.md).
var longToken = strings.Repeat("A", 7<<10)

// checkRequestLine asks over a connection of its own: over HTTP/2 who takes no such line may close
// the connection, and with it what others have asked.
func (x *examination) checkRequestLine(ctx context.Context) verdict {
	alone := &examination{cfg: x.cfg, client: newClient(x.cfg)}
	defer alone.client.CloseIdleConnections()
	a := alone.ask(ctx, request{url: x.streamURL() + "?token=" + longToken, header: header("Origin", x.cfg.Origin)})
	if a.late() {
		return unchecked("a token of 7 KiB is answered %v", a)
	}
	if code, _ := a.problem(); code == "" {
		return fail("nginx: large_client_header_buffers 4 16k; (HAProxy: tune.bufsize 32768)", "a token of 7 KiB, as long as they get, is answered %v", a)
	}
	return ok("a token of 7 KiB arrives")
}

func (x *examination) checkBuffering(context.Context) verdict {
	const change = "nginx: proxy_buffering off; in location /api/v1/stream, and no proxy_ignore_headers X-Accel-Buffering"
	l := x.live()
	quick := x.arrival().came.Sub(x.arrival().sent).Round(time.Millisecond)
	switch {
	case l.hung:
		return fail(change, "the stream's answer does not begin within %v, though others come in %v", x.cfg.Patience, quick)
	case l.status != http.StatusOK:
		return unchecked("no stream is open")
	case codingOf(l.answer) != "":
		return unchecked("the stream is compressed whatever is asked for: see compression")
	case !l.begins():
		return fail(change, "no event comes within %v, though others are answered in %v%s", l.waited.Round(time.Millisecond), quick, l.saysBuffering())
	}
	return ok("the first event comes at once, after %v", l.waited.Round(time.Millisecond))
}

// saysBuffering is what the stream says to proxies. nginx keeps it to itself.
func (l live) saysBuffering() string {
	if l.header.Get("X-Accel-Buffering") != "" {
		return "; X-Accel-Buffering: no arrives here, so what buffers is not nginx, or does not heed it"
	}
	return "; X-Accel-Buffering does not arrive here, which nginx keeps and others may have taken away"
}

func (x *examination) checkCompression(context.Context) verdict {
	l := x.live()
	switch {
	case l.hung || l.status != http.StatusOK:
		return unchecked("no stream is open")
	case l.encoding != "":
		return fail("nginx: gzip off; in location /api/v1/stream, or no text/event-stream and * in gzip_types (the same for brotli_types)", "the stream comes with Content-Encoding: %s", quote(l.encoding))
	}
	return ok("the stream is not compressed")
}

// checkIdle holds the stream through two heartbeats, or for Config.Idle.
func (x *examination) checkIdle(ctx context.Context) verdict {
	l := x.live()
	if l.heartbeat == 0 {
		return unchecked("the first event does not say heartbeat_ms")
	}
	patience := l.heartbeat + max(l.heartbeat/2, x.cfg.Patience)
	opened, last, beats := l.first.at, *l.first, 0
	for {
		e, in := next(ctx, l.events, patience)
		switch {
		case ctx.Err() != nil:
			return unchecked("the time was over (--timeout) after %v, without a cut", time.Since(opened).Round(time.Second))
		case !in && last.kind == "close":
			return unchecked("the server has closed the stream itself: %s", quote(last.data))
		case !in:
			return x.silent(l, opened, last.at, patience)
		}
		last = e
		if e.kind == "heartbeat" {
			beats++
		}
		if held := time.Since(opened); x.cfg.Idle > 0 && held >= x.cfg.Idle || x.cfg.Idle == 0 && beats == 2 {
			return ok("nothing cuts it: %d heartbeats in %v", beats, held.Round(time.Second))
		}
	}
}

// silent says how a stream ended that was not closed, or went silent.
func (x *examination) silent(l live, opened, last time.Time, patience time.Duration) verdict {
	change := fmt.Sprintf("nginx: proxy_read_timeout %ds; (HAProxy: timeout server and timeout tunnel), or config.yaml: stream.heartbeat: less than the proxy's time-out (now %v)",
		max(60, int(4*l.heartbeat/time.Second)), l.heartbeat)
	silence := time.Since(last)
	if silence >= patience {
		return fail(change, "no heartbeat for %v, and one is due each %v: the connection is dead, or the proxy holds events back", silence.Round(time.Second), l.heartbeat)
	}
	return fail(change, "the stream was cut %v after it was opened, %v after its last event, without a close event", time.Since(opened).Round(100*time.Millisecond), silence.Round(100*time.Millisecond))
}

// checkResume opens a stream behind an event that was seen: its snapshot does not come again,
// unless Last-Event-ID gets lost on the way.
func (x *examination) checkResume(ctx context.Context) verdict {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := x.identified(ctx, header(), "", x.cfg.Patience)
	if seen == "" {
		return unchecked("nothing is known of the visitor: give --anonymous-id, one that Hullbeam knows")
	}
	const while = time.Second // a snapshot comes with the first event
	if x.identified(ctx, header("Last-Event-ID", seen), "", while) != seen {
		return ok("Last-Event-ID arrives")
	}
	if x.identified(ctx, header(), "&last_event_id="+url.QueryEscape(seen), while) == seen {
		return unchecked("the server says a snapshot again, whatever was seen")
	}
	return fail("nginx: proxy_set_header Last-Event-ID $http_last_event_id; (or take the line away that empties it)", "an event that was seen comes again after Last-Event-ID, and does not after last_event_id in the query")
}

// identified is the id of the first event that has one, if it comes within patience.
func (x *examination) identified(ctx context.Context, h http.Header, query string, patience time.Duration) string {
	l := x.stream(ctx, h, query)
	until := time.Now().Add(patience)
	for l.begins() {
		e, in := next(ctx, l.events, time.Until(until))
		if !in || e.id != "" {
			return e.id
		}
	}
	return ""
}
