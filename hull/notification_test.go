package hull_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

const goodConfiguration = `{"id":"c1","organization":"acme.hullapp.io","secret":"s"}`

func TestParseNotification(t *testing.T) {
	n := parse(t, readFixture(t, "user-update-modern.json"))
	if n.ID == "" || n.Channel != "user:update" || n.Count != 1 || len(n.Messages) != 1 || len(n.Skipped) != 0 {
		t.Errorf("got %+v", n)
	}
	want := hull.Configuration{ID: "3de707bcaa7fee93742e2793", Organization: "harbor-demo.hullapp.io", Secret: "ce1c5ce021baf6a9214bb428b4ab5056"}
	if diff := cmp.Diff(want, n.Configuration); diff != "" {
		t.Errorf("configuration (-want +got)\n%s", diff)
	}
	if c := n.Connector; c == nil || c.ID != want.ID || c.Settings == nil || c.PrivateSettings == nil ||
		!c.UpdatedAt.Equal(time.Date(2018, 12, 11, 13, 32, 41, 0, time.UTC)) {
		t.Errorf("connector %+v", c)
	}
	m := n.Messages[0]
	if m.UserID != "5c5b7b694aa3a8d42e03895a" || m.Events == nil || m.SegmentIDs != nil || m.IndexedAt.IsZero() {
		t.Errorf("message %+v", m)
	}
}

