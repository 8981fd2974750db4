package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hullbeam/store"
)

// visit is a view of a page by visitor v.
func visit(v, id string, at time.Time) store.Visit {
	return store.Visit{ConnectorID: "c", Visitor: v, At: at, View: &store.PageView{
		ID: id, URL: "https://shop.example/" + id, Title: "Title", Referrer: "https://search.example/"}}
}

func record(t *testing.T, s store.Store, visits ...store.Visit) {
	t.Helper()
	if _, err := s.Record(t.Context(), visits); err != nil {
		t.Fatal(err)
	}
}

// viewIDs are those of all views that are kept of an anonymous visitor.
func viewIDs(t *testing.T, s store.Store, visitor string) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	for cursor := ""; ; {
		views, next, err := s.Pages(t.Context(), "c", store.Person{Visitor: visitor}, cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range views {
			ids[v.ID] = true
		}
		if cursor = next; cursor == "" {
			return ids
		}
	}
}

// otherHistory is another program's connection to the history.
func otherHistory(t *testing.T, dir string) *sql.DB {
	return otherFile(t, filepath.Join(dir, "history.db"))
}

// killedDir has, in the process of TestHistoryKilled that is killed, the directory of its
// store.
const killedDir = "HULLBEAM_TEST_KILLED_DIR"

// recordUntilKilled records views of many visitors at once and prints each that is
// acknowledged.
func recordUntilKilled(dir string) {
	s, err := store.OpenSQLite(context.Background(), config(dir))
	if err != nil {
		fmt.Println(err)
		return
	}
	var all sync.WaitGroup
	for v := range 16 {
		all.Go(func() {
			for n := 0; ; n++ {
				visitor, id := fmt.Sprint("v", v), fmt.Sprintf("%d-%d", v, n)
				if _, err := s.Record(context.Background(), []store.Visit{visit(visitor, id, time.Now())}); err != nil {
					fmt.Println(err)
					return
				}
				fmt.Println(visitor, id) // one write, whole
			}
		})
	}
	all.Wait()
}

// Every view that was acknowledged is there after a kill.
func TestHistoryKilled(t *testing.T) {
	dir := t.TempDir()
	child := osexec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killedDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[string][]string)
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		var visitor, id string
		if _, err := fmt.Sscan(lines.Text(), &visitor, &id); err != nil {
			t.Fatalf("the process says %q", lines.Text())
		}
		acknowledged[visitor] = append(acknowledged[visitor], id)
		if n == 3000 {
			child.Process.Kill() // what it has printed until then is still read
		}
	}
	child.Wait()
	if n < 3000 {
		t.Fatalf("the process has ended after %d views", n)
	}
	s := open(t, config(dir))
	for visitor, ids := range acknowledged {
		kept := viewIDs(t, s, visitor)
		for _, id := range ids {
			if !kept[id] {
				t.Errorf("view %s was acknowledged and is not there", id)
			}
		}
	}
}

func TestHistoryNewerFile(t *testing.T) {
	dir := t.TempDir()
	open(t, config(dir)).Close()
	exec(t, otherHistory(t, dir), "PRAGMA user_version = 9")
	_, err := store.Open(t.Context(), config(dir))
	if !errors.Is(err, store.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
	wantError(t, err, filepath.Join(dir, "history.db")+" was made by a newer hullbeam (schema 9, this one knows 1)")
	exec(t, otherHistory(t, dir), "PRAGMA user_version = 1")
	open(t, config(dir)) // the refusal has left nothing behind
}

// A history that is full takes no views, and neither harms what it has nor the users.
func TestHistoryFull(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	cfg.MaxBytes = 1 << 20
	s := open(t, cfg)
	n := 0
	for ; ; n++ {
		id := fmt.Sprint(n)
		if _, err := s.Record(t.Context(), []store.Visit{visit("v"+id, id, time.Now())}); err != nil {
			wantUnavailable(t, err, "recording visits: database or disk is full (13)")
			break
		}
	}
	for i := range n {
		if len(viewIDs(t, s, fmt.Sprint("v", i))) != 1 {
			t.Errorf("view %d of %d was acknowledged and is not there", i, n)
		}
	}
	put(t, s, users("u", 1))
}

// While another program has locked the history, users are written.
func TestHistoryLocked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	db := otherHistory(t, dir)
	exec(t, db, "BEGIN IMMEDIATE")
	_, err := s.Record(t.Context(), []store.Visit{visit("v", "a", time.Now())})
	wantUnavailable(t, err, "recording visits: database is locked (5) (SQLITE_BUSY)")
	put(t, s, users("u", 1))
	exec(t, db, "ROLLBACK")
	record(t, s, visit("v", "a", time.Now()))
}

// sweepAll sweeps until nothing is left to forget, and returns how many times it took.
func sweepAll(t *testing.T, s store.Store) (forgotten, times int) {
	t.Helper()
	for {
		n, more, err := s.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		forgotten, times = forgotten+n, times+1
		if !more {
			return forgotten, times
		}
	}
}

