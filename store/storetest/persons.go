package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"hullbeam/store"
)

// joinVisitors: what was looked at anonymously becomes the user's; what somebody else
// looked at does not.
func (s *suite) joinVisitors() {
	now := s.clock.Now()
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	v0, w1, v2 := view("v", "v0", minute(0)), view("w", "w1", minute(1)), view("v", "v2", minute(2))
	s.news(v0, w1, v2)
	s.join("u", minute(3), "v")
	s.wantPages(person("u"), latestFirst(v0, v2)...)
	s.wantPages(anonymous("w"), seen(w1))
	if got := s.visitorOf("v"); got.UserID != "u" || got.Views != 2 || !got.FirstSeen.Equal(now) {
		s.Errorf("the visitor: %+v, want one of u with 2 views since noon", got)
	}

	w4 := view("w", "w4", minute(4))
	s.news(w4)
	s.join("u", minute(5), "w", "v") // v once more
	s.again()
	s.wantPages(person("u"), latestFirst(v0, w1, v2, w4)...)
	s.wantPages(store.Person{UserID: "u", Visitor: "w"}, latestFirst(v0, w1, v2, w4)...)

	w6 := view("w", "w6", minute(6))
	s.news(w6)
	s.join("x", minute(7), "w")
	w8 := view("w", "w8", minute(8))
	s.news(w8)
	s.wantPages(person("u"), latestFirst(v0, w1, v2, w4, w6)...)
	s.wantPages(person("x"), seen(w8))
	s.recorded([]bool{false}, w6) // it came when w was somebody else's
	s.wantPages(person("nobody"))
}

// joinUnknown: a visitor may be joined before anything else is known of it.
func (s *suite) joinUnknown() {
	now := s.clock.Now()
	s.join("u", now, "v")
	s.diff("the visitor", s.visitorOf("v"), store.Visitor{ID: "v", UserID: "u", FirstSeen: now, LastSeen: now})
	a := view("v", "a", now.Add(time.Second))
	s.news(a)
	s.wantPages(person("u"), seen(a))
}

// personOfBoth: the views of a visitor who has not been joined yet are found with those
// of the user.
func (s *suite) personOfBoth() {
	now := s.clock.Now()
	mine, yet := views("v", "v", now, 10), views("w", "w", now.Add(500*time.Millisecond), 10)
	s.news(slices.Concat(mine, yet)...)
	s.join("u", now, "v")
	both := store.Person{UserID: "u", Visitor: "w"}
	s.wantPages(both, latestFirst(slices.Concat(mine, yet)...)...)
	if got := s.summary(both, 3); got.Views != 20 || got.Sessions != 2 {
		s.Errorf("the summary of both: %d views in %d sessions, want 20 in 2", got.Views, got.Sessions)
	}
	s.join("x", now, "w")
	s.wantPages(both, latestFirst(mine...)...) // w is somebody else's
}

// visitorsOf: all of a user, the last seen first, at most 100.
func (s *suite) visitorsOf() {
	now := s.clock.Now()
	s.join("u", now.Add(time.Second), "a", "b")
	s.news(view("a", "1", now.Add(time.Minute)))
	s.join("x", now, "c")
	of := func(user string) (ids []string) {
		s.Helper()
		found, err := s.VisitorsOf(s.Context(), "c", user)
		if err != nil {
			s.Fatal(err)
		}
		for _, v := range found {
			ids = append(ids, v.ID)
		}
		return ids
	}
	s.diff("of u", of("u"), []string{"a", "b"})
	s.diff("of nobody", of("nobody"), []string{})
	s.join("x", now.Add(time.Hour), "a")
	s.diff("of u, once a is somebody else's", of("u"), []string{"b"})
	s.diff("of x", of("x"), []string{"a", "c"})
	for i := range 101 {
		s.join("many", now.Add(time.Duration(i)*time.Second), fmt.Sprint("m", i))
	}
	if got := of("many"); len(got) != 100 || got[0] != "m100" || got[99] != "m1" {
		s.Errorf("%d of many, %v to %v, want 100, m100 to m1", len(got), got[0], got[len(got)-1])
	}
}

