package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hullbeam/store"
)

// viewsKept is HistoryConfig.ViewsPerVisitor of the suite's stores.
const viewsKept = 100

// view is a visit of visitor v of connector c to a page that is named after its id.
func view(v, id string, at time.Time) store.Visit {
	return store.Visit{ConnectorID: "c", Visitor: v, At: at, View: &store.PageView{
		ID: id, LocalTime: at.In(time.FixedZone("", 2*60*60)).Format(time.RFC3339),
		URL: "https://shop.example/" + id, Title: "Title of " + id, Referrer: "https://search.example/",
	}}
}

// views are n views of v, a second after each other.
func views(v, prefix string, at time.Time, n int) []store.Visit {
	visits := make([]store.Visit, n)
	for i := range visits {
		visits[i] = view(v, fmt.Sprint(prefix, i), at.Add(time.Duration(i)*time.Second))
	}
	return visits
}

// seen is the view as it is to be read, without its session.
func seen(v store.Visit) store.PageView {
	p := *v.View
	p.Visitor, p.At = v.Visitor, v.At
	return p
}

// latestFirst are the views of visits as they are to be read.
func latestFirst(visits ...store.Visit) []store.PageView {
	pages := make([]store.PageView, len(visits))
	for i, v := range visits {
		pages[i] = seen(v)
	}
	slices.SortStableFunc(pages, func(a, b store.PageView) int { return b.At.Compare(a.At) })
	return pages
}

// recorded records visits and compares which were news.
func (s *suite) recorded(want []bool, visits ...store.Visit) {
	s.Helper()
	news, err := s.Record(s.Context(), visits)
	if err != nil {
		s.Fatal(err)
	}
	s.diff("news", news, want)
}

// news records visits that are all news.
func (s *suite) news(visits ...store.Visit) {
	s.Helper()
	s.recorded(slices.Repeat([]bool{true}, len(visits)), visits...)
}

// join joins visitors of connector c to a user.
func (s *suite) join(user string, at time.Time, visitors ...string) {
	s.Helper()
	var joins []store.Join
	for _, v := range visitors {
		joins = append(joins, store.Join{ConnectorID: "c", Visitor: v, UserID: user, At: at})
	}
	if err := s.Join(s.Context(), joins); err != nil {
		s.Fatal(err)
	}
}

// anonymous and user are persons.
func anonymous(visitor string) store.Person { return store.Person{Visitor: visitor} }
func person(user string) store.Person       { return store.Person{UserID: user} }

// all reads a list of connector c to its end, limit at a time.
func all[T any](s *suite, limit int, read func(cursor string) ([]T, string, error)) (items []T) {
	s.Helper()
	for cursor := ""; ; {
		part, next, err := read(cursor)
		if err != nil {
			s.Fatal(err)
		}
		if len(part) > limit {
			s.Fatalf("%d items, more than the limit of %d", len(part), limit)
		}
		items = append(items, part...)
		if cursor = next; cursor == "" {
			return items
		}
	}
}

// pages are all views of a person.
func (s *suite) pages(of store.Person, limit int) []store.PageView {
	s.Helper()
	return all(s, limit, func(cursor string) ([]store.PageView, string, error) {
		return s.Pages(s.Context(), "c", of, cursor, limit)
	})
}

// wantPages compares the views of a person but for their sessions.
func (s *suite) wantPages(of store.Person, want ...store.PageView) {
	s.Helper()
	if d := cmp.Diff(want, s.pages(of, 7), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(store.PageView{}, "Session")); d != "" {
		s.Errorf("pages of %v (-want +got):\n%s", of, d)
	}
}

// visitorOf returns the visitor of connector c, the zero Visitor when unknown.
func (s *suite) visitorOf(id string) store.Visitor {
	s.Helper()
	found, err := s.Visitors(s.Context(), "c", []string{id})
	if err != nil {
		s.Fatal(err)
	}
	if len(found) == 0 {
		return store.Visitor{}
	}
	found[0].Latest.Session = ""
	return found[0]
}

