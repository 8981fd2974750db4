package shiptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hullbeam/internal/proctest"
)

// answer is how a server meets one request for an event stream.
type answer func(http.ResponseWriter, *http.Request)

// says streams text, then an event that ends the case, and stays open.
func says(text string) answer {
	return streams("text/event-stream", text+"event: end\ndata:\n\n", true)
}

// ends streams text, and the body ends after it. The reconnection time is set to 1 ms before.
func ends(text string) answer { return streams("text/event-stream", "retry: 1\n\n"+text, false) }

// is streams an event as another content type.
func is(contentType string) answer {
	return streams(contentType, "data: a\n\nevent: end\ndata:\n\n", false)
}

func streams(contentType, text string, stays bool) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, text)
		if stays {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}
}

// breaks streams text, and a while later the connection ends amid the body: Chromium may
// drop events that it reads together with the break.
func breaks(text string) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		ends(text)(w, r)
		w.(http.Flusher).Flush()
		time.Sleep(time.Second)
		panic(http.ErrAbortHandler)
	}
}

// status refuses, and says when to come again.
func status(code int) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(code)
	}
}

// redirects leads to the next answer.
func redirects(code int) answer {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(code)
	}
}

// withoutCORS streams, but lets no page of another origin read it.
func withoutCORS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "data: a\n\n")
}

// scripted is what a server does: its first request gets the first answer, and so on; what
// comes after the last one is answered as says("") does.
type scripted struct {
	mu      sync.Mutex
	answers []answer
	asked   []string // the requests: GET, and their Last-Event-ID if they have one
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	asked := r.Method
	if ids, sent := r.Header["Last-Event-Id"]; sent {
		asked += fmt.Sprintf(" %s", ids)
	}
	s.asked = append(s.asked, asked)
	next := says("")
	if len(s.answers) > 0 {
		next, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	next(w, r)
}

func (s *scripted) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, ", ")
}

// watching is what a page of these tests has. watch listens to an EventSource until the
// event "end" or until it is closed, and answers what it heard, which grows if it goes on
// to hear: an event as its type, data and id, and what state an error left it in. settled
// comes when another stream has reconnected several times after a millisecond each: what
// reconnects as soon has done so too.
const watching = `<script>
	const states = ["connecting", "open", "closed"];
	const watch = (url, each = () => {}) => new Promise((done) => {
		const source = new EventSource(url), heard = [];
		const hear = (e) => {
			if (e.type != "end") {
				heard.push("data" in e ? e.type + "=" + e.data + (e.lastEventId && "@" + e.lastEventId) : states[source.readyState]);
				each(e, source);
			} else source.close();
			if (source.readyState == 2) done(heard);
		};
		for (const type of ["open", "error", "message", "user.update", "a-b", "Case", "end"]) source.addEventListener(type, hear);
	});
	const settled = () => new Promise((done) => {
		const source = new EventSource("/again");
		let times = 0;
		source.onopen = () => ++times == 5 && (source.close(), done());
	});
</script>`

