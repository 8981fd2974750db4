package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hullbeam/api"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

// viewSeen is a page view as operators are told.
type viewSeen struct {
	View, Visitor, URL, Title, Referrer, Session string
	At                                           time.Time
	LocalTime                                    string `json:"local_time"`
}

// viewWith is a page view with other members, too.
func viewWith(token, id, members string) string {
	return strings.TrimSuffix(view(token, id), "}") + "," + members + "}"
}

func TestPagesAreRemembered(t *testing.T) {
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.History.QueryParameters = []string{"utm_source", "a b"} }})
	token := s.token(claim("anonymous_id", anonymous))
	me := s.visitorOf(token)
	for i, c := range []struct{ address, want string }{
		{page + "/", page + "/"},
		{page + "/a?secret=1#fragment", page + "/a"},
		{page + "/a?secret=1&utm_source=mail&utm_source=b%20c", page + "/a?utm_source=mail&utm_source=b%20c"},
		{page + "/a?a+b=1&utm_sourcex=2&UTM_SOURCE=3", page + "/a?a+b=1"},
		{page + "/%3Cb%3E?&&utm_source", page + "/%3Cb%3E?utm_source"},
		{strings.Replace(page, "https://", "https://user:password@", 1) + "/x", ""},
	} {
		r := s.beacon("/api/v1/pages", viewWith(token, fmt.Sprint("v", i), `"url":"`+c.address+`"`))
		if c.want == "" {
			continue // whatever it is answered: a page has no such address
		}
		if r.status != http.StatusAccepted {
			t.Fatalf("%s: %d %s", c.address, r.status, r.body)
		}
		if got := ask[listed[viewSeen]](s, "/visitors/"+me+"/pages?limit=1").Items[0]; got.URL != c.want {
			t.Errorf("%s: remembered as %s, want %s", c.address, got.URL, c.want)
		}
	}
	for _, v := range ask[listed[viewSeen]](s, "/visitors/"+me+"/pages").Items {
		if strings.Contains(v.URL+v.Referrer, "password") || strings.Contains(v.URL, "secret") {
			t.Errorf("remembered: %+v", v)
		}
	}
}

// A page has the title that its view had, and both clocks; the views of a session are one.
func TestViewsHaveTheirTitlesAndClocks(t *testing.T) {
	clock := clockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s := start(t, options{noHull: true, store: func(*store.Config) {}, now: clock.now}) // Redis has a clock of its own
	token := s.token(claim("anonymous_id", anonymous))
	me := s.visitorOf(token)
	for i, title := range []string{"Cart (1)", "Cart (2)", "Cart (3)"} {
		s.viewed(viewWith(token, fmt.Sprint(i), `"url":"`+page+`/cart","title":"`+title+`","local_time":"2026-03-01T07:00:0`+fmt.Sprint(i)+`-05:00"`))
		clock.pass(time.Duration(i) * 20 * time.Minute)
	}
	views := ask[listed[viewSeen]](s, "/visitors/"+me+"/pages").Items
	if len(views) != 3 || views[0].Title != "Cart (3)" || views[2].Title != "Cart (1)" || views[0].LocalTime != "2026-03-01T07:00:02-05:00" {
		t.Fatalf("got %+v", views)
	}
	if views[0].Session != views[1].Session || views[0].Session == "" {
		t.Errorf("one session: %+v", views)
	}
	sum := ask[struct {
		Views, Sessions int
		Pages           []struct {
			URL, Title string
			Views      int
		}
		Days []struct {
			Day   string
			Views int
		}
	}](s, "/visitors/"+me+"/pages/summary")
	if sum.Views != 3 || sum.Sessions != 1 || len(sum.Pages) != 1 || sum.Pages[0].Title != "Cart (3)" || sum.Pages[0].Views != 3 || len(sum.Days) != 1 || sum.Days[0].Day != "2026-03-01" {
		t.Errorf("the summary: %+v", sum)
	}
}

func TestNobodyLooks(t *testing.T) {
	s := start(t, options{noHull: true})
	token := s.token(claim("anonymous_id", anonymous))
	for i, header := range []string{
		"User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"User-Agent: Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36",
		"User-Agent: facebookexternalhit/1.1",
		"Sec-Purpose: prefetch;prerender",
	} {
		if r := s.beacon("/api/v1/pages", view(token, fmt.Sprint(i)), header); r.status != http.StatusAccepted {
			t.Errorf("%s: %d %s", header, r.status, r.body)
		}
		s.listen(token, header)
	}
	if got := s.metric("hullbeam_page_views_total", "result", "ignored"); got != 4 {
		t.Errorf("%v ignored, want 4", got)
	}
	if live := ask[listed[visitorSeen]](s, "/visitors?live=true"); len(live.Items) != 0 {
		t.Errorf("live: %+v", live.Items)
	}
	for _, agent := range []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0 Mobile Safari/537.36",
	} {
		before := s.metric("hullbeam_page_views_total", "result", "counted")
		s.beacon("/api/v1/pages", view(token, fmt.Sprint(len(agent))), "User-Agent: "+agent)
		if got := s.metric("hullbeam_page_views_total", "result", "counted"); got != before+1 {
			t.Errorf("ignored: %s", agent)
		}
	}
}

