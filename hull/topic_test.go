package hull_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	"hullbeam/hull"
)

func TestParseTopic(t *testing.T) {
	for text, want := range map[string]string{
		"id:u1":                   "id:u1",
		"external_id:a:b":         "external_id:a:b",
		"external_id: A ":         "external_id: A ",
		"email: A@X.io\t":         "email:a@x.io",
		"email:ÉMILE@X.io":        "email:émile@x.io",
		"anonymous_id:intercom:9": "anonymous_id:intercom:9",
	} {
		topic, err := hull.ParseTopic(text)
		if err != nil || topic.String() != want {
			t.Errorf("%q is %q, %v", text, topic, err)
		}
	}
	for _, text := range []string{"", "id", "id:", ":u", "email: ", "Email:a@x.io", "contact_email:a@x.io", "id:\xff", "email:\xff@x.io", "email:É\xff"} {
		if topic, err := hull.ParseTopic(text); err == nil {
			t.Errorf("%q is a topic: %q", text, topic)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, seed := range []string{"id:u1", "email: A@İ.io ", "external_id:a:b", "anonymous_id:intercom:9", "email:\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := hull.ParseTopic(text)
		if err != nil {
			if topic != (hull.Topic{}) {
				t.Errorf("%q: %v, and yet %q", text, err, topic)
			}
			return
		}
		if !slices.Contains(hull.Kinds[:], topic.Kind()) || topic.Value() == "" || !utf8.ValidString(topic.Value()) {
			t.Errorf("%q is %q", text, topic)
		}
		if again, err := hull.ParseTopic(topic.String()); err != nil || again != topic {
			t.Errorf("%q is %q, which is %q, %v", text, topic, again, err)
		}
	})
}
