package hull_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

const fixtures = "../testdata/hull"

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// expectation is an X.expected.json (testdata/hull/README.md).
type expectation struct {
	Fixture   string
	Connector struct {
		Settings        json.RawMessage
		PrivateSettings json.RawMessage `json:"private_settings"`
	}
	Deliveries []struct {
		Message    int
		Outcome    string
		Reason     string
		Identities []struct{ Kind, Value string }
		Payload    map[string]any
	}
	Response struct {
		Status      int
		FlowControl json.RawMessage `json:"flow_control"`
	}
}

func decode(t testing.TB, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}

func parse(t testing.TB, body []byte) *hull.Notification {
	t.Helper()
	n, err := hull.ParseNotification(body, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Every message of every fixture goes where and as what the expectation says,
// from the notification and again from the stored state.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fixtures, "user-update-*.expected.json"))
	if err != nil || len(files) < 14 {
		t.Fatalf("%d expectations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".expected.json"), func(t *testing.T) {
			var want expectation
			decode(t, readFixture(t, filepath.Base(file)), &want)
			n := parse(t, readFixture(t, want.Fixture))
			s := hull.ParseSettings(n.Configuration.ID, want.Connector.Settings, want.Connector.PrivateSettings)
			if got := len(n.Messages) + len(n.Skipped); got != len(want.Deliveries) || got != n.Count {
				t.Fatalf("%d messages of %d, want %d", got, n.Count, len(want.Deliveries))
			}
			for _, d := range want.Deliveries {
				if d.Reason == hull.SkipNoUserID {
					wantSkip(t, n, d.Message)
					continue
				}
				m := message(t, n, d.Message)
				payload := checkDelivery(t, s, m, d.Outcome == "sent", d.Payload)
				if d.Outcome != "sent" {
					continue
				}
				if diff := cmp.Diff(identities(d.Identities), topicTexts(m.Topics(nil))); diff != "" {
					t.Errorf("message %d, topics (-want +got)\n%s", d.Message, diff)
				}
				checkState(t, s, m, payload)
			}
			next, _ := json.Marshal(new(hull.Pace).Next(n.Channel).FlowControl)
			if diff := cmp.Diff(string(compact(t, want.Response.FlowControl)), string(next)); diff != "" {
				t.Errorf("flow control (-want +got)\n%s", diff)
			}
		})
	}
}

func wantSkip(t *testing.T, n *hull.Notification, index int) {
	t.Helper()
	for _, skip := range n.Skipped {
		if skip.Index == index {
			return
		}
	}
	t.Errorf("message %d is not skipped", index)
}

func message(t *testing.T, n *hull.Notification, index int) *hull.Message {
	t.Helper()
	for i := range n.Messages {
		if n.Messages[i].Index == index {
			return &n.Messages[i]
		}
	}
	t.Fatalf("message %d is missing", index)
	return nil
}

func checkDelivery(t *testing.T, s *hull.Settings, m *hull.Message, sent bool, want map[string]any) hull.Payload {
	t.Helper()
	got, ok := s.Project(nil, m, true)
	if ok != sent {
		t.Fatalf("message %d: sent is %t", m.Index, ok)
	}
	if !sent {
		return got
	}
	if script, ok := want["script"]; ok {
		delete(want, "script")
		want["script_url"] = s.ScriptURL()
		if text, _ := s.Script(); text != script {
			t.Errorf("script is %q", text)
		}
	}
	var payload map[string]any
	decode(t, got.JSON, &payload)
	if diff := cmp.Diff(want, payload); diff != "" {
		t.Errorf("message %d, payload (-want +got)\n%s", m.Index, diff)
	}
	return got
}

// checkState wants what is stored to give the same payload, but for events.
func checkState(t *testing.T, s *hull.Settings, m *hull.Message, payload hull.Payload) {
	t.Helper()
	state := m.State()
	if !bytes.Equal(state, compact(t, state)) {
		t.Errorf("state is not compact: %s", state)
	}
	stored, err := hull.ParseState(state)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(topicTexts(m.Topics(nil)), topicTexts(stored.Topics(nil))); diff != "" {
		t.Errorf("message %d, topics of the state (-want +got)\n%s", m.Index, diff)
	}
	if !stored.IndexedAt.Equal(m.IndexedAt) {
		t.Errorf("message %d, state indexed at %v, want %v", m.Index, stored.IndexedAt, m.IndexedAt)
	}
	again, ok := s.Project(nil, &stored, true)
	want := string(payload.JSON[:payload.EventsStart]) + string(payload.JSON[payload.EventsEnd:])
	if got := string(again.JSON); !ok || got != want {
		t.Errorf("message %d, payload of the state\n got %s\nwant %s", m.Index, got, want)
	}
}

func identities(list []struct{ Kind, Value string }) []string {
	var all []string
	for _, i := range list {
		all = append(all, i.Kind+":"+i.Value)
	}
	return all
}

func topicTexts(topics []hull.Topic) (texts []string) {
	for _, topic := range topics {
		texts = append(texts, topic.String())
	}
	return texts
}

func compact(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Broken bodies get the code that cases.json gives them, and the good messages
// of half-broken ones are kept.
func TestBadFixtures(t *testing.T) {
	var list struct {
		Cases []struct {
			File, Why string
			Hullbeam  struct {
				Status             int
				Code               *string
				Delivered, Skipped *[]int
			}
		}
	}
	decode(t, readFixture(t, "bad/cases.json"), &list)
	for _, c := range list.Cases {
		t.Run(c.File, func(t *testing.T) {
			n, err := hull.ParseNotification(readFixture(t, "bad/"+c.File), 0)
			if c.Hullbeam.Code != nil {
				e, ok := errors.AsType[*hull.NotificationError](err)
				if !ok || e.Code != *c.Hullbeam.Code || e.Status != c.Hullbeam.Status {
					t.Fatalf("%s: got %v, want %s", c.Why, err, *c.Hullbeam.Code)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Why, err)
			}
			if c.Hullbeam.Delivered == nil {
				return
			}
			if diff := cmp.Diff(*c.Hullbeam.Delivered, delivered(n)); diff != "" {
				t.Errorf("%s: delivered (-want +got)\n%s", c.Why, diff)
			}
			if want := c.Hullbeam.Skipped; want != nil && len(*want) != len(n.Skipped) {
				t.Errorf("%s: skipped %v, want %v", c.Why, n.Skipped, *want)
			}
		})
	}
}

// delivered are the messages that are sent under the notification's settings.
func delivered(n *hull.Notification) []int {
	list := []int{}
	s := hull.ParseSettings(n.Configuration.ID, n.Connector.Settings, n.Connector.PrivateSettings)
	for _, m := range n.Messages {
		if _, ok := s.Project(nil, &m, true); ok {
			list = append(list, m.Index)
		}
	}
	return list
}