// failingHistory fails to record while it is told to.
type failingHistory struct {
	store.Store
	fails *atomic.Bool
}

func (f failingHistory) Record(ctx context.Context, visits []store.Visit) ([]bool, error) {
	if f.fails.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Store.Record(ctx, visits)
}

// A view that could not be recorded is told again, and counts once.
func TestViewsThatAreNotRecordedComeAgain(t *testing.T) {
	var fails atomic.Bool
	s := start(t, options{noHull: true, store: func(*store.Config) {}, wrap: func(s store.Store) store.Store { return failingHistory{s, &fails} }})
	token := s.token(claim("anonymous_id", anonymous))
	fails.Store(true)
	for _, path := range []string{"/api/v1/pages", "/api/v1/visitors/email"} {
		if r := s.beacon(path, viewWith(token, "v", `"email":"ada@harbor.example"`)); r.status != 503 || r.code() != "unavailable" || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	fails.Store(false)
	s.viewed(view(token, "v"))
	s.viewed(view(token, "v"))
	if got := ask[listed[viewSeen]](s, "/visitors/"+s.visitorOf(token)+"/pages").Items; len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

// What anonymous visitors have looked at is the person's, once they are known.
func TestAnonymousHistoryBecomesThePersons(t *testing.T) {
	s := start(t, options{noHull: true})
	browsers := []string{s.token(claim("anonymous_id", anonymous)), s.token(claim("anonymous_id", second))}
	for i, token := range browsers {
		s.viewed(view(token, fmt.Sprint(i)))
		s.listen(token)
	}
	s.update(userMessage("u1", anonymousIDs(anonymous, second)))
	for _, token := range browsers {
		me := s.visitorOf(token)
		storetest.Eventually(t, "the person has both views", func() bool {
			return len(ask[listed[viewSeen]](s, "/visitors/"+me+"/pages").Items) == 2
		})
	}
}

func TestVisitorLists(t *testing.T) {
	s := start(t, options{noHull: true})
	s.update(userMessage("u0", `"name":"Ada Lovelace"`, anonymousIDs("anon-list-0123456780")))
	var tokens []string
	for i := range 5 {
		token := s.token(claim("anonymous_id", fmt.Sprintf("anon-list-012345678%d", i)))
		tokens = append(tokens, token)
		s.listen(token)
		s.viewed(pageView(token, "t", fmt.Sprintf("/products/%d", i), "One"))
	}
	s.beacon("/api/v1/visitors/email", `{"token":"`+tokens[1]+`","email":"grace@harbor.example"}`)
	for query, want := range map[string][]int{
		"":                            {4, 3, 2, 1, 0},
		"q=lovelace":                  {0},
		"q=%20GRACE@":                 {1},
		"q=" + s.visitorOf(tokens[2]): {2},
		"q=nobody":                    {},
		"segment=VIP":                 {0},
		"segment=vip":                 {},
		"page=/products/3":            {3},
		"page=/products/*&q=ada":      {0},
	} {
		for _, live := range []string{"live=true", "live=false"} {
			storetest.Eventually(t, live+" "+query, func() bool {
				var got []string
				for cursor, more := "", true; more; {
					list := ask[listed[visitorSeen]](s, "/visitors?limit=2&"+live+"&"+query+"&cursor="+url.QueryEscape(cursor))
					for _, v := range list.Items {
						got = append(got, v.Visitor)
					}
					cursor, more = list.Next, list.Next != ""
				}
				if len(got) != len(want) {
					return false
				}
				for i, n := range want {
					if got[i] != s.visitorOf(tokens[n]) {
						return live == "live=false" // who was seen last follows from joins, too
					}
				}
				return true
			})
		}
	}
	for _, query := range []string{"limit=0", "limit=501", "limit=x", "cursor=x&live=true", "cursor=x", "live=perhaps", "page=" + strings.Repeat("a", 513)} {
		if r := s.do("GET", "/api/v1/connectors/"+ship+"/visitors?"+query, "", adminKey); r.code() != "invalid_request" {
			t.Errorf("%.40s: %d %s", query, r.status, r.body)
		}
	}
	for _, path := range []string{"/visitors/v_nobody", "/visitors/v_nobody/pages", "/visitors/v_nobody/pages/summary"} {
		if r := s.do("GET", "/api/v1/connectors/"+ship+path, "", adminKey); r.code() != "not_found" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}
