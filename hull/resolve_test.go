package hull_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

func messageOf(t testing.TB, message string) *hull.Message {
	t.Helper()
	messages, skipped, err := hull.ParseMessages([]byte(message), 0)
	if err != nil || len(messages) != 1 {
		t.Fatalf("%s: %v, %v", message, skipped, err)
	}
	return &messages[0]
}

func TestC19Topics(t *testing.T) {
	for user, want := range map[string]string{
		// The rows of docs/hull-protocol.md 10.3.
		`{"id":"u1","email":"a@x.io","contact_email":"a@x.io","external_id":"7","anonymous_ids":["d1","intercom:9"]}`: "anonymous_id:d1 anonymous_id:intercom:9 external_id:7 id:u1 email:a@x.io",
		`{"id":"u2","anonymous_ids":[]}`: "id:u2",

		`{"id":"u","email":" A@X.io","contact_email":"b@x.io"}`:         "id:u email:a@x.io email:b@x.io",
		`{"id":"u","email":" ","external_id":"","anonymous_ids":[""]}`:  "id:u",
		`{"id":"u","anonymous_ids":"abc"}`:                              "id:u",
		`{"id":"u","anonymous_ids":{"0":"abc"}}`:                        "id:u",
		`{"id":"u","anonymous_id":"abc"}`:                               "id:u",
		`{"id":"u","external_id":7,"email":["a@x.io"]}`:                 "id:u",
		`{"id":"u","external_id":"u","anonymous_ids":["u","u"]}`:        "anonymous_id:u external_id:u id:u",
		`{"id":"u","external_id":"a","\u0065xternal_id":"b\u002f\n"}`:   "external_id:b/\n id:u",
		`{"id":"u","anonymous_ids":[1,null,{"id":"x"},["y"],true,"z"]}`: "anonymous_id:z id:u",
	} {
		got := strings.Join(topicTexts(messageOf(t, `{"user":`+user+`}`).Topics(nil)), " ")
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", user, got, want)
		}
	}
}

// Many anonymous ids keep their order and lose their repeats, and what dst held
// before is of no concern.
func TestTopicsMany(t *testing.T) {
	var ids, want []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("%q", fmt.Sprint(i%700)))
		if i < 700 {
			want = append(want, fmt.Sprintf("anonymous_id:%d", i))
		}
	}
	m := messageOf(t, `{"user":{"id":"u","anonymous_ids":[`+strings.Join(ids, ",")+`]}}`)
	before, _ := hull.NewTopic(hull.KindID, "u")
	var got []string
	for _, topic := range m.Topics([]hull.Topic{before}) {
		got = append(got, topic.String())
	}
	if diff := cmp.Diff(append(append([]string{"id:u"}, want...), "id:u"), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
