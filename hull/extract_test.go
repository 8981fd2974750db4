package hull_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

// extracted is all that is in an extract: states by line, and why lines were skipped.
type extracted struct {
	States  []string
	Skipped []hull.Skip
}

// readExtract also checks what holds for every extract.
func readExtract(t *testing.T, r io.Reader, options hull.ExtractOptions) (all extracted, err error) {
	t.Helper()
	if options.LineBytes == 0 {
		options.LineBytes = 1 << 20
	}
	extract := hull.NewExtract(r, options)
	last := 0
	for {
		slice, err := extract.Next()
		if n := len(slice.Messages) + len(slice.Skipped); n > 100 {
			t.Fatalf("a slice of %d lines", n)
		}
		for _, m := range slice.Messages {
			if m.Index < max(last, 1) {
				t.Errorf("line %d after line %d", m.Index, last)
			}
			last = m.Index
			state := m.State()
			again, err := hull.ParseState(state)
			if err != nil || again.UserID != m.UserID || m.UserID == "" || m.Events != nil || m.SegmentIDs != nil || kind(m.Segments) != '[' || kind(m.AccountSegments) != '[' {
				t.Errorf("line %d is not a whole message: %s, %v", m.Index, state, err)
			}
			all.States = append(all.States, string(state))
		}
		all.Skipped = append(all.Skipped, slice.Skipped...)
		if err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
	}
}

func kind(value []byte) byte {
	if len(value) == 0 {
		return 0
	}
	return value[0]
}

