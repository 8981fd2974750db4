package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// collected is what a response told, with copies of everything.
type collected struct {
	Status int16
	SSE    bool
	Events []string
	Body   string
	Rest   string
	Done   bool
	Err    string
}

func (c *collected) event(e event) {
	c.Events = append(c.Events, fmt.Sprintf("%s|%s|%s", e.kind, e.id, e.data))
}

// readPieces feeds a response in pieces.
func readPieces(pieces ...string) *collected {
	c, r := &collected{}, response{}
	for _, piece := range pieces {
		if r.phase == complete {
			c.Rest += piece
			continue
		}
		b := []byte(piece) // its own memory, which is spoilt afterwards
		rest, err := r.feed(b, c)
		c.Rest += string(rest)
		for i := range b {
			b[i] = '#'
		}
		if err != nil {
			c.Err = err.Error()
			return c
		}
	}
	c.Status, c.SSE, c.Done = r.status, r.sse, r.phase == complete
	if !r.sse {
		c.Body = string(r.carry)
	}
	return c
}

const sseHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

var responses = []struct {
	name, text string
	want       collected
}{
	{"a stream until the end of the connection",
		sseHead + "Connection: close\r\n\r\nretry: 4456\nevent: room.joined\ndata: {}\n\nevent: user.update\ndata: {\"a\":1}\nid: 12-ab\n\n: comment\n\ndata: cut",
		collected{Status: 200, SSE: true, Events: []string{"room.joined||{}", `user.update|12-ab|{"a":1}`}}},
	{"a stream in chunks, which cut events",
		sseHead + "Transfer-Encoding: chunked\r\n\r\n8\r\ndata: on\r\n3;x=y\r\ne\n\n\r\nA\r\nid:7\ndata\n\r\n1\r\n\n\r\n0\r\nTrailer: x\r\n\r\nnext",
		collected{Status: 200, SSE: true, Events: []string{"||one", "|7|"}, Done: true, Rest: "next"}},
	{"lines that end in CRLF, several of data",
		sseHead + "\r\nid: 1\r\ndata: a\r\ndata:b\r\n\r\ndata\r\n\r\n",
		collected{Status: 200, SSE: true, Events: []string{"|1|a\nb", "||"}}},
	{"a body of known length, and what is behind it",
		"HTTP/1.1 201 Created\r\ncontent-length: 13\r\n\r\n{\"token\":\"x\"}HTTP/1.1",
		collected{Status: 201, Body: `{"token":"x"}`, Done: true, Rest: "HTTP/1.1"}},
	{"no body", "HTTP/1.1 204 No Content\r\n\r\n", collected{Status: 204, Done: true}},
	{"an empty body", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", collected{Status: 202, Done: true}},
	{"a problem in chunks", "HTTP/1.1 429 Too Many Requests\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", collected{Status: 429, Body: "{}", Done: true}},
	{"no HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n", collected{Err: errHead.Error()}},
	{"a chunk without a size", sseHead + "Transfer-Encoding: chunked\r\n\r\n\r\n", collected{Err: errChunk.Error()}},
	{"a chunk that goes on", sseHead + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", collected{Err: errChunk.Error()}},
}

// A response reads the same wherever it is cut.
func TestResponseCutAnywhere(t *testing.T) {
	for _, test := range responses {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(&test.want, readPieces(test.text)); diff != "" {
				t.Fatalf("whole: %s", diff)
			}
			if diff := cmp.Diff(&test.want, readPieces(strings.Split(test.text, "")...)); diff != "" {
				t.Errorf("byte by byte: %s", diff)
			}
			for i := range test.text {
				for j := i; j < len(test.text); j += 7 {
					if diff := cmp.Diff(&test.want, readPieces(test.text[:i], test.text[i:j], test.text[j:])); diff != "" {
						t.Fatalf("cut at %d and %d: %s", i, j, diff)
					}
				}
			}
		})
	}
}

func FuzzResponse(f *testing.F) {
	for _, test := range responses {
		f.Add(test.text, 40)
	}
	f.Fuzz(func(t *testing.T, text string, cut int) {
		whole := readPieces(text)
		cut = min(max(cut, 0), len(text))
		if diff := cmp.Diff(whole, readPieces(text[:cut], text[cut:])); diff != "" {
			t.Errorf("cut at %d: %s", cut, diff)
		}
		if diff := cmp.Diff(whole, readPieces(strings.Split(text, "")...)); diff != "" && len(text) < 4096 {
			t.Errorf("byte by byte: %s", diff)
		}
	})
}

// An event that has been read leaves no buffer behind: a silent stream is small.
func TestSilentStreamKeepsNoBuffer(t *testing.T) {
	r := response{}
	for _, piece := range []string{sseHead + "\r\ndata: one", "\n", "\n"} {
		if _, err := r.feed([]byte(piece), &collected{}); err != nil {
			t.Fatal(err)
		}
	}
	if r.carry != nil || r.scanned != 0 {
		t.Errorf("got %d bytes, scanned %d", cap(r.carry), r.scanned)
	}
}

func TestEventTooLarge(t *testing.T) {
	if got := readPieces(sseHead+"\r\ndata: ", strings.Repeat("x", maxEvent)); got.Err != errLarge.Error() {
		t.Errorf("got %q", got.Err)
	}
	if got := readPieces("HTTP/1.1 200 OK\r\n" + strings.Repeat("x", maxHead)); got.Err != errHead.Error() {
		t.Errorf("got %q", got.Err)
	}
}

func BenchmarkEvent(b *testing.B) {
	r := response{}
	if _, err := r.feed([]byte(sseHead+"\r\n"), nothing{}); err != nil {
		b.Fatal(err)
	}
	event := []byte("event: user.update\ndata: " + string(mark{1, 2, 3}.appendPadded(nil, 250)) + "\nid: 1795323698150943-o1_krplA\n\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.feed(event, nothing{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMark(t *testing.T) {
	m := mark{0xdeadbeef, 7, 1<<32 - 1}
	text := m.appendPadded([]byte(`{"plan":"`), 100)
	if got, ok := findMark(text); !ok || got != m {
		t.Errorf("got %v, %v", got, ok)
	}
	if len(text) != len(`{"plan":"`)+100 {
		t.Errorf("got %d bytes", len(text))
	}
	for _, text := range []string{"", "HB~", strings.Replace(string(m.append(nil)), "d", "g", 1), strings.Replace(string(m.append(nil)), "~", "-", 3)} {
		if got, ok := findMark([]byte(text)); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}