// What is relied on is told in the order of the facts about server-sent events: how a
// stream is read, what answers do, which ids are sent, and who may read. A row is a
// sentence on EventSource, what a server does, what a page hears of it, and, where they
// matter, which requests were made.
func TestEventSource(t *testing.T) {
	t.Parallel()
	const once, twice = `watch(url)`, `watch(url, (e, s) => e.type == "message" && s.close()).then((first) => watch(url).then((then) => [...first, ...then]))`
	const closes = `watch(url, (e, s) => e.type == "message" && s.close())`
	const gives = `watch(url, (e, s) => states[s.readyState] == "connecting" && s.close())`
	reads := func(sentence, bytes, hears string) eventSourceCase {
		return eventSourceCase{sentence, once, []answer{says(bytes)}, "open | " + hears, "GET"}
	}
	cases := []eventSourceCase{
		// Framing.
		reads("one byte order mark is dropped", "\ufeffdata: a\n\n", "message=a"),
		reads("a second one spoils its line", "\ufeff\ufeffdata: a\n\ndata: b\n\n", "message=b"),
		reads("LF ends lines", "data: a\ndata: b\n\n", "message=a\nb"),
		reads("CRLF ends lines", "data: a\r\ndata: b\r\n\r\n", "message=a\nb"),
		reads("CR ends lines", "data: a\rdata: b\r\r", "message=a\nb"),
		reads("a CR amid data ends the line", "data: a\rb\n\n", "message=a"),
		reads("text is UTF-8", "data: žluťoučký 🐎\n\n", "message=žluťoučký 🐎"),
		reads("one space after the colon is dropped", "data:  a\n\ndata:b\n\n", "message= a | message=b"),
		reads("only the first colon splits", "data: a: b\n\n", "message=a: b"),
		reads("names of fields are case-sensitive, and unknown ones ignored", "Data: a\nfoo: b\ndata: c\n\n", "message=c"),
		reads("comments are not seen", ": a\n\n:\n\ndata: b\n: c\n\n", "message=b"),
		reads("a block without data is no event", "event: user.update\n\ndata: a\n\n", "message=a"),
		reads("empty data is an event", "data\n\ndata:\n\n", "message= | message="),
		reads("an event has its type, for itself alone", "event: user.update\ndata: a\n\ndata: b\n\n", "user.update=a | message=b"),
		reads("dots, dashes and case are of the type", "event: a-b\ndata: a\n\nevent: Case\ndata: b\n\nevent: case\ndata: c\n\n", "a-b=a | Case=b"),
		reads("an empty type is message", "event:\ndata: a\n\n", "message=a"),
		reads("an event of type error is told as errors are, with data", "event: error\ndata: a\n\n", "error=a"),
		reads("an id stays until the next", "data: a\nid: 1\n\ndata: b\n\nid: 2\ndata: c\n\n", "message=a@1 | message=b@1 | message=c@2"),
		reads("an empty id takes it back", "data: a\nid: 1\n\ndata: b\nid\n\n", "message=a@1 | message=b"),
		reads("an id with NUL is ignored", "data: a\nid: 1\n\ndata: b\nid: 2\x003\n\n", "message=a@1 | message=b@1"),
		reads("an id without data counts", "id: 1\n\ndata: a\n\n", "message=a@1"),
		{"what a body's end cuts off is dropped", once, []answer{ends("data: a\n\ndata: b\n")}, "open | message=a | connecting | open", "GET, GET"},
		{"its id is dropped too", once, []answer{ends("data: a\nid: 1\n\ndata: b\nid: 2\n")}, "open | message=a@1 | connecting | open", "GET, GET [1]"},
		{"an id before its data is dropped too", once, []answer{breaks("data: a\nid: 1\n\nid: 2\ndata: b")}, "open | message=a@1 | connecting | open", "GET, GET [1]"},
		{"retry sets the time to the next connection", once, []answer{ends("")}, "open | connecting | open", "GET, GET"},
		{"retry is ignored unless it is digits", once, []answer{ends("retry: 9e9\nretry: -9\nretry: 99999999 \nretry:\n\n")}, "open | connecting | open", "GET, GET"},
		{"retry may have zeros in front", once, []answer{ends("retry: 0002\n\n")}, "open | connecting | open", "GET, GET"},

		// Answers.
		{"a charset of utf-8 is an event stream", once, []answer{is("text/event-stream;charset=UTF-8")}, "open | message=a", "GET"},
		{"another content type ends it for good", once, []answer{is("text/plain")}, "closed", "GET"},
		{"no content type ends it for good", once, []answer{is("")}, "closed", "GET"},
		{"a proxy's page of another type ends it at a reconnection", once, []answer{ends(""), is("text/html")}, "open | connecting | closed", "GET, GET"},
		{"a body's end has it reconnect", once, []answer{ends("data: a\n\n"), ends("data: b\n\n")}, "open | message=a | connecting | open | message=b | connecting | open", "GET, GET, GET"},
		{"a broken connection has it reconnect", once, []answer{breaks("data: a\n\n")}, "open | message=a | connecting | open", "GET, GET"},
		{"a missing CORS header ends it for good", once, []answer{withoutCORS}, "closed", "GET"},
		{"a missing CORS header ends it at a reconnection", once, []answer{ends(""), withoutCORS}, "open | connecting | closed", "GET, GET"},
		{"close ends it", closes, []answer{ends("data: a\n\ndata: b\n\n")}, "open | message=a", "GET"},
		{"close ends it between connections", gives, []answer{ends("data: a\n\n")}, "open | message=a | connecting", "GET"},
		{"window.stop ends it", `watch(url, (e, s) => e.type == "message" && window.stop())`, []answer{ends("data: a\n\n")}, "open | message=a | closed", "GET"},

		// Ids.
		{"the last id is sent at each reconnection", once, []answer{ends("data: a\nid: 1-b_C.d\n\n"), ends(""), ends("data: b\nid: 2\n\n")},
			"open | message=a@1-b_C.d | connecting | open | connecting | open | message=b@2 | connecting | open", "GET, GET [1-b_C.d], GET [1-b_C.d], GET [2]"},
		{"an id that was taken back is not sent", once, []answer{ends("data: a\nid: 1\n\ndata: b\nid:\n\n")}, "open | message=a@1 | message=b | connecting | open", "GET, GET"},
		{"an id without data is sent", once, []answer{ends("id: 1\n\n")}, "open | connecting | open", "GET, GET [1]"},
		{"another EventSource begins without an id", twice, []answer{ends("data: a\nid: 1\n\n")}, "open | message=a@1 | open", "GET, GET"},
		{"an id never causes a preflight", once, []answer{ends("data: a\nid: (1)" + strings.Repeat("é", 100) + "\n\n")},
			"open | message=a@(1)" + strings.Repeat("é", 100) + " | connecting | open", "GET, GET [(1)" + strings.Repeat("é", 100) + "]"},
	}
	for _, code := range []int{201, 204, 205, 299, 400, 401, 403, 404, 410, 429, 500, 502, 503, 504} {
		cases = append(cases,
			eventSourceCase{fmt.Sprintf("%d ends it for good", code), once, []answer{status(code)}, "closed", "GET"},
			eventSourceCase{fmt.Sprintf("%d ends it at a reconnection", code), once, []answer{ends(""), status(code)}, "open | connecting | closed", "GET, GET"})
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		cases = append(cases, eventSourceCase{fmt.Sprintf("%d is followed", code), once, []answer{redirects(code), says("data: a\n\n")}, "open | message=a", "GET, GET"})
	}

	s := newSite(t)
	page := newProfile(t).tab()
	t.Cleanup(func() { page.complaints() }) // Chromium tells of each stream that was refused
	s.handle("/again", http.HandlerFunc(ends("")))
	page.open(s.page("/", watching))
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) { c.run(t, page) })
	}
	t.Run("a connection that is refused is tried again", func(t *testing.T) {
		if got := hearsOf(t, page, "http://"+proctest.FreeAddr(t), gives); got != "connecting" {
			t.Errorf("the page heard %s", got)
		}
	})
}

type eventSourceCase struct {
	sentence string
	page     string // an expression: what is heard of url
	answers  []answer
	hears    string
	asks     string
}

func (c eventSourceCase) run(t *testing.T, page *tab) {
	server := &scripted{answers: c.answers}
	listening := httptest.NewServer(server)
	defer listening.Close()
	defer listening.CloseClientConnections()
	if got := hearsOf(t, page, listening.URL, c.page); got != c.hears {
		t.Errorf("the page heard\n%q, want\n%q", got, c.hears)
	}
	if got := server.requests(); got != c.asks {
		t.Errorf("the requests were\n%q, want\n%q", got, c.asks)
	}
}

func hearsOf(t *testing.T, page *tab, url, expression string) string {
	t.Helper()
	var heard []string
	text := page.eval(fmt.Sprintf(`((url) => %s)(%q).then((heard) => settled().then(() => heard))`, expression, url))
	if err := json.Unmarshal([]byte(text), &heard); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return strings.Join(heard, " | ")
}