func announcement(t *testing.T) *hull.ExtractRequest {
	t.Helper()
	body, err := os.ReadFile("../testdata/hull/batch/users-request.json")
	if err != nil {
		t.Fatal(err)
	}
	request, err := hull.ParseExtractRequest(body, 0)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

const activeUsers = `{"id":"7c0ffee0a1b2c3d4e5f60718","name":"Active Users","type":"users_segment","created_at":"2018-10-29T14:59:53Z","updated_at":"2018-10-29T14:59:53Z"}`

func TestExtractFixture(t *testing.T) {
	text, err := os.ReadFile("../testdata/hull/batch/users.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	request := announcement(t)
	got, err := readExtract(t, iotest.OneByteReader(bytes.NewReader(text)), hull.ExtractOptions{
		Format: request.Format, Users: request.UsersSegments, Accounts: request.AccountsSegments,
	})
	want := extracted{States: []string{
		`{"user":{"id":"5c5b7b694aa3a8d42e03895a","email":"tiago.reis@caravela.example","domain":"caravela.example","created_at":"2018-10-26T14:51:01Z","indexed_at":"2018-10-29T15:01:24Z","is_approved":false,"anonymous_ids":["outreach:16"],"segment_ids":["7c0ffee0a1b2c3d4e5f60718","unknown-segment"],"traits_outreach/id":16,"traits_plan":"brigantine"},` +
			`"account":{"id":"7c0ffee0a1b2c3d4e5f6ac01","name":"Caravela Lda","domain":"caravela.example","external_id":"acct-77","anonymous_ids":["outreach:20"],"outreach/custom_1":"Cais 4","created_at":"2018-10-26T14:51:00Z","updated_at":"2018-10-26T14:59:22Z"},` +
			`"segments":[` + activeUsers + `],"account_segments":[]}`,
		`{"user":{"id":"7c0ffee0a1b2c3d4e5f6ab02","anonymous_ids":[],"segment_ids":[]},"account":{},"segments":[],"account_segments":[]}`,
		`{"user":{"id":"7c0ffee0a1b2c3d4e5f6ab03","email":"sem.conta@harbor.example"},"account":{},"segments":[],"account_segments":[]}`,
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestExtractSegments(t *testing.T) {
	line := `{"id":"u","segment_ids":["7c0ffee0a1b2c3d4e5f60718","a","a","gone"],"account":{"segment_ids":["a"]}}`
	known := hull.Segments{"a": {Name: "A"}, "gone": {Deleted: true}}.List()
	fromHull, err := os.ReadFile("../testdata/hull/rest/get-users-segments.json")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := hull.ParseSegmentList(fromHull)
	if err != nil {
		t.Fatal(err)
	}
	many := []string{`{"id":"a","name":"A"}`}
	for i := range 199 {
		many = append(many, fmt.Sprintf(`{"id":"s%d"}`, i))
	}
	cut, err := hull.ParseSegmentList([]byte("[" + strings.Join(many, ",") + "]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                    string
		options                 hull.ExtractOptions
		segments, accountOnesOf string
	}{
		{"those of the announcement, and no others", hull.ExtractOptions{Users: announcement(t).UsersSegments, Accounts: announcement(t).AccountsSegments}, `[` + activeUsers + `]`, `[]`},
		{"those that Hull's API says", hull.ExtractOptions{Users: asked, Accounts: asked}, `[` + activeUsers + `]`, `[]`},
		{"more than Hull's API says, by their ids", hull.ExtractOptions{Users: cut, Accounts: cut},
			`[{"id":"7c0ffee0a1b2c3d4e5f60718"},{"id":"a","name":"A"},{"id":"gone"}]`, `[{"id":"a","name":"A"}]`},
		{"those that are known, the others by their ids, without the deleted", hull.ExtractOptions{Users: known, Accounts: known},
			`[{"id":"7c0ffee0a1b2c3d4e5f60718"},{"id":"a","name":"A"}]`, `[{"id":"a","name":"A"}]`},
		{"nothing known", hull.ExtractOptions{}, `[{"id":"7c0ffee0a1b2c3d4e5f60718"},{"id":"a"},{"id":"gone"}]`, `[{"id":"a"}]`},
		{"of a list that is too long, by their ids", hull.ExtractOptions{Users: longList(t), Accounts: longList(t)},
			`[{"id":"7c0ffee0a1b2c3d4e5f60718"},{"id":"a"},{"id":"gone"}]`, `[{"id":"a"}]`},
		{"with that of the query", hull.ExtractOptions{Users: known, Accounts: asked, Segments: []string{"a", "b"}},
			`[{"id":"7c0ffee0a1b2c3d4e5f60718"},{"id":"a","name":"A"},{"id":"b"}]`, `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.LineBytes = 4096
			slice, _ := hull.NewExtract(strings.NewReader(line), c.options).Next()
			m := slice.Messages[0]
			if string(m.Segments) != c.segments || string(m.AccountSegments) != c.accountOnesOf {
				t.Errorf("got %s and %s", m.Segments, m.AccountSegments)
			}
		})
	}
	for _, text := range []string{"", "{}", "[", "[]]"} {
		if _, err := hull.ParseSegmentList([]byte(text)); err == nil {
			t.Errorf("%q is taken for a list of segments", text)
		}
	}
}

// longList has more segments than are remembered.
func longList(t *testing.T) *hull.SegmentList {
	t.Helper()
	var list []string
	for i := range 10_001 {
		list = append(list, fmt.Sprintf(`{"id":"s%d"}`, i))
	}
	request, err := hull.ParseExtractRequest([]byte(`{"url":"x","segments":[`+strings.Join(list, ",")+`]}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	return request.UsersSegments
}

// A line with as many segments as it has room for costs no more than its length.
func TestExtractOfManySegments(t *testing.T) {
	var ids []string
	for i := range 100_000 {
		ids = append(ids, fmt.Sprintf(`"%d",7,{}`, i))
	}
	line := `{"id":"u","segment_ids":[` + strings.Join(ids, ",") + `]}`
	began := time.Now()
	got, err := readExtract(t, strings.NewReader(line), hull.ExtractOptions{LineBytes: 2 << 20, Users: hull.Segments{"99999": {Name: "last"}}.List()})
	if err != nil || len(got.States) != 1 || !strings.HasSuffix(got.States[0], `{"id":"99998"},{"id":"99999","name":"last"}],"account_segments":[]}`) {
		t.Errorf("got %d users, %v", len(got.States), err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// plain is the state of a user without account and segments.
func plain(user string) string {
	return `{"user":` + user + `,"account":{},"segments":[],"account_segments":[]}`
}

func TestExtractOfJSON(t *testing.T) {
	long := `{"id":"u","x":"` + strings.Repeat("x", 4096-17) + `"}` // as long as may be
	for _, c := range []struct {
		name, text string
		want       extracted
	}{
		{"nothing", "", extracted{}},
		{"blank lines alone", "\n \r\n\t\n", extracted{}},
		{"a byte order mark, blank lines, CRLF, no end of the last line", "\ufeff\r\n{\"id\":\"a\"}\r\n\n  {\"id\" : \"b\"} \r\n{\"id\":\"c\"}",
			extracted{States: []string{plain(`{"id":"a"}`), plain(`{"id":"b"}`), plain(`{"id":"c"}`)}}},
		{"values one behind the other", `{"id":"a"}{"id":"b"} {"id":"c}\"]"}`,
			extracted{States: []string{plain(`{"id":"a"}`), plain(`{"id":"b"}`), plain(`{"id":"c}\"]"}`)}}},
		{"a line that is cut off", "{\"id\":\"a\"}\n{\"id\":\"b\",\"x\":[\"\n{\"id\":\"c\"}",
			extracted{[]string{plain(`{"id":"a"}`), plain(`{"id":"c"}`)}, []hull.Skip{{2, "not JSON at byte 16"}}}},
		{"what follows a broken value on its line", "{\"id\":nobody} {\"id\":\"b\"}\n{\"id\":\"c\"}",
			extracted{[]string{plain(`{"id":"c"}`)}, []hull.Skip{{1, "not JSON at byte 6"}}}},
		{"lines of no use", "7\nnull\n[]\n{}\n{\"id\":4711}\n\"u\"\nsecret text\n{\"id\":\"c\"}",
			extracted{[]string{plain(`{"id":"c"}`)}, []hull.Skip{{1, "not an object"}, {2, "not an object"}, {3, "not an object"}, {4, "no user id"},
				{5, "no user id"}, {6, "not an object"}, {7, "not JSON at byte 0"}}}},
		{"numbers keep their digits", `{"id":"u","a":12345678901234567890,"b":1.10,"c":1e2}`,
			extracted{States: []string{plain(`{"id":"u","a":12345678901234567890,"b":1.10,"c":1e2}`)}}},
		{"what is not UTF-8", "{\"id\":\"u\",\"x\":\"\xff\"}", extracted{States: []string{plain("{\"id\":\"u\",\"x\":\"\ufffd\"}")}}},
		{"nested too deeply", `{"id":"u","x":[[[[[[[[]]]]]]]]}` + "\n" + `{"id":"v","x":[[[[[[[]]]]]]]}`,
			extracted{[]string{plain(`{"id":"v","x":[[[[[[[]]]]]]]}`)}, []hull.Skip{{1, "nested too deeply"}}}},
		{"as long as a line may be", long + "\r\n" + long, extracted{States: []string{plain(long), plain(long)}}},
		{"a byte longer", long[:20] + "x" + long[20:] + "\n" + long, extracted{[]string{plain(long)}, []hull.Skip{{1, "longer than 4096 bytes"}}}},
		{"its own segments, and no events", `{"id":"u","segments":[{"id":"s"}],"events":[{"event":"e"}],"changes":{},"account_segments":[{"id":"t"}]}`,
			extracted{States: []string{`{"user":{"id":"u"},"account":{},"segments":[{"id":"s"}],"account_segments":[{"id":"t"}]}`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readExtract(t, strings.NewReader(c.text), hull.ExtractOptions{Format: hull.FormatJSON, LineBytes: 4096, Depth: 8})
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestExtractOfCSV(t *testing.T) {
	wide := "u," + strings.Repeat("x", 4096-3) // with the end of its line as long as may be
	wideState := plain(`{"id":"u","x":"` + strings.Repeat("x", 4096-3) + `"}`)
	for _, c := range []struct {
		name, text string
		want       extracted
	}{
		{"nothing", "", extracted{}},
		{"names alone", "id,email\r\n", extracted{}},
		{"a byte order mark, CRLF, blank lines, no end of the last line", "\ufeffid,email\r\n\r\na,a@x.example\r\n\nb,b@x.example",
			extracted{States: []string{plain(`{"id":"a","email":"a@x.example"}`), plain(`{"id":"b","email":"b@x.example"}`)}}},
		{"quotes, and in them quotes, commas and ends of lines", "\"id\",\"my \"\"x\"\"\"\n\"a\",\"1, \"\"2\"\"\r\n3\"\nb,c",
			extracted{States: []string{plain(`{"id":"a","my \"x\"":"1, \"2\"\u000a3"}`), plain(`{"id":"b","my \"x\"":"c"}`)}}},
		{"types of cells", "id,external_id,a,b,c,d,e,f,g\n007,4711,16,1.10,true,,\"[1, \"\"2\"\"]\",null,12345678901234567890",
			extracted{States: []string{plain(`{"id":"007","external_id":"4711","a":16,"b":1.10,"c":true,"e":[1,"2"],"f":"null","g":12345678901234567890}`)}}},
		{"what looks like JSON and is none", "id,a,b,c,d\nu,01,{x},\"\"\"q\"\"\", ", extracted{States: []string{plain(`{"id":"u","a":"01","b":"{x}","c":"\"q\"","d":" "}`)}}},
		{"lists", "id,anonymous_ids,segment_ids\nu,\"a, b;c,\",\"[\"\"s\"\",\"\"t\"\"]\"\nv,,",
			extracted{States: []string{`{"user":{"id":"u","anonymous_ids":["a","b","c"],"segment_ids":["s","t"]},"account":{},"segments":[{"id":"s"},{"id":"t"}],"account_segments":[]}`, plain(`{"id":"v"}`)}}},
		{"the account", "id,account.id,account.plan,account.segment_ids, name ,\nu,7,8,s,9,10\nv,,,,,",
			extracted{States: []string{`{"user":{"id":"u","name":"9"},"account":{"id":"7","plan":8,"segment_ids":["s"]},"segments":[],"account_segments":[{"id":"s"}]}`, plain(`{"id":"v"}`)}}},
		{"the account as an object", "id,account\nu,\"{\"\"id\"\": \"\"7\"\"}\"", extracted{States: []string{`{"user":{"id":"u"},"account":{"id":"7"},"segments":[],"account_segments":[]}`}}},
		{"broken rows", "id,email\na,a@x.example\nb,b@x.example,c\nc\nd,a\"quote\n,nobody\ne,\"x\"y\nf,f@x.example",
			extracted{[]string{plain(`{"id":"a","email":"a@x.example"}`), plain(`{"id":"f","email":"f@x.example"}`)},
				[]hull.Skip{{3, "3 cells below 2 names"}, {4, "1 cells below 2 names"}, {5, "a quote in a wrong place"}, {6, "no user id"}, {7, "a quote in a wrong place"}}}},
		{"as long as a row may be", "id,x\n" + wide + "\n" + wide + "\n", extracted{States: []string{wideState, wideState}}},
		{"a byte longer", "id,x\n" + wide + "x\n" + wide + "\n", extracted{[]string{wideState}, []hull.Skip{{2, "longer than 4096 bytes"}}}},
		{"a quote that nobody closes", "id,x\na,\"" + strings.Repeat("xxx\n", 2000) + "b,2\n",
			extracted{[]string{plain(`{"id":"b","x":2}`)}, nil}},
		{"what is not UTF-8", "id,x\nu,\xff", extracted{States: []string{plain("{\"id\":\"u\",\"x\":\"\ufffd\"}")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := hull.ExtractOptions{Format: hull.FormatCSV, LineBytes: 4096}
			if !strings.Contains(c.text, "segment_ids") {
				options.Users = new(hull.SegmentList)
			}
			got, err := readExtract(t, strings.NewReader(c.text), options)
			if c.want.Skipped == nil && len(got.Skipped) > 0 && strings.Contains(c.name, "nobody closes") {
				if got.Skipped[0] != (hull.Skip{Index: 2, Reason: "longer than 4096 bytes"}) {
					t.Errorf("first: %v", got.Skipped[0])
				}
				got.Skipped = nil // how many of the lines that it swallowed are rows is of no interest
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	for _, text := range []string{"email\na", "account.id\na", "id\"\na", strings.Repeat("x", 4097) + ",id\n"} {
		if _, err := readExtract(t, strings.NewReader(text), hull.ExtractOptions{Format: hull.FormatCSV, LineBytes: 4096}); !errors.Is(err, hull.ErrNoUser) {
			t.Errorf("%.20q: got %v", text, err)
		}
	}
}

// endless says the same again and again, and how often it was asked.
type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e.text[(e.read+n)%len(e.text):])
	}
	e.read += n
	return n, nil
}

func TestExtractIsReadInSlices(t *testing.T) {
	for format, text := range map[string]string{
		hull.FormatJSON: `{"id":"u"}` + "\n",
		hull.FormatCSV:  "id,id\n",
	} {
		source := &endless{text: text}
		extract := hull.NewExtract(source, hull.ExtractOptions{Format: format, LineBytes: 4096})
		for range 3 {
			if slice, err := extract.Next(); len(slice.Messages) != 100 || err != nil {
				t.Errorf("%s: %d messages, %v", format, len(slice.Messages), err)
			}
		}
		if source.read > 300*len(text)+70<<10 {
			t.Errorf("%s: %d bytes were read for 300 users", format, source.read)
		}
	}
	source := &endless{text: `{"id":"u","x":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"}
	extract := hull.NewExtract(source, hull.ExtractOptions{LineBytes: 2 << 20})
	if slice, err := extract.Next(); len(slice.Messages) != 4 || err != nil {
		t.Errorf("of long lines: %d messages, %v", len(slice.Messages), err)
	}
}

// What is read in vain is not kept, however long it is.
func TestExtractWithoutEnd(t *testing.T) {
	const length = 16 << 20
	for format, text := range map[string]string{hull.FormatJSON: `{"id":"u","x":"`, hull.FormatCSV: "id,x\nu,\"a,b,c,"} {
		r := io.MultiReader(strings.NewReader(text), io.LimitReader(&endless{text: "xyz"}, length), strings.NewReader("\n"))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, _ := readExtract(t, r, hull.ExtractOptions{Format: format, LineBytes: 4096})
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if len(got.States) != 0 || len(got.Skipped) != 1 || got.Skipped[0].Reason != "longer than 4096 bytes" {
			t.Errorf("%s: got %v", format, got)
		}
		if allocated > 1<<20 {
			t.Errorf("%s: %d bytes for a line of %d", format, allocated, length)
		}
	}
}

func TestExtractThatBreaksOff(t *testing.T) {
	broken := errors.New("the line is dead")
	for format, text := range map[string]string{
		hull.FormatJSON: "{\"id\":\"a\"}\n{\"id\":\"b\"",
		hull.FormatCSV:  "id,x\na,1\nb,\"",
	} {
		r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
		got, err := readExtract(t, r, hull.ExtractOptions{Format: format})
		if !errors.Is(err, broken) || len(got.States) != 1 || len(got.Skipped) != 0 {
			t.Errorf("%s: got %v, %v", format, got, err)
		}
	}
}

func TestParseExtractRequest(t *testing.T) {
	accounts, err := os.ReadFile("../testdata/hull/batch/accounts-request.json")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := hull.ParseExtractRequest(accounts, 0); err != nil || !r.Accounts || r.Format != hull.FormatJSON || r.ID != "" || r.UsersSegments != nil {
		t.Errorf("got %+v, %v", r, err)
	}
	if r := announcement(t); r.Accounts || r.ID != "user:extract:5c5b7b694aa3a8d42e03895a" || r.AccountsSegments == nil ||
		r.URL != "https://hull-platform.s3.amazonaws.com/extracts/user_report/2f1c0e7a/report.json" {
		t.Errorf("got %+v", r)
	}
	if r, err := hull.ParseExtractRequest([]byte(`{"url":"x","format":"csv","object_type":null,"segments":null}`), 0); err != nil || r.Format != hull.FormatCSV || r.UsersSegments != nil {
		t.Errorf("got %+v, %v", r, err)
	}
	for text, want := range map[string]error{
		``: hull.ErrInvalidExtract, `{`: hull.ErrInvalidJSON, `[]`: hull.ErrInvalidExtract, `{}`: hull.ErrInvalidExtract, `{"url":7}`: hull.ErrInvalidExtract,
		`{"url":"x","format":"xml"}`: hull.ErrInvalidExtract, `{"url":"x","format":7}`: hull.ErrInvalidExtract, `{"url":"x","object_type":"event"}`: hull.ErrInvalidExtract,
	} {
		if _, err := hull.ParseExtractRequest([]byte(text), 0); !errors.Is(err, want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func FuzzExtractOfJSON(f *testing.F) {
	for _, text := range []string{"{\"id\":\"a\"}\n{\"id\":\"b\"", `{"id":"a"}{"id":"b"}`, "\ufeff\r\n{\"id\":\"\\\"}\"}\n]", "{\"id\":\"a\",\"account\":{\"segment_ids\":[\"s\"]},\"segment_ids\":[1,{}]}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const most = 200
		extract := hull.NewExtract(strings.NewReader(text), hull.ExtractOptions{LineBytes: most, Depth: most})
		got := map[int]string{} // ids by line, the first
		for end := false; !end; {
			slice, err := extract.Next()
			for _, m := range slice.Messages {
				if _, known := got[m.Index]; !known {
					got[m.Index] = m.UserID
				}
			}
			end = err == io.EOF
		}
		readExtract(t, strings.NewReader(text), hull.ExtractOptions{LineBytes: most})
		// A line that is an object to encoding/json, and has an id, is a user.
		for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
			var user map[string]any
			if len(line) > most || !utf8.ValidString(line) || json.Unmarshal([]byte(line), &user) != nil {
				continue
			}
			if id, _ := user["id"].(string); id != got[i+1] {
				t.Errorf("line %d is of %q, got %q", i+1, id, got[i+1])
			}
		}
	})
}

func FuzzExtractOfCSV(f *testing.F) {
	for _, text := range []string{"id,x\na,1\n", "\ufeffid,account.x,segment_ids\r\nu,\"a\"\"b\",\"s,t\"", "id\n\"\n\n\n", "id,\xff,,id\na,b,c,{\"a\":[]}"} {
		f.Add(text, "1.0")
	}
	f.Add("id", " ")
	f.Fuzz(func(t *testing.T, text, cell string) {
		readExtract(t, strings.NewReader(text), hull.ExtractOptions{Format: hull.FormatCSV, LineBytes: 4096})

		// A cell comes out as what it says, or as the text that it is.
		var written bytes.Buffer
		w := csv.NewWriter(&written)
		w.WriteAll([][]string{{"id", "x"}, {"u", cell}})
		slice, _ := hull.NewExtract(&written, hull.ExtractOptions{Format: hull.FormatCSV, LineBytes: 1 << 20}).Next()
		if len(slice.Messages) != 1 {
			t.Fatalf("got %+v", slice)
		}
		var user struct{ X json.RawMessage }
		if err := json.Unmarshal(slice.Messages[0].User, &user); err != nil {
			t.Fatal(err)
		}
		cell = strings.ToValidUTF8(strings.ReplaceAll(cell, "\r\n", "\n"), "\ufffd")
		var got string
		switch {
		case cell == "" && user.X != nil:
			t.Errorf("an empty cell became %s", user.X)
		case json.Unmarshal(user.X, &got) == nil && got != cell:
			t.Errorf("%q became %q", cell, got)
		case kind(user.X) != '"' && cell != "":
			var compact bytes.Buffer
			if json.Compact(&compact, []byte(cell)) != nil || compact.String() != string(user.X) {
				t.Errorf("%q became %s", cell, user.X)
			}
		}
	})
}
