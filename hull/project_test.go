package hull_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

// project is the payload under private settings, "" when there is none.
func project(t testing.TB, private, message string, signed bool) string {
	t.Helper()
	p, ok := settingsOf(private).Project(nil, messageOf(t, message), signed)
	if !ok {
		return ""
	}
	return string(p.JSON)
}

// The worked examples of docs/hull-protocol.md 10.4, and what they leave open. want is
// the user without its id.
func TestProjectUser(t *testing.T) {
	for _, c := range []struct{ traits, user, want string }{
		{`"email","traits_plan"`, `"email":"a@x.io","traits_plan":"pro"`, `"email":"a@x.io","plan":"pro"`},
		{`"clearbit/name"`, `"traits_clearbit/name":"X"`, `"clearbit":{"name":"X"}`},
		{`"traits_a/b/c","traits_a/b/d"`, `"a/b/d":2,"traits_a/b/c":1`, `"a":{"b":{"c":1,"d":2}}`},
		{`"x","x/y"`, `"x":"s","x/y":1`, `"x":"s"`},
		{`"x","x/y"`, `"x/y":1,"x":"s"`, `"x":"s"`},
		{`"x","x/y"`, `"x":null,"x/y":1`, `"x":{"y":1}`},
		{`"x","x/y"`, `"x/y":1,"x":null`, `"x":{"y":1}`},
		{`"x","x/y"`, `"x":null`, `"x":null`},
		{`"x/y"`, `"x":null`, ``},
		{`"traits_traits_outreach/title"`, `"traits_traits_outreach/title":"vp"`, `"traits_outreach":{"title":"vp"}`},
		{`"length"`, `"length":3`, `"length":3`},
		{`"toString","a.b","a[0]"`, `"a":{"b":3}`, ``},

		{`"id","traits_id","id/x"`, `"traits_id":"other","id/x":1`, ``},
		{`"n"`, `"n":12345678901234567890.10e+05`, `"n":12345678901234567890.10e+05`},
		{`"x"`, `"x":1,"traits_x":2`, `"x":1`},
		{`"x"`, `"traits_x":2,"x":1`, `"x":1`},
		{`"x"`, `"x":1,"x":2`, `"x":2`},
		{`"x","traits_x"`, `"traits_x":1,"traits_x":2`, `"x":2`},
		{`"a\/b","\u0063"`, `"a\u002fb":1,"c":2`, `"a":{"b":1},"c":2`},
		{`"a"`, `"A":1`, ``},
		{`"a"`, `"a":"\ud800\r\n"`, `"a":"\ud800\r\n"`},
		{`"a"`, `"a": { "b" : [ 1 , "x y" ] , "c" : {} }`, `"a":{"b":[1,"x y"],"c":{}}`},
		{`"a","a/b"`, `"a":{"b":1,"c":[ ]},"a/b":2`, `"a":{"c":[],"b":2}`},
		{`"a","a/b/c"`, `"a":{"b":{"d":1}},"a/b/c":2`, `"a":{"b":{"d":1,"c":2}}`},
		{`"a","a/b/c"`, `"a":{"b":5},"a/b/c":2`, `"a":{"b":5}`},
		{`"a","a/b/c"`, `"a":{"b":{},"b":5},"a/b/c":2`, `"a":{"b":5}`},
		{`"a","a/b/c"`, `"a":{"b":null},"a/b/c":2`, `"a":{"b":{"c":2}}`},
		{`"a","a/b","a/b/c"`, `"a":{"b":{"d":1}},"a/b":null,"a/b/c":2`, `"a":{"b":{"c":2}}`},
		{`"a","a/b","a/b/c"`, `"a":{"b":{"d":1}},"a/b/c":2`, `"a":{"b":{"d":1,"c":2}}`},
		{`"a","a/b"`, `"a":{}`, `"a":{}`},
		{`"a","a/b"`, `"a":[],"a/b":1`, `"a":[]`},
		{`"a","a/b"`, `"a":{"\"\\\u0007é":1},"a/b":1`, `"a":{"\"\\\u0007é":1,"b":1}`},
		{`"prototype","a/constructor","__proto__/a"`, `"prototype":1,"a/constructor":2,"__proto__/a":3`, ``},
		{`"changes","traits_events","account_segments"`, `"changes":1,"events":2,"traits_events":2,"account_segments":[]`, ``},
		{`"","/"`, `"traits_":1,"/":2`, `"":1`},
	} {
		got := project(t, `{"public_traits":[`+c.traits+`]}`, `{"user":{"id":"u",`+c.user+`}}`, true)
		want := `{"message":"ok","user":{"id":"u",` + c.want + `},"segments":[],"account":{},"account_segments":[],"events":[]}`
		want = strings.Replace(want, `"u",}`, `"u"}`, 1)
		if got != want {
			t.Errorf("traits %s, user %s\n got %s\nwant %s", c.traits, c.user, got, want)
		}
	}
}

