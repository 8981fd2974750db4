package stream_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/stream"
	"hullbeam/stream/streamtest"
)

func TestNewEvent(t *testing.T) {
	id := stream.ID{Version: 1700000000000000, Tag: "A-z_9"}
	for _, test := range []struct {
		name   string
		fields stream.Fields
		want   string
	}{
		{"nothing", stream.Fields{}, "data: \n\n"},
		{"everything, the id last", stream.Fields{Type: "user.update", Data: []byte("{}"), ID: id, Retry: 2500 * time.Millisecond},
			"retry: 2500\nevent: user.update\ndata: {}\nid: 1700000000000000-A-z_9\n\n"},
		{"the three line ends", stream.Fields{Data: []byte("a\nb\rc\r\nd")}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		{"line ends in a row", stream.Fields{Data: []byte("\r\r\n\n\r")}, "data: \ndata: \ndata: \ndata: \ndata: \n\n"},
		{"data like fields", stream.Fields{Data: []byte("id: 1\n: no\n\nevent: x")}, "data: id: 1\ndata: : no\ndata: \ndata: event: x\n\n"},
		{"a space of its own", stream.Fields{Data: []byte(" a")}, "data:  a\n\n"},
	} {
		e, err := stream.NewEvent(test.fields)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, string(e.Frame())); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.name, diff)
		}
	}
}

func TestNewEventRefuses(t *testing.T) {
	largest := stream.MaxEvent - len("data: \n\n")
	for _, test := range []struct {
		name   string
		fields stream.Fields
		want   error
	}{
		{"the largest", stream.Fields{Data: bytes.Repeat([]byte("d"), largest)}, nil},
		{"one byte more", stream.Fields{Data: bytes.Repeat([]byte("d"), largest+1)}, stream.ErrTooLarge},
		{"too large by its lines", stream.Fields{Data: bytes.Repeat([]byte("\n"), largest/6)}, stream.ErrTooLarge},

		{"LF in the type", stream.Fields{Type: "a\nb"}, stream.ErrField},
		{"CR in the type", stream.Fields{Type: "a\r"}, stream.ErrField},
		{"NUL in the type", stream.Fields{Type: "\x00"}, stream.ErrField},

		{"an id", stream.Fields{ID: stream.ID{Version: 1, Tag: "a"}}, nil},
		{"an id with a line end", stream.Fields{ID: stream.ID{Version: 1, Tag: "a\ndata: b"}}, stream.ErrField},
		{"an id with NUL", stream.Fields{ID: stream.ID{Version: 1, Tag: "a\x00"}}, stream.ErrField},
		{"an id without a version", stream.Fields{ID: stream.ID{Tag: "a"}}, stream.ErrField},
		{"an id without a tag", stream.Fields{ID: stream.ID{Version: 1}}, stream.ErrField},
		{"an id too long", stream.Fields{ID: stream.ID{Version: 1, Tag: strings.Repeat("a", 17)}}, stream.ErrField},

		{"names", stream.Fields{Data: []byte(`["a"]`), NamesStart: 1, NamesEnd: 4}, nil},
		{"no names", stream.Fields{Data: []byte(`[]`), NamesStart: 1, NamesEnd: 1}, nil},
		{"names up to the end", stream.Fields{Data: []byte(`["a"`), NamesStart: 1, NamesEnd: 4}, nil},
		{"names behind the end", stream.Fields{Data: []byte(`["a"`), NamesStart: 1, NamesEnd: 5}, stream.ErrField},
		{"names before the start", stream.Fields{Data: []byte(`["a"]`), NamesStart: -1, NamesEnd: 4}, stream.ErrField},
		{"names that end before they start", stream.Fields{Data: []byte(`["a"]`), NamesStart: 4, NamesEnd: 1}, stream.ErrField},
		{"names that do not end", stream.Fields{Data: []byte(`["a"]`), NamesStart: 1}, stream.ErrField},
		{"names in two lines", stream.Fields{Data: []byte("[\n\"a\"]"), NamesStart: 2, NamesEnd: 5}, stream.ErrField},
	} {
		if _, err := stream.NewEvent(test.fields); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
	}
}