// recordVisits: what visitors do is remembered, for each connector apart.
func (s *suite) recordVisits() {
	now := s.clock.Now()
	first, second := view("v", "a", now), view("v", "b", now.Add(time.Minute))
	second.Email = "V@example.com"
	email := store.Visit{ConnectorID: "c", Visitor: "w", At: now.Add(time.Hour), Email: "w@example.com"}
	elsewhere := view("v", "a", now)
	elsewhere.ConnectorID = "d"
	s.diff("an unknown visitor", s.visitorOf("v"), store.Visitor{})
	s.wantPages(anonymous("v"))
	s.news()
	s.news(first, second, email, elsewhere)
	s.again()
	s.diff("v", s.visitorOf("v"), store.Visitor{ID: "v", Email: "V@example.com", EmailAt: second.At,
		FirstSeen: first.At, LastSeen: second.At, Views: 2, Latest: seen(second)})
	s.diff("w", s.visitorOf("w"), store.Visitor{ID: "w", Email: email.Email, EmailAt: email.At, FirstSeen: email.At, LastSeen: email.At})
	s.wantPages(anonymous("v"), latestFirst(first, second)...)
	s.wantPages(anonymous("w"))
	found, err := s.Visitors(s.Context(), "c", []string{"w", "nobody", "v"})
	if err != nil || len(found) != 2 {
		s.Errorf("Visitors: %d, %v, want the two that are known", len(found), err)
	}
}

// recordLate: what comes late is remembered, and does not undo what was later.
func (s *suite) recordLate() {
	now := s.clock.Now()
	later, earlier := view("v", "later", now), view("v", "earlier", now.Add(-time.Hour))
	later.Email, earlier.Email = "new@example.com", "old@example.com"
	s.news(later)
	s.news(earlier)
	s.diff("the visitor", s.visitorOf("v"), store.Visitor{ID: "v", Email: "new@example.com", EmailAt: now,
		FirstSeen: earlier.At, LastSeen: now, Views: 2, Latest: seen(later)})
	s.wantPages(anonymous("v"), seen(later), seen(earlier))
}

// recordAnyText: texts are kept as they are.
func (s *suite) recordAnyText() {
	odd := view("v", "A-z.0_9", s.clock.Now())
	odd.Email = "\"<b>'@example.com"
	odd.View.URL, odd.View.Title, odd.View.Referrer = "https://é.example/?a=%00&b", "a\x00b\"'<script>\n日本", ""
	odd.View.LocalTime = ""
	s.news(odd)
	s.wantPages(anonymous("v"), seen(odd))
	s.diff("the latest", s.visitorOf("v").Latest, seen(odd))
}

// recordTwice: a view that came before changes nothing, as long as it is among the
// latest 64.
func (s *suite) recordTwice() {
	now := s.clock.Now()
	first := view("v", "first", now)
	s.recorded([]bool{true, false}, first, first)
	s.recorded([]bool{true}, view("w", "first", now)) // of another visitor

	again := view("v", "first", now.Add(time.Hour))
	again.Email, again.View.Title = "v@example.com", "changed"
	s.recorded([]bool{false}, again)
	s.diff("the visitor", s.visitorOf("v"), store.Visitor{ID: "v", FirstSeen: now, LastSeen: now, Views: 1, Latest: seen(first)})

	s.news(views("v", "more", now, 63)...)
	s.recorded([]bool{false}, again) // the 64th from the end
	s.news(view("v", "one more", now))
	s.recorded([]bool{true}, again)
}