func TestProject(t *testing.T) {
	const user = `{"user":{"id":"u"},`
	for _, c := range []struct{ private, message, want string }{
		{`{"public_traits":["account.name","account.clearbit/industry","account.traits_x","name"]}`,
			user + `"account":{"clearbit/industry":"tech","name":"N","x":1,"id":"a","traits_name":"no"}}`,
			`"segments":[],"account":{"clearbit/industry":"tech","name":"N","x":1},"account_segments":[],"events":[]`},
		{`{"public_traits":["email"]}`, user + `"account":{"email":"a@x.io"}}`,
			`"segments":[],"account":{},"account_segments":[],"events":[]`},
		{`{"public_segments":["b","a"],"public_account_segments":["c"]}`,
			user + `"segments":[{"id":"a","name":"A"},{"id":"c","name":"C"},{"id":"b"},{"id":"b","name":7},{"name":"B","id":"b"}],` +
				`"account_segments":[{"id":"a","name":"A"},null,{"id":"c","name":"\u0043 \"c\""}]}`,
			`"segments":["A","B"],"account":{},"account_segments":["\u0043 \"c\""],"events":[]`},
		{`{"public_events":["page","Signed up"]}`,
			user + `"events":[{"event":"page"},{"event":"x"},"page",{"event":"Signed\u0020up"},{"event":"page"},{"name":"page"}]}`,
			`"segments":[],"account":{},"account_segments":[],"events":["page","Signed\u0020up","page"]`},
		{`{"public_traits":"email","public_segments":{"a":1},"public_events":["page",1]}`,
			`{"user":{"id":"u","email":"x"},"segments":[{"id":"a","name":"A"}],"events":[{"event":"page"}]}`,
			`"segments":[],"account":{},"account_segments":[],"events":[]`},
	} {
		got := project(t, c.private, c.message, true)
		if want := `{"message":"ok","user":{"id":"u"},` + c.want + `}`; got != want {
			t.Errorf("%s\n%s\n got %s\nwant %s", c.private, c.message, got, want)
		}
	}
}

