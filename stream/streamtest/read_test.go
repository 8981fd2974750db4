package streamtest_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"hullbeam/stream/streamtest"
)

type events = []streamtest.Event

func message(data string) streamtest.Event {
	return streamtest.Event{Type: "message", Data: data, Retry: -1}
}

func TestRead(t *testing.T) {
	for _, test := range []struct {
		name, stream string
		want         events
	}{
		{"nothing", "", nil},
		{"the standard's first example", "data: YHOO\ndata: +2\ndata: 10\n\n", events{message("YHOO\n+2\n10")}},
		{"the standard's second example",
			": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			events{{"message", "first event", "1", -1}, message("second event"), message(" third event")}},
		{"the standard's third example: the last block is unfinished", "data\n\ndata\ndata\n\ndata:", events{message(""), message("\n")}},
		{"the standard's fourth example: one space is dropped", "data:test\n\ndata: test\n\n", events{message("test"), message("test")}},

		{"one byte order mark is dropped", "\uFEFFdata: a\n\n", events{message("a")}},
		{"a second one spoils its line", "\uFEFF\uFEFFdata: a\n\ndata: b\n\n", events{message("b")}},
		{"a cut mark is no mark", "\xEF\xBBdata: a\n\ndata: b\n\n", events{message("b")}},
		{"CR ends lines", "data: a\rdata: b\r\rdata: c\r\r", events{message("a\nb"), message("c")}},
		{"CRLF ends lines", "data: a\r\ndata: b\r\n\r\n", events{message("a\nb")}},
		{"line ends may be mixed", "data: a\rdata: b\ndata: c\r\n\n", events{message("a\nb\nc")}},
		{"LF CR is two line ends", "data: a\n\rdata: b\n\n", events{message("a"), message("b")}},
		{"comments are dropped", ":\n: data: no\ndata: a\n:b\n\n", events{message("a")}},

		{"a type", "event: user.update\ndata: a\n\ndata: b\n\n", events{{"user.update", "a", "", -1}, message("b")}},
		{"an empty type", "event: x\nevent\ndata: a\n\n", events{message("a")}},
		{"a type without data is forgotten", "event: x\n\ndata: a\n\n", events{message("a")}},
		{"names are case-sensitive and exact", "Data: a\n data: b\ndata : c\ndatas: d\n\n", nil},
		{"more colons belong to the value", "data: a: b:c\n\n", events{message("a: b:c")}},
		{"no space is added or lost", "data:\ta \n\n", events{message("\ta ")}},

		{"an id holds until the next", "id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n",
			events{{"message", "a", "1", -1}, {"message", "b", "1", -1}, {"message", "c", "2", -1}}},
		{"an id after the data counts", "data: a\nid: 1\n\n", events{{"message", "a", "1", -1}}},
		{"an id with NUL is ignored", "id: 1\n\nid: 2\x00\ndata: a\n\n", events{{"message", "a", "1", -1}}},
		{"an id without data counts", "id: 7\n\ndata: a\n\n", events{{"message", "a", "7", -1}}},

		{"retry", "retry: 0500\ndata: a\n\ndata: b\n\n", events{{"message", "a", "", 500}, message("b")}},
		{"retry is set by the line, whatever follows", "retry: 5\n\ndata: a\n\n", events{{"message", "a", "", 5}}},
		{"retry wants digits", "retry: 1s\nretry: -1\nretry: +1\nretry:  1\nretry\nretry: ٣\ndata: a\n\n", events{message("a")}},
		{"retry beyond all bounds", "retry: 99999999999999999999\ndata: a\n\n", events{message("a")}},

		{"an unfinished block is dropped", "data: a\n\ndata: b\nid: 1\n", events{message("a")}},
		{"so is an unfinished line", "data: a\n\ndata: b\n\r", events{message("a"), message("b")}},
		{"bytes that are not UTF-8 stay", "data: \xff\n\n", events{message("\xff")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(test.stream), iotest.OneByteReader(strings.NewReader(test.stream))} {
				var got events
				for e, err := range streamtest.Read(r) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

// A live stream has no end to wait for: what a line completes must be there
// before the next byte is.
func TestReadDoesNotWait(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r"} {
		r, w := io.Pipe()
		go io.WriteString(w, "data: a"+end)
		for e, err := range streamtest.Read(r) {
			if err != nil || e.Data != "a" {
				t.Errorf("%q: got %v, %v", end, e, err)
			}
			break
		}
		w.Close()
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken))
	var got events
	var last error
	for e, err := range streamtest.Read(r) {
		if last = err; err == nil {
			got = append(got, e)
		}
	}
	if diff := cmp.Diff(events{message("a")}, got); diff != "" || last != broken {
		t.Errorf("error %v, -want +got:\n%s", last, diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\uFEFFevent: a\rdata: b\r\nid: 1\nretry: 3\n\n:c\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		size := 0
		for e, err := range streamtest.Read(strings.NewReader(string(stream))) {
			if err != nil {
				t.Fatal(err)
			}
			size += len(e.Data)
			if strings.ContainsAny(e.Data, "\r") || strings.ContainsAny(e.ID, "\r\n\x00") || strings.ContainsAny(e.Type, "\r\n") || e.Type == "" || e.Retry < -1 {
				t.Errorf("got %+v", e)
			}
		}
		if size > len(stream) {
			t.Errorf("got %d bytes of data out of %d", size, len(stream))
		}
	})
}