// pagesOrder: all views come, the latest first, each once, however many at a time, those
// of one moment too, and whatever arrives meanwhile.
func (s *suite) pagesOrder() {
	now := s.clock.Now()
	var visits []store.Visit
	for i := range 30 {
		visits = append(visits, view(fmt.Sprint("v", i%2), fmt.Sprint("p", i), now.Add(time.Duration(i/5)*time.Second)))
	}
	s.news(visits...)
	s.join("u", now, "v0", "v1")
	whole := s.pages(person("u"), 100)
	if len(whole) != len(visits) || !slices.IsSortedFunc(whole, func(a, b store.PageView) int { return b.At.Compare(a.At) }) {
		s.Fatalf("%d views, want %d, the latest first", len(whole), len(visits))
	}
	for _, limit := range []int{1, 2, 29, 30, 31} {
		s.diff(fmt.Sprint(limit, " at a time"), s.pages(person("u"), limit), whole)
	}

	part, next, err := s.Pages(s.Context(), "c", person("u"), "", 10)
	if err != nil {
		s.Fatal(err)
	}
	s.news(view("v0", "new", now.Add(time.Hour)))
	rest, next, err := s.Pages(s.Context(), "c", person("u"), next, 100)
	if err != nil || next != "" {
		s.Fatalf("the rest: %q, %v, want no more", next, err)
	}
	s.diff("with a view meanwhile", append(part, rest...), whole)
}

// pagesBound: of a person the latest are kept, whichever visitor's they are.
func (s *suite) pagesBound() {
	now := s.clock.Now()
	visits := views("v", "v", now, viewsKept)
	s.news(visits...)
	s.wantPages(anonymous("v"), latestFirst(visits...)...)

	one := view("v", "one", now.Add(time.Hour))
	s.news(one)
	s.wantPages(anonymous("v"), latestFirst(append(visits[1:], one)...)...)
	s.again()
	s.news(view("v", "too old", now.Add(-time.Hour)))
	s.wantPages(anonymous("v"), latestFirst(append(visits[1:], one)...)...)

	others := views("w", "w", now.Add(2*time.Hour), 10)
	s.news(others...)
	s.join("u", now, "w")
	s.join("u", now, "v")
	s.wantPages(person("u"), latestFirst(slices.Concat(visits[11:], []store.Visit{one}, others)...)...)
	if got := s.visitorOf("v").Views; got != viewsKept+2 {
		s.Errorf("the visitor has %d views, want all that ever were, %d", got, viewsKept+2)
	}
}

