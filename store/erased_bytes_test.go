package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hullbeam/store"
)

// person is all that can be stored of somebody, with a text in each part of it. Half of
// them are anonymous visitors; of some the state is longer than a page of the database.
func person(text string, n int) (visits []store.Visit, join store.Join, user store.User, offer store.Offer) {
	id, visitor, at := fmt.Sprint("u", n), fmt.Sprint("v", n), time.Now().Add(-time.Hour)
	for view := range 20 {
		v := visit(visitor, fmt.Sprint(view), at.Add(time.Duration(view)*time.Second))
		v.View.URL, v.View.Title = fmt.Sprintf("https://shop.example/%s?%d", text, view), strings.Repeat(text, view)
		visits = append(visits, v)
	}
	visits = append(visits, store.Visit{ConnectorID: "c", Visitor: visitor, At: at, Email: text + "@one.example"})
	if n%2 == 0 {
		join = store.Join{ConnectorID: "c", Visitor: visitor, UserID: id, At: at}
	}
	state := strings.Repeat(text, 1+n*701%20_000/len(text))
	user = store.User{ID: id, Topics: []string{"id:" + id, "email:" + text + id}, StateAt: at, State: []byte(state)}
	offer = store.Offer{ConnectorID: "c", ID: "o" + id, SentAt: at, Expires: at.Add(time.Hour), About: []string{id, visitor}, Data: []byte(`{"title":"` + text + `"}`)}
	return visits, join, user, offer
}

func remember(t *testing.T, s store.Store, text string, n int) {
	t.Helper()
	visits, join, user, offer := person(text, n)
	record(t, s, visits...)
	if join.UserID != "" {
		if err := s.Join(t.Context(), []store.Join{join}); err != nil {
			t.Fatal(err)
		}
	}
	before := user
	before.State, before.StateAt = before.State[len(before.State)/2:], user.StateAt.Add(-time.Minute)
	for _, u := range []store.User{before, user} {
		put(t, s, []store.User{u})
	}
	if _, _, err := s.PutOffer(t.Context(), offer); err != nil {
		t.Fatal(err)
	}
}

func forget(t *testing.T, s store.Store, n int) {
	t.Helper()
	of := store.Person{Visitor: fmt.Sprint("v", n)}
	if n%2 == 0 {
		of = store.Person{UserID: fmt.Sprint("u", n)}
	}
	if err := s.EraseVisitors(t.Context(), "c", []store.Person{of}); err != nil {
		t.Fatal(err)
	}
	put(t, s, []store.User{{ID: fmt.Sprint("u", n), StateAt: time.Now(), Erased: true}})
}

// times counts a text in all files of a directory.
func times(t *testing.T, dir, text string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(data, []byte(text))
	}
	return n
}

// Once the store was closed, next to nothing of who was erased is in its files, whoever's
// data was beside theirs: what SQLite had moved to another page may be left where it was.
// VACUUM takes that, too.
func TestErasedBytes(t *testing.T) {
	const erased, kept = "Winterbottom", "Summerfield"
	dir, people := t.TempDir(), 120
	s := open(t, config(dir))
	for n := range people {
		remember(t, s, map[bool]string{true: erased, false: kept}[n%3 > 0], n*7919%people)
	}
	s.Close()
	before, others := times(t, dir, erased), times(t, dir, kept)
	if before < 10_000 || others < 5000 {
		t.Fatalf("only %d and %d in the files: this test looks in the wrong place", before, others)
	}
	s = open(t, config(dir))
	for n := range people {
		if n%3 > 0 {
			forget(t, s, n*7919%people)
		}
	}
	s.Close()
	if left := times(t, dir, erased); left > before/100 {
		t.Errorf("%d of %d are left of who was erased", left, before)
	}
	for _, db := range []string{"hullbeam.db", "history.db"} {
		file := otherFile(t, filepath.Join(dir, db))
		exec(t, file, "VACUUM")
		file.Close()
	}
	if left := times(t, dir, erased); left > 0 {
		t.Errorf("%d are left of who was erased after VACUUM", left)
	}
	if now := times(t, dir, kept); now < others*9/10 { // but for copies
		t.Errorf("of who was not erased %d of %d are left", now, others)
	}
}

// What one person has alone goes without VACUUM: nothing was moved for it.
func TestErasedBytesOfOne(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	remember(t, s, "Winterbottom", 2)
	forget(t, s, 2)
	if times(t, dir, "Winterbottom") == 0 {
		t.Error("logs and journals do not have it: this test looks in the wrong place")
	}
	s.Close()
	if left := times(t, dir, "Winterbottom"); left > 0 {
		t.Errorf("%d are left", left)
	}
}