// What is older than it may be is forgotten, to the microsecond, in parts; what is not
// stays.
func TestHistorySweep(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := config(t.TempDir())
	cfg.Now = func() time.Time { return now }
	cfg.History.Retention, cfg.History.AuditRetention = time.Hour, 48*time.Hour
	s := open(t, cfg)
	old, edge := now.Add(-time.Hour-time.Millisecond), now.Add(-time.Hour)

	var visits []store.Visit
	for i := range 1500 {
		visits = append(visits, visit("stays", fmt.Sprint("old", i), old.Add(-time.Duration(i)*time.Second)))
	}
	record(t, s, append(visits, visit("stays", "kept", edge), visit("goes", "old", old),
		store.Visit{ConnectorID: "c", Visitor: "no view", At: old, Email: "e"},
		store.Visit{ConnectorID: "d", Visitor: "no view", At: edge})...)
	if err := s.Join(t.Context(), []store.Join{{ConnectorID: "c", Visitor: "goes", UserID: "u", At: old}}); err != nil {
		t.Fatal(err)
	}
	for id, expires := range map[string]time.Time{"old": old, "kept": edge} {
		if _, _, err := s.PutOffer(t.Context(), store.Offer{ConnectorID: "c", ID: id, SentAt: old, Expires: expires, About: []string{"x"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ClaimOffers(t.Context(), "c", []store.Claim{{Offer: id, Person: "p", Visitor: "v", At: old}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []time.Time{now.Add(-48*time.Hour - time.Microsecond), now.Add(-48 * time.Hour)} {
		if err := s.Audit(t.Context(), store.AuditEntry{ConnectorID: "c", At: at}); err != nil {
			t.Fatal(err)
		}
	}

	if forgotten, times := sweepAll(t, s); forgotten != 1501+2+2+1 || times != 2 {
		t.Errorf("forgotten: %d rows in %d parts, want 1,501 views, 2 visitors, an offer and its delivery, an entry, in 2", forgotten, times)
	}
	if got := viewIDs(t, s, "stays"); len(got) != 1 || !got["kept"] {
		t.Errorf("%d views are kept, want one", len(got))
	}
	for connectorID, want := range map[string]string{"c": "stays", "d": "no view"} {
		got, _, err := s.RecentVisitors(t.Context(), connectorID, "", 10)
		if err != nil || len(got) != 1 || got[0].ID != want {
			t.Errorf("visitors of %s: %v, %v, want %s", connectorID, got, err, want)
		}
	}
	offers, _, err := s.Offers(t.Context(), "c", "", 10)
	if err != nil || len(offers) != 1 || offers[0].ID != "kept" {
		t.Errorf("offers: %v, %v, want the one that is kept", offers, err)
	}
	if entries, _, err := s.AuditLog(t.Context(), "c", "", 10); err != nil || len(entries) != 1 {
		t.Errorf("the audit log: %v, %v, want one entry", entries, err)
	}
	s.Close()
	var persons, deliveries int
	db := otherHistory(t, cfg.DataDir)
	if err := db.QueryRow("SELECT (SELECT count(*) FROM persons), (SELECT count(*) FROM deliveries)").Scan(&persons, &deliveries); err != nil || persons != 2 || deliveries != 1 {
		t.Errorf("%d persons, %d deliveries, %v, want 2 and 1", persons, deliveries, err)
	}
}

// An erased visitor is remembered for 30 days, and no longer.
func TestHistorySweepErased(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := config(t.TempDir())
	cfg.Now = func() time.Time { return now }
	s := open(t, cfg)
	if err := s.EraseVisitors(t.Context(), "c", []store.Person{{Visitor: "v"}}); err != nil {
		t.Fatal(err)
	}
	late := visit("v", "late", now.Add(-time.Second))
	for _, test := range []struct {
		after time.Duration
		news  bool
	}{{0, false}, {30 * 24 * time.Hour, false}, {time.Microsecond, true}} {
		now = now.Add(test.after)
		sweepAll(t, s)
		news, err := s.Record(t.Context(), []store.Visit{late})
		if err != nil || news[0] != test.news {
			t.Errorf("%v later: news %v, %v, want %v", test.after, news, err, test.news)
		}
	}
}

// The bound holds after opening again, when what is kept of a person is counted anew.
func TestHistoryBoundReopened(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.History.ViewsPerVisitor = 10
	now := time.Now()
	for n := range 3 {
		s := open(t, cfg)
		for i := range 7 {
			record(t, s, visit("v", fmt.Sprintf("%d-%d", n, i), now.Add(time.Duration(n*7+i)*time.Second)))
		}
		if got, want := len(viewIDs(t, s, "v")), min(10, 7*(n+1)); got != want {
			t.Errorf("%d views are kept, want %d", got, want)
		}
		s.Close()
	}
}