// joinMeanwhile: views that arrive while a visitor is joined are the user's in the end.
func (s *suite) joinMeanwhile() {
	now := s.clock.Now()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				if _, err := s.Record(s.Context(), []store.Visit{view("v", fmt.Sprint(i, "-", j), now)}); err != nil {
					s.Error(err)
				}
			}
		})
		all.Go(func() {
			if err := s.Join(s.Context(), []store.Join{{ConnectorID: "c", Visitor: "v", UserID: "u", At: now}}); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(s.pages(person("u"), 30)); got != 80 {
		s.Errorf("the user has %d views, want 80", got)
	}
	if got := s.visitorOf("v"); got.UserID != "u" || got.Views != 80 {
		s.Errorf("the visitor is %q's with %d views, want u's with 80", got.UserID, got.Views)
	}
}

func (s *suite) summary(of store.Person, top int) store.PageSummary {
	s.Helper()
	got, err := s.PageSummary(s.Context(), "c", of, top)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

// pageSummary: what is kept of a person is counted, by page and by day.
func (s *suite) pageSummary() {
	s.diff("of nobody", s.summary(person("u"), 5), store.PageSummary{})
	day := time.Date(2026, 2, 27, 23, 50, 0, 0, time.UTC)
	at := func(v, id, url, title string, minutes int) store.Visit {
		visit := view(v, id, day.Add(time.Duration(minutes)*time.Minute))
		visit.View.URL, visit.View.Title = url, title
		return visit
	}
	s.news(at("v", "1", "/a", "A", 0), at("v", "2", "/b", "B", 5), at("v", "3", "/a", "New A", 20), // over midnight
		at("v", "4", "/c", "C", 24*60), at("w", "5", "/c", "C", 24*60))
	s.join("u", day, "v", "w")
	s.diff("of u", s.summary(person("u"), 2), store.PageSummary{
		Views: 5, Sessions: 3, First: day, Last: day.Add(24 * time.Hour),
		Pages: []store.PageCount{{URL: "/c", Title: "C", Views: 2, Last: day.Add(24 * time.Hour)},
			{URL: "/a", Title: "New A", Views: 2, Last: day.Add(20 * time.Minute)}},
		Days: []store.DayCount{{Day: "2026-02-27", Views: 2}, {Day: "2026-02-28", Views: 3}},
	})

	s.opts.History.Retention = 100 * 24 * time.Hour // what is older need not be kept
	s.again()
	var days []store.Visit
	for i := range 91 {
		days = append(days, view("x", fmt.Sprint(i), day.Add(-time.Duration(i)*24*time.Hour)))
	}
	s.news(days...)
	got := s.summary(anonymous("x"), 1).Days
	if len(got) != 90 || got[0].Day != "2025-11-30" || got[89].Day != "2026-02-27" {
		s.Errorf("%d days, %v to %v, want the latest 90", len(got), got[0], got[len(got)-1])
	}
}

func (s *suite) erase(of ...store.Person) {
	s.Helper()
	if err := s.EraseVisitors(s.Context(), "c", of); err != nil {
		s.Fatal(err)
	}
}

// eraseVisitors: of an erased person nothing is left, and what comes late of before is
// not news; others stay.
func (s *suite) eraseVisitors() {
	now := s.clock.Now()
	other, elsewhere := view("other", "o", now), view("v", "d", now)
	elsewhere.ConnectorID = "d"
	v, w := view("v", "v", now), view("w", "w", now)
	v.Email = "v@example.com"
	s.news(v, w, view("lone", "l", now), other, elsewhere)
	s.join("u", now, "v", "w")
	s.clock.advance(time.Minute)
	s.erase(person("u"), anonymous("lone"), anonymous("never seen"), person("nobody"))
	gone := func() {
		s.Helper()
		for _, id := range []string{"v", "w", "lone", "never seen"} {
			s.diff("an erased visitor", s.visitorOf(id), store.Visitor{})
			s.wantPages(anonymous(id))
		}
		s.wantPages(person("u"))
		s.diff("the summary", s.summary(person("u"), 5), store.PageSummary{})
	}
	gone()
	s.again()
	late := now.Add(30 * time.Second)
	s.recorded([]bool{false, false, false, false}, view("v", "late", late), view("w", "late", late), view("lone", "late", late), view("never seen", "late", late))
	s.join("u", late, "v")
	gone()
	recent, _, err := s.RecentVisitors(s.Context(), "c", "", 10)
	if err != nil || len(recent) != 1 || recent[0].ID != "other" {
		s.Errorf("recent visitors: %v, %v, want only the other", recent, err)
	}
	s.wantPages(anonymous("other"), seen(other))
	if found, err := s.Visitors(s.Context(), "d", []string{"v"}); err != nil || len(found) != 1 {
		s.Errorf("another connector's visitor: %v, %v, want it there", found, err)
	}

	s.clock.advance(time.Minute)
	anew := view("v", "v", s.clock.Now())
	s.news(anew)
	s.diff("who came again", s.visitorOf("v"), store.Visitor{ID: "v", FirstSeen: anew.At, LastSeen: anew.At, Views: 1, Latest: seen(anew)})
	s.recorded([]bool{false}, view("v", "later still", late))
	s.wantPages(anonymous("v"), seen(anew))
	s.wantPages(person("u"))
}

// joinSomebodyElse: a browser that two people share. What the first has typed and looked at
// is not shown as the second's, and is not left of the first once they are erased.
func (s *suite) joinSomebodyElse() {
	now := s.clock.Now()
	minute := func(n int) time.Time { return now.Add(time.Duration(n) * time.Minute) }
	s.news(view("v", "v0", minute(0)))
	s.news(store.Visit{ConnectorID: "c", Visitor: "v", At: minute(1), Email: "first@harbor.example"})
	s.join("a", minute(2), "v")
	if got := s.visitorOf("v"); got.Email != "first@harbor.example" || got.Latest.ID != "v0" {
		s.Fatalf("the visitor is who they were: %+v", got)
	}
	s.join("b", minute(3), "v")
	for range 2 {
		if got := s.visitorOf("v"); got.UserID != "b" || got.Email != "" || got.Latest.ID != "" {
			s.Errorf("the visitor: %+v, want b's, of whom nothing is known", got)
		}
		s.erase(person("a"))
	}
	s.news(view("v", "v4", minute(4)))
	s.news(store.Visit{ConnectorID: "c", Visitor: "v", At: minute(4), Email: "second@harbor.example"})
	if got := s.visitorOf("v"); got.Email != "second@harbor.example" || got.Latest.ID != "v4" {
		s.Errorf("the visitor: %+v, want what b does", got)
	}
}