// recordAtOnce: of many who record the same view, for one it is news.
func (s *suite) recordAtOnce() {
	news := make([]bool, 20)
	var all sync.WaitGroup
	for i := range news {
		all.Go(func() {
			got, err := s.Record(s.Context(), []store.Visit{view("v", "a", s.clock.Now()), view("v", fmt.Sprint(i), s.clock.Now())})
			if err != nil {
				s.Error(err)
				return
			}
			news[i] = got[0]
		})
	}
	all.Wait()
	if got := trues(news); got != 1 {
		s.Errorf("the view was news %d times", got)
	}
	if got := len(s.pages(anonymous("v"), 7)); got != 1+len(news) {
		s.Errorf("%d views are kept, want %d", got, 1+len(news))
	}
}

func trues(list []bool) (n int) {
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}

// sessions: views are of one as long as the visitor rests no longer than a session may.
func (s *suite) sessions() {
	now, rest := s.clock.Now(), s.opts.History.Session
	a, b, c := view("v", "a", now), view("v", "b", now.Add(rest)), view("v", "c", now.Add(2*rest+time.Millisecond))
	s.news(a, b, view("w", "other", now))
	s.again()
	s.news(c)
	got := s.pages(anonymous("v"), 7)
	if len(got) != 3 {
		s.Fatalf("%d views, want 3", len(got))
	}
	if got[2].Session != got[1].Session || got[1].Session == got[0].Session || got[0].Session == "" {
		s.Errorf("sessions, the latest first: %q, %q, %q, want another and two alike", got[0].Session, got[1].Session, got[2].Session)
	}
	if other := s.pages(anonymous("w"), 7)[0].Session; other == got[2].Session {
		s.Error("two visitors are in one session")
	}
}

// recentVisitors: the last seen come first, each once, and all of them.
func (s *suite) recentVisitors() {
	now := s.clock.Now()
	var want []string
	for i := range 20 {
		id := fmt.Sprintf("v%02d", i)
		s.news(view(id, "a", now.Add(time.Duration(i/3)*time.Second))) // three at a time
		want = append(want, id)
	}
	elsewhere := view("elsewhere", "a", now)
	elsewhere.ConnectorID = "d"
	s.news(elsewhere)
	for _, limit := range []int{1, 3, 19, 20, 21} {
		got := all(s, limit, func(cursor string) ([]store.Visitor, string, error) {
			return s.RecentVisitors(s.Context(), "c", cursor, limit)
		})
		if !slices.IsSortedFunc(got, func(a, b store.Visitor) int { return b.LastSeen.Compare(a.LastSeen) }) {
			s.Errorf("%d at a time: the last seen do not come first", limit)
		}
		var ids []string
		for _, v := range got {
			ids = append(ids, v.ID)
		}
		slices.Sort(ids)
		s.diff(fmt.Sprint(limit, " at a time"), ids, want)
	}
	s.news(view("v00", "b", now.Add(time.Minute)))
	first, next, err := s.RecentVisitors(s.Context(), "c", "", 1)
	if err != nil || len(first) != 1 || first[0].ID != "v00" || next == "" {
		s.Errorf("after another view: %v, %q, %v, want v00", first, next, err)
	}
}

// rubbishCursors are refused by every list.
func (s *suite) rubbishCursors() {
	ctx := s.Context()
	s.news(view("v", "a", s.clock.Now()))
	for _, cursor := range []string{"!", "rubbish cursor", "\x00", "..", strings.Repeat("z", 1000)} {
		errs := make(map[string]error)
		_, _, errs["RecentVisitors"] = s.RecentVisitors(ctx, "c", cursor, 1)
		_, _, errs["Pages"] = s.Pages(ctx, "c", anonymous("v"), cursor, 1)
		_, _, errs["Offers"] = s.Offers(ctx, "c", cursor, 1)
		_, _, errs["AuditLog"] = s.AuditLog(ctx, "c", cursor, 1)
		for name, err := range errs {
			if !errors.Is(err, store.ErrCursor) {
				s.Errorf("%s with cursor %q: %v, want ErrCursor", name, cursor, err)
			}
		}
	}
}
