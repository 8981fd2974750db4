package hull_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

// C14: the absorbed user's id, email and anonymous ids lead to the survivor.
func TestC14Merges(t *testing.T) {
	body, err := os.ReadFile("../testdata/hull/user-update-merged.json")
	if err != nil {
		t.Fatal(err)
	}
	n, err := hull.ParseNotification(body, 0)
	if err != nil {
		t.Fatal(err)
	}
	absorbed, topics := n.Messages[0].Merges()
	if d := cmp.Diff([]string{"da01a06e58ab6bdcbb64686e"}, absorbed); d != "" {
		t.Errorf("absorbed users (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"id:da01a06e58ab6bdcbb64686e", "email:absorbed@harbor.example"}, topicTexts(topics)); d != "" {
		t.Errorf("topics (-want +got):\n%s", d)
	}
}

func TestMergesOddEvents(t *testing.T) {
	for name, test := range map[string]struct {
		events   string
		absorbed []string
		topics   []string
	}{
		"two, with repeats": {`[{"event_source":"hull","event_type":"user_merged","properties":{"merged_id":"a","merged_email":" A@x.io ","merged_anonymous_ids":["k","own",7,""]}},
			{"event_source":"hull","event_type":"user_merged","properties":{"user_id":"u","merged_id":"b","merged_email":"a@x.io","merged_external_id":"7"}}]`,
			[]string{"a", "b"}, []string{"id:a", "email:a@x.io", "anonymous_id:k", "id:b", "external_id:7"}},
		"of another survivor":   {`[{"event_source":"hull","event_type":"user_merged","properties":{"user_id":"v","merged_id":"a"}}]`, nil, nil},
		"of itself":             {`[{"event_source":"hull","event_type":"user_merged","properties":{"user_id":"u","merged_id":"u","merged_email":"e@x.io"}}]`, nil, nil},
		"of nobody":             {`[{"event_source":"hull","event_type":"user_merged","properties":{"merged_email":"e@x.io"}}]`, nil, nil},
		"another event":         {`[{"event":"user_merged","event_type":"track","properties":{"merged_id":"a"}}]`, nil, nil},
		"of somebody's tracker": {`[{"event_source":"segment","event_type":"user_merged","properties":{"merged_id":"a"}}]`, nil, nil},
		"of no source":          {`[{"event_type":"user_merged","properties":{"merged_id":"a"}}]`, nil, nil},
		"wrong types":           {`[7,null,{"event_source":"hull","event_type":"user_merged","properties":[]},{"event_source":"hull","event_type":"user_merged","properties":{"merged_id":{}}}]`, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			messages, _, err := hull.ParseMessages([]byte(`{"user":{"id":"u","anonymous_ids":["own"]},"events":`+test.events+`}`), 0)
			if err != nil {
				t.Fatal(err)
			}
			absorbed, topics := messages[0].Merges()
			if d := cmp.Diff(test.absorbed, absorbed); d != "" {
				t.Errorf("absorbed users (-want +got):\n%s", d)
			}
			if d := cmp.Diff(test.topics, topicTexts(topics)); d != "" {
				t.Errorf("topics (-want +got):\n%s", d)
			}
		})
	}
}
