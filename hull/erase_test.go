package hull_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

// What is stored of an erased user is the id and the time, and shows nothing.
func TestErased(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	m := hull.Erased("u", at)
	state := m.State()
	if got, want := string(state), `{"user":{"id":"u"},"erased_at":"2026-03-01T12:00:00.123456Z"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	stored, err := hull.ParseState(state)
	if err != nil {
		t.Fatal(err)
	}
	if stored.UserID != "u" || !stored.IndexedAt.Equal(at) || len(stored.Topics(nil)) != 0 {
		t.Errorf("got %+v with the topics %v", stored, stored.Topics(nil))
	}
	settings := hull.ParseSettings("c", nil, []byte(`{"public_traits":["id"]}`))
	if _, public := settings.Project(nil, &stored, true); public {
		t.Error("an erased user is shown")
	}
	if !stored.IsErased(at.Add(hull.ErasureLife-1)) || stored.IsErased(at.Add(hull.ErasureLife)) {
		t.Error("the life of an erasure is not ErasureLife")
	}
}

// What Hull sends erases nobody by a member of that name.
func TestErasedAtOfHull(t *testing.T) {
	const body = `{"user":{"id":"u","email":"a@x.io"},"erased_at":"2026-03-01T12:00:00Z"}`
	messages, _, err := hull.ParseMessages([]byte(body), 0)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := hull.ParseState(messages[0].State())
	if err != nil || !messages[0].ErasedAt.IsZero() || !stored.ErasedAt.IsZero() {
		t.Errorf("erased at %v, stored %v, %v", messages[0].ErasedAt, stored.ErasedAt, err)
	}
}

func TestDeleted(t *testing.T) {
	n := parse(t, readFixture(t, "user-delete.json"))
	ids, skipped := n.Deleted()
	if d := cmp.Diff([]string{"5c5b7b694aa3a8d42e03895a"}, ids); d != "" || skipped != 0 {
		t.Errorf("%d skipped (-want +got):\n%s", skipped, d)
	}
	n = parse(t, []byte(`{"notification_id":"n","configuration":{"id":"c","organization":"o.io","secret":"s"},"channel":"user:delete",
		"messages":[{"id":"a"},{},7,{"user":{"id":""}},{"user":{"id":"b"},"id":"c"}]}`))
	ids, skipped = n.Deleted()
	if d := cmp.Diff([]string{"a", "b"}, ids); d != "" || skipped != 3 {
		t.Errorf("%d skipped (-want +got):\n%s", skipped, d)
	}
}