func TestProjectManyTraits(t *testing.T) {
	var traits, user []string
	for i := range 100 {
		traits = append(traits, fmt.Sprintf(`"traits_t%02d/x"`, i))
		user = append(user, fmt.Sprintf(`"t%02d":{"x":%d}`, i, i))
	}
	message := `{"user":{"id":"u",` + strings.NewReplacer(`":{`, `/`, `"x"`, `x"`, `}`, ``).Replace(strings.Join(user, ",")) + `}}`
	got := project(t, `{"public_traits":[`+strings.Join(traits, ",")+`]}`, message, true)
	if want := `"user":{"id":"u",` + strings.Join(user, ",") + `},"segments"`; !strings.Contains(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestProjectEvents(t *testing.T) {
	s := hull.ParseSettings("c1", []byte(`{"script":"x()"}`), []byte(`{"public_events":["a","b"]}`))
	for events, want := range map[string]string{
		`[]`:                                  ``,
		`[{"event":"a"}]`:                     `"a"`,
		`[{"event":"b"},{},{"event" : "a" }]`: `"b","a"`,
	} {
		p, _ := s.Project([]byte("before"), messageOf(t, `{"user":{"id":"u"},"events":`+events+`}`), true)
		if got := string(p.JSON[p.EventsStart:p.EventsEnd]); got != want {
			t.Errorf("%s: got %s, want %s", events, got, want)
		}
		if end := `],"script_url":"` + s.ScriptURL() + `"}`; string(p.JSON[p.EventsEnd:]) != end {
			t.Errorf("after the events: %s", p.JSON[p.EventsEnd:])
		}
	}
}

func TestProjectAppends(t *testing.T) {
	buffer := append(make([]byte, 0, 1000), "before"...)
	p, _ := settingsOf(`{}`).Project(buffer, messageOf(t, `{"user":{"id":"u"}}`), true)
	if !bytes.HasPrefix(p.JSON, []byte(`{"message"`)) || string(buffer[:cap(buffer)][:7]) != "before{" {
		t.Errorf("payload %s, buffer %s", p.JSON, buffer[:cap(buffer)])
	}
}

func TestProjectPrivate(t *testing.T) {
	const in, out = true, false
	for _, c := range []struct {
		setting, message string
		want             bool
	}{
		{`{}`, ``, in},
		{`{"synchronized_segments":[]}`, ``, in},
		{`{"synchronized_segments":["ALL"]}`, ``, in},
		{`{"synchronized_segments":["s","ALL"]}`, ``, in},
		{`{"synchronized_segments":["s"]}`, ``, out},
		{`{"synchronized_segments":"ALL"}`, ``, out},
		{`{"synchronized_segments":null}`, ``, out},
		{`{"synchronized_segments":["ALL",1]}`, ``, out},
		{`{"synchronized_segments":{}}`, ``, out},
		{`{"synchronized_segments":["s"]}`, `,"segments":[null,{"id":"s"}]`, in},
		{`{"synchronized_segments":["s"]}`, `,"user_segments":[{"id":"\u0073"}]`, in},
		{`{"synchronized_segments":["s"]}`, `,"segments":{},"user_segments":[{"id":"s"}]`, in},
		{`{"synchronized_segments":["s"]}`, `,"segments":[],"user_segments":[{"id":"s"}]`, out},
		{`{"synchronized_segments":["s"]}`, `,"segments":[],"segment_ids":["s"]`, out},
		{`{"synchronized_segments":["s"]}`, `,"segments":null,"segment_ids":["t","s"]`, in},
		{`{"synchronized_segments":["s"]}`, `,"segment_ids":["t"],"user":{"id":"u","segment_ids":["s"]}`, out},
		{`{"synchronized_segments":["s"]}`, `,"segment_ids":null,"user":{"id":"u","segment_ids":["s"]}`, in},
		{`{"synchronized_segments":["s"]}`, `,"account_segments":[{"id":"s"}]`, out},
		{`{"synchronized_segments":["s"]}`, `,"segments":["s"]`, out},
		{`{"synchronized_segments":["s"]}`, `,"segments":[{"name":"s"}]`, out},
	} {
		if got := project(t, c.setting, `{"user":{"id":"u"}`+c.message+`}`, true) != ""; got != c.want {
			t.Errorf("%s, %s: passes is %t", c.setting, c.message, got)
		}
	}
	if got, want := string(hull.PrivatePayload("u\"\n\\é")), `{"user":{"id":"u\"\u000a\\é"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProjectUnsigned(t *testing.T) {
	const private = `{"public_traits":["email","plan","account.name"],"public_segments":["s"],` +
		`"public_traits_unsigned":["plan"],"public_segments_unsigned":[]}`
	const message = `{"user":{"id":"u","email":"a@x.io","plan":"pro"},"account":{"name":"N"},"segments":[{"id":"s","name":"S"}]}`
	for signed, want := range map[bool]string{
		true:  `{"message":"ok","user":{"id":"u","email":"a@x.io","plan":"pro"},"segments":["S"],"account":{"name":"N"},"account_segments":[],"events":[]}`,
		false: `{"message":"ok","user":{"id":"u","plan":"pro"},"segments":[],"account":{},"account_segments":[],"events":[]}`,
	} {
		if got := project(t, private, message, signed); got != want {
			t.Errorf("signed is %t\n got %s\nwant %s", signed, got, want)
		}
	}
}

// Names that collide in every way, with values of every kind, come out as the
// rules say. A fuzzer rarely gets past the syntax.
func TestProjectAgainstRules(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	name := func() string {
		parts := []string{pick("", "traits_", "traits_", "account.", "traits_account.", "traits_traits_") + pick("a", "b", "id", "", "events")}
		for random.IntN(2) == 0 {
			parts = append(parts, pick("a", "b", "c", "", "__proto__"))
		}
		return strings.Join(parts, pick("/", "/", `\/`))
	}
	object := func(value func() string) string {
		var members []string
		for range random.IntN(8) {
			members = append(members, pick("", " ", "\n")+`"`+name()+`" :`+value())
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	scalar := func() string { return pick("null", "null", "1.50", "true", `""`, `"x y\n"`, "[ 1, {} ]", "{}") }
	inner := func() string { return pick(scalar(), object(scalar)) }
	value := func() string { return pick(scalar(), object(inner)) }
	entry := func() string {
		return pick("null", "{}", `{"id":"s","name":"S","event":"e"}`, `{"id":"t","event":"f","name":"T"}`, `{"id":"s","name":1}`, `{"name":"S"}`)
	}
	list := func(element func() string) string {
		var elements []string
		for range random.IntN(10) {
			elements = append(elements, element())
		}
		return "[" + strings.Join(elements, pick(",", " ,\r\n")) + "]"
	}
	ids := func() string { return pick(`"s"`, `"t"`, `"e"`, `"f"`) }
	traits := func() string { return `"` + name() + `"` }
	for range 2000 {
		private := `{"public_traits":` + list(traits) + `,"public_segments":` + list(ids) + `,"public_account_segments":` + list(ids) +
			`,"public_events":` + list(ids) + pick("", "", `,"synchronized_segments":`+list(ids)) + pick("", `,"public_traits_unsigned":`+list(traits)) + `}`
		user := strings.TrimSuffix(object(value), "}")
		message := `{"user":` + strings.TrimSuffix(user+`,"id":"u"}`, " ") + `,"account":` + object(value) + `,"events":` + list(entry) +
			`,"account_segments":` + list(entry) + pick("", `,"segments":`+list(entry), `,"segment_ids":`+list(ids)) + `}`
		message = strings.Replace(message, "{,", "{", 1)
		messageOf(t, message)
		for _, signed := range []bool{true, false} {
			compareWithRules(t, []byte(private), []byte(message), signed)
		}
		if t.Failed() {
			t.Fatalf("settings %s\nmessage %s", private, message)
		}
	}
}

func FuzzProject(f *testing.F) {
	f.Add([]byte(`{"public_traits":["a","traits_a/b","c/d/e","account.x/y","account.traits_z"],"public_segments":["s"],"public_events":["e"]}`),
		[]byte(`{"user":{"id":"u","a":{"b":1,"q":[1, 2]},"a/b":{"c":2},"traits_a":5,"c/d/e":null},"account":{"x/y":1e5,"z":"\ud800"},`+
			`"segments":[{"id":"s","name":"S"}],"events":[{"event":"e"},{"event":"f"}]}`), true)
	f.Add([]byte(`{"public_traits":["x","x/y"],"public_traits_unsigned":["x/y/z"],"synchronized_segments":["s"]}`),
		[]byte(`{"user":{"id":"u","x":null,"x/y":{"z":1},"x/y/z":2,"segment_ids":["s"]},"segment_ids":null}`), false)
	f.Add([]byte(`{"synchronized_segments":["ALL"],"public_account_segments":["a"]}`),
		[]byte("{\"user\":{\"id\":\"u\xff\"},\"account_segments\":[{\"id\":\"a\",\"name\":\"\\u0041\"},{\"id\":\"a\",\"id\":3}]}"), true)
	f.Fuzz(compareWithRules)
}

// compareWithRules wants the payloads of some messages to be those of slowProject.
func compareWithRules(t *testing.T, private, body []byte, signed bool) {
	messages, _, err := hull.ParseMessages(body, 100)
	if err != nil || !utf8.Valid(private) {
		return
	}
	s := hull.ParseSettings("c1", nil, private)
	for _, m := range messages {
		got, ok := s.Project(nil, &m, signed)
		want := slowProject(private, elementAt(t, body, m.Index), signed)
		if ok != (want != nil) {
			t.Fatalf("sent is %t, want %v", ok, want)
		}
		if ok {
			checkPayload(t, got, want)
		}
		if state, err := hull.ParseState(m.State()); err != nil || state.UserID != m.UserID {
			t.Errorf("state %s: %v", m.State(), err)
		}
	}
}

// elementAt is the message at index, as encoding/json finds it.
func elementAt(t *testing.T, body []byte, index int) any {
	var v any
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	decode(t, bytes.ToValidUTF8(body, []byte("\uFFFD")), &v)
	if list, ok := v.([]any); ok {
		return list[index]
	}
	return v
}

func checkPayload(t *testing.T, got hull.Payload, want map[string]any) {
	t.Helper()
	if bytes.ContainsAny(got.JSON, "\r\n") || !utf8.Valid(got.JSON) {
		t.Fatalf("not one line of UTF-8: %q", got.JSON)
	}
	if !bytes.Equal(got.JSON, compact(t, got.JSON)) {
		t.Errorf("not compact: %s", got.JSON)
	}
	var payload map[string]any
	decode(t, got.JSON, &payload)
	if diff := cmp.Diff(want, payload); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var events []any
	decode(t, []byte("["+string(got.JSON[got.EventsStart:got.EventsEnd])+"]"), &events)
	if diff := cmp.Diff(want["events"], any(events)); diff != "" {
		t.Errorf("offsets of events (-want +got)\n%s", diff)
	}
}

func BenchmarkParse(b *testing.B) {
	body := readFixture(b, "user-update-batch-100.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hull.ParseNotification(body, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	body := readFixture(b, "user-update-batch-100.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := hull.CheckJSON(body, 100); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNotification is all that this package does with a notification.
func BenchmarkNotification(b *testing.B) {
	for _, name := range []string{"user-update-batch-100.json", "user-update-modern.json", "compact batch-100"} {
		b.Run(strings.TrimSuffix(name, ".json"), func(b *testing.B) {
			var body []byte
			if file, ok := strings.CutPrefix(name, "compact "); ok {
				body = compact(b, readFixture(b, "user-update-"+file+".json"))
			} else {
				body = readFixture(b, name)
			}
			c := parse(b, body).Connector
			s := hull.ParseSettings(c.ID, c.Settings, c.PrivateSettings)
			var topics []hull.Topic
			var buffer []byte
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				for _, m := range parse(b, body).Messages {
					topics = m.Topics(topics[:0])
					_ = m.State()
					p, _ := s.Project(buffer[:0], &m, true)
					buffer = p.JSON
				}
			}
		})
	}
}

func BenchmarkTag(b *testing.B) {
	s := settingsOf(`{"public_traits":["email"]}`)
	b.ReportAllocs()
	for b.Loop() {
		s.Tag(true, "5c5b7b694aa3a8d42e03895a")
	}
}