func TestParseNotificationErrors(t *testing.T) {
	with := func(member string) string {
		return `{"notification_id":"n","channel":"user:update","messages":[],"configuration":` + goodConfiguration + `,` + member + `}`
	}
	configuration := func(id, organization, secret string) string {
		return with(fmt.Sprintf(`"configuration":{"id":%s,"organization":%s,"secret":%s}`, id, organization, secret))
	}
	for _, c := range []struct {
		body string
		want error
	}{
		{"", hull.ErrMissingNotification},
		{" \r\n\t", hull.ErrMissingNotification},
		{"\xef\xbb\xbf", hull.ErrMissingNotification},
		{" null ", hull.ErrMissingNotification},
		{"{", hull.ErrInvalidJSON},
		{"\xff", hull.ErrInvalidJSON},
		{strings.Repeat("[", 1000) + strings.Repeat("]", 1000), hull.ErrInvalidJSON},
		{"7", hull.ErrInvalidNotification},
		{"{}", hull.ErrInvalidNotification},
		{`{"Channel":"user:update","messages":[]}`, hull.ErrInvalidNotification},
		{with(`"channel":5`), hull.ErrInvalidNotification},
		{with(`"channel":null`), hull.ErrInvalidNotification},
		{with(`"messages":{}`), hull.ErrInvalidNotification},
		{with(`"messages":null`), hull.ErrInvalidNotification},
		{with(`"messages":[` + strings.Repeat("0,", 10_000) + `0]`), hull.ErrEntityTooLarge},
		{with(`"connector":[]`), hull.ErrInvalidNotification},
		{with(`"connector":{"settings":"x"}`), hull.ErrInvalidNotification},
		{with(`"connector":{"private_settings":[]}`), hull.ErrInvalidNotification},
		{with(`"configuration":null`), hull.ErrMissingConfiguration},
		{with(`"configuration":{}`), hull.ErrInvalidConfiguration},
		{with(`"configuration":[]`), hull.ErrInvalidConfiguration},
		{with(`"connector":{"id":"c2"}`), hull.ErrInvalidConfiguration},
		{with(`"connector":{"id":7}`), hull.ErrInvalidNotification},
		{configuration(`""`, `"a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"a/b"`, `"a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1\n"`, `"a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"`+strings.Repeat("a", 65)+`"`, `"a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"a.io"`, `""`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"a.io"`, `5`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `""`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"a.io/x"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"u@a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"https://a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"a.io:"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"a.io."`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `" a.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{configuration(`"c1"`, `"*.io"`, `"s"`), hull.ErrInvalidConfiguration},
		{with(`"notification_id":""`), hull.ErrMissingNotificationID},
		{with(`"notification_id":7`), hull.ErrMissingNotificationID},
		{with(`"notification_id":null`), hull.ErrMissingNotificationID},
		{with(`"x":1`), nil},
		{with(`"connector":null`), nil},
		{with(`"connector":{"id":null,"settings":null}`), nil},
		{configuration(`"c_-1"`, `"Localhost:8080"`, `"s"`), nil},
	} {
		n, err := hull.ParseNotification([]byte(c.body), 0)
		if !errors.Is(err, c.want) {
			t.Errorf("%.200s\n got %v\nwant %v", c.body, err, c.want)
		}
		if (n == nil) != (err != nil) {
			t.Errorf("%.200s: notification %v with error %v", c.body, n, err)
		}
	}
}

func TestParseNotificationLenience(t *testing.T) {
	n := parse(t, []byte("\xef\xbb\xbf"+`
		{"\u006eotification_id": "first", "notification_id": "n\u00e9\ud83d", "channel": "user\u003aupdate",
		 "configuration": {"id":"c1","organization":"ACME.hullapp.io:8080","secret":"s"},
		 "connector": {"private_settings": { }, "settings": null},
		 "messages": [ {"user":{"id":"u`+"\xff\xfe"+`"}} , null ]}`))
	if n.ID != "né\uFFFD" || n.Configuration.Organization != "acme.hullapp.io:8080" {
		t.Errorf("got %+v", n)
	}
	if n.Connector.Settings != nil || n.Connector.PrivateSettings == nil || n.Connector.ID != "" {
		t.Errorf("connector %+v", n.Connector)
	}
	if len(n.Messages) != 1 || n.Messages[0].UserID != "u\uFFFD" {
		t.Errorf("messages %+v", n.Messages)
	}
	if diff := cmp.Diff([]hull.Skip{{Index: 1, Reason: hull.SkipNotAnObject}}, n.Skipped); diff != "" {
		t.Errorf("skipped (-want +got)\n%s", diff)
	}
}

func TestParseNotificationOtherChannels(t *testing.T) {
	n := parse(t, readFixture(t, "ship-update.json"))
	if n.Count != 1 || n.Messages != nil || n.Skipped != nil {
		t.Errorf("got %+v", n)
	}
}

// Messages are read where they stand, before it is known whether they count.
func TestParseNotificationOrder(t *testing.T) {
	const rest = `,"notification_id":"n","configuration":` + goodConfiguration + `}`
	const one, two = `"messages":[{"user":{"id":"u"}}]`, `"messages":[{"user":{"id":"v"}},{"user":{}},{"user":{"id":"w"},"user":{"id":"x"}}]`
	tooMany := `"messages":[` + strings.Repeat("0,", 10_000) + `0]`
	for _, c := range []struct{ body, want string }{
		{one + `,"channel":"user:update"`, "u"},
		{one + `,` + two + `,"channel":"user:update"`, "v x"},
		{`"channel":"user:update",` + two + `,` + one, "u"},
		{tooMany + `,` + one + `,"channel":"user:update"`, "u"},
		{`"messages":7,` + one + `,"channel":"user:update"`, "u"},
		{two + `,"channel":"user:update","channel":"ship:update"`, ""},
	} {
		n := parse(t, []byte(`{`+c.body+rest))
		var got []string
		for _, m := range n.Messages {
			got = append(got, m.UserID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%.200s: got %q, want %q", c.body, got, c.want)
		}
	}
	for _, body := range []string{one + `,` + tooMany, one + `,"messages":null`} {
		if n, err := hull.ParseNotification([]byte(`{"channel":"user:update",`+body+rest), 0); err == nil {
			t.Errorf("%.200s: %+v", body, n)
		}
	}
}

// A later user is taken whole, or not at all.
func TestParseMessagesRepeatedUser(t *testing.T) {
	m := messageOf(t, `{"user":{"id":"u","email":"a@x.io","segment_ids":["s"]},"user":{"id":"v"}}`)
	if got := strings.Join(topicTexts(m.Topics(nil)), " "); got != "id:v" || m.SegmentIDs != nil {
		t.Errorf("got %s, %s", got, m.SegmentIDs)
	}
	if _, skipped, _ := hull.ParseMessages([]byte(`{"user":{"id":"u"},"user":null}`), 0); len(skipped) != 1 {
		t.Error("the first of two users counts")
	}
}

func TestParseConnector(t *testing.T) {
	c, err := hull.ParseConnector([]byte(`{"id":"c1","settings":{"script":"x()"},"private_settings":null,"updated_at":"2018-12-11T13:32:41Z"}`))
	if err != nil || c.ID != "c1" || string(c.Settings) != `{"script":"x()"}` || c.PrivateSettings != nil || c.UpdatedAt.Year() != 2018 {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, bad := range []string{``, `null`, `[]`, `{`, `{"id":[]}`, `{"settings":[]}`, `{"private_settings":""}`} {
		if c, err := hull.ParseConnector([]byte(bad)); !errors.Is(err, hull.ErrInvalidNotification) {
			t.Errorf("%s: %v, %v", bad, c, err)
		}
	}
}

func TestIndexedAt(t *testing.T) {
	want := time.Date(2018, 10, 8, 16, 33, 15, 0, time.UTC)
	for spelling, ok := range map[string]bool{
		`"2018-10-08T16:33:15Z"`: true, `"2018-10-08T16:33:15+00:00"`: true, `"2018-10-08T18:33:15.000+02:00"`: true,
		`"2018-10-08 16:33:15 UTC"`: true, `"2018-10-08t16:33:15z"`: true, `"2018-10-08 16:33:15Z"`: true,
		`"2018-10-08T16:33:15.000000000-00:00"`: true, `"2018-10-08T16:33:15\u005a"`: true,
		`"2018-10-08"`: false, `"2018-10-08 16:33:15"`: false, `"2018-13-08T16:33:15Z"`: false, `1539016395`: false, `""`: false,
		`null`: false, `"yesterday"`: false, `"2018-10-08T16:33:15Z` + strings.Repeat(" ", 100) + `"`: false,
	} {
		m, _, err := hull.ParseMessages([]byte(`{"user":{"id":"u","indexed_at":`+spelling+`}}`), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := m[0].IndexedAt; ok && !got.Equal(want) || !ok && !got.IsZero() {
			t.Errorf("%s is %v", spelling, got)
		}
	}
}

func TestParseMessages(t *testing.T) {
	for _, c := range []struct {
		body           string
		taken, skipped int
		err            error
	}{
		{`{"user":{"id":"u"}}`, 1, 0, nil},
		{`[{"user":{"id":"u"}},5,{"user":{}},{"user":{"id":"v"}}]`, 2, 2, nil},
		{`[]`, 0, 0, nil},
		{`{}`, 0, 1, nil},
		{``, 0, 0, hull.ErrInvalidNotification},
		{`null`, 0, 0, hull.ErrInvalidNotification},
		{`"x"`, 0, 0, hull.ErrInvalidNotification},
		{`[`, 0, 0, hull.ErrInvalidJSON},
	} {
		messages, skipped, err := hull.ParseMessages([]byte(c.body), 0)
		if len(messages) != c.taken || len(skipped) != c.skipped || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v, %v", c.body, messages, skipped, err)
		}
	}
}

func TestState(t *testing.T) {
	n := parse(t, readFixture(t, "user-update-sparse.json"))
	for i, want := range []string{
		`{"user":{"id":"fc9bdf8ca54373af47b528c5","email":"sparse@harbor.example"},"segment_ids":["c2cf99cf9e3f316a89bb1c2e"]}`,
		`{"user":{"id":"638b289567620cc3838927e9","email":"remapped@harbor.example"},"segments":[{"id":"c2cf99cf9e3f316a89bb1c2e","name":"Active Users",` +
			`"updated_at":"2018-11-05T20:07:04Z","type":"users_segment","created_at":"2018-01-26T15:27:10Z"}]}`,
	} {
		if got := string(n.Messages[i].State()); got != want {
			t.Errorf("message %d\n got %s\nwant %s", i, got, want)
		}
	}
	if _, err := hull.ParseState([]byte(`{"user":{}}`)); !errors.Is(err, hull.ErrNoUser) {
		t.Errorf("no user: %v", err)
	}
	for _, bad := range []string{"", "null", "[]", `{"user":{"id":"u"}`} {
		if _, err := hull.ParseState([]byte(bad)); err == nil {
			t.Errorf("%q is a state", bad)
		}
	}
}

func TestParseReport(t *testing.T) {
	m, err := hull.ParseReport(readFixture(t, "rest/get-me-user-report.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"user":{"id":"5c5b7b694aa3a8d42e03895a","email":"tiago.reis@caravela.example","domain":"caravela.example",` +
		`"created_at":"2018-10-26T14:51:01Z","indexed_at":"2018-10-29T15:01:24Z","is_approved":false,"anonymous_ids":["outreach:16"],` +
		`"segment_ids":["7c0ffee0a1b2c3d4e5f60718","unknown-segment"],"traits_outreach/id":16,"traits_plan":"brigantine",` +
		`"first_seen_at":"2018-10-08T16:12:38Z"},"account":{"id":"7c0ffee0a1b2c3d4e5f6ac01","name":"Caravela Lda","domain":"caravela.example",` +
		`"external_id":"acct-77","anonymous_ids":["outreach:20"],"outreach/custom_1":"Cais 4","created_at":"2018-10-26T14:51:00Z",` +
		`"updated_at":"2018-10-26T14:59:22Z"},"segments":[{"id":"7c0ffee0a1b2c3d4e5f60718","name":"Active Users","type":"users_segment",` +
		`"created_at":"2018-10-29T14:59:53Z","updated_at":"2018-10-29T14:59:53Z"}]}`
	if got := string(m.State()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if m.UserID != "5c5b7b694aa3a8d42e03895a" || !m.IndexedAt.Equal(time.Date(2018, 10, 29, 15, 1, 24, 0, time.UTC)) {
		t.Errorf("got %+v", m)
	}
	for _, nobody := range []string{`{}`, `null`, ``, `[]`, `{"id":""}`, `{"id":7}`, `{"user":{"id":"u"}}`} {
		if _, err := hull.ParseReport([]byte(nobody)); !errors.Is(err, hull.ErrNoUser) {
			t.Errorf("%q: %v", nobody, err)
		}
	}
	if _, err := hull.ParseReport([]byte(`{"id":"u"`)); err == nil || errors.Is(err, hull.ErrNoUser) {
		t.Errorf("half a report: %v", err)
	}
	// The lines of an extract are reports too: segments as ids only.
	m, err = hull.ParseReport([]byte(`{"id":"u","segment_ids":["s"]}`))
	if err != nil || string(m.SegmentIDs) != `["s"]` || m.Segments != nil {
		t.Errorf("got %+v, %v", m, err)
	}
}

func FuzzParseNotification(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf" + `{"channel":"ship:update","messages":[{}],"connector":{"id":"c1","updated_at":"2018-12-12T08:00:00Z","settings":null}}`))
	f.Add([]byte(`{"messages":[{"user":{"id":"u","anonymous_ids":["a","a",1],"email":"A@x.io"},"user_segments":[]}],"channel":"user:update"}`))
	f.Add([]byte(`{"notification_id":"n","channel":"user:update","configuration":` + goodConfiguration + `,"messages":[{"user":{"id":"u"}},7]}`))
	codes := map[string]bool{"MISSING_NOTIFICATION": true, "INVALID_JSON": true, "INVALID_NOTIFICATION": true, "ENTITY_TOO_LARGE": true,
		"MISSING_CONFIGURATION": true, "INVALID_CONFIGURATION": true, "MISSING_NOTIFICATION_ID": true}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := hull.ParseNotification(body, 50)
		if err != nil {
			if e, ok := errors.AsType[*hull.NotificationError](err); !ok || !codes[e.Code] {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, m := range n.Messages {
			m.Topics(nil)
			if _, err := hull.ParseState(m.State()); err != nil {
				t.Errorf("%v from %s", err, m.State())
			}
		}
		if n.Channel == "user:update" && len(n.Messages)+len(n.Skipped) != n.Count {
			t.Errorf("%d messages and %d skipped of %d", len(n.Messages), len(n.Skipped), n.Count)
		}
	})
}