func TestParseID(t *testing.T) {
	for _, test := range []struct {
		text string
		want stream.ID // zero: not an id
	}{
		{"1-a", stream.ID{Version: 1, Tag: "a"}},
		{"1700000000000000-A-z_9", stream.ID{Version: 1700000000000000, Tag: "A-z_9"}},
		{"18446744073709551615-0123456789abcdef", stream.ID{Version: math.MaxUint64, Tag: "0123456789abcdef"}},
		{"1--", stream.ID{Version: 1, Tag: "-"}},
		{"18446744073709551616-a", stream.ID{}},
		{"1-0123456789abcdefg", stream.ID{}},
		{"", stream.ID{}},
		{"-", stream.ID{}},
		{"1", stream.ID{}},
		{"1-", stream.ID{}},
		{"-a", stream.ID{}},
		{"0-a", stream.ID{}},
		{"01-a", stream.ID{}},
		{"+1-a", stream.ID{}},
		{"-1-a", stream.ID{}},
		{" 1-a", stream.ID{}},
		{"1-a ", stream.ID{}},
		{"1_0-a", stream.ID{}},
		{"0x1-a", stream.ID{}},
		{"1-a.b", stream.ID{}},
		{"1-ä", stream.ID{}},
		{"1-\x00", stream.ID{}},
		{"١-a", stream.ID{}},
		{strings.Repeat("1", 1<<20) + "-a", stream.ID{}},
	} {
		got, ok := stream.ParseID(test.text)
		if got != test.want || ok == test.want.IsZero() {
			t.Errorf("%.40q: %v, %v, want %v", test.text, got, ok, test.want)
		}
		if ok && got.String() != test.text {
			t.Errorf("%q is written %q", test.text, got)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("1700000000000000-A-z_9")
	f.Add("18446744073709551616-")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := stream.ParseID(text)
		if !ok {
			if !id.IsZero() {
				t.Errorf("%q: %v, but not ok", text, id)
			}
			return
		}
		if id.String() != text || len(text) > 128 || strings.Trim(text, alphabet) != "" {
			t.Errorf("%q: %+v", text, id)
		}
		if _, err := stream.NewEvent(stream.Fields{ID: id}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add("user.update", []byte(`{"message":"ok"}`), uint64(1700000000000000), "tag", int64(3000))
	f.Add("", []byte("a\r\nb\rc\n\n"), uint64(0), "", int64(0))
	f.Add("a:b ", []byte(":\n\xef\xbb\xbf\r\r\n \x00"), uint64(1), "-", int64(-1))
	f.Add("a\nb", []byte("data: x\n\nid: 1"), uint64(1), "a\nb", int64(1))
	lf := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	f.Fuzz(func(t *testing.T, eventType string, data []byte, version uint64, tag string, retry int64) {
		fields := stream.Fields{Type: eventType, Data: data, ID: stream.ID{Version: version, Tag: tag}, Retry: time.Duration(retry)}
		e, err := stream.NewEvent(fields)
		if err != nil {
			return
		}
		want := streamtest.Event{Type: eventType, Data: lf.Replace(string(data)), Retry: -1}
		if eventType == "" {
			want.Type = "message"
		}
		if !fields.ID.IsZero() {
			want.ID = fields.ID.String()
		}
		if retry > 0 {
			want.Retry = int(fields.Retry.Milliseconds())
		}
		// What comes after it must be read the same, too.
		after := event(t, stream.Fields{Type: "after"})
		wants := []streamtest.Event{want, {Type: "after", ID: want.ID, Retry: -1}}
		var got []streamtest.Event
		for e, err := range streamtest.Read(bytes.NewReader(append(bytes.Clone(e.Frame()), after.Frame()...))) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if diff := cmp.Diff(wants, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", e.Frame(), diff)
		}
	})
}
