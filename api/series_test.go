package api_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"hullbeam/api"
	"hullbeam/store"
)

// TestSeriesBudget has ten visitors, then very many with many browsers, then very many
// connectors: the series are those of ten visitors, and as many as docs/metrics.md says.
func TestSeriesBudget(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) {
		c.Limits.TokensPerAddress, c.Limits.TokensPerConnector = 0, 0
	}})
	s.journeys(ship, 0, 10, 1)
	few := s.series()
	s.journeys(ship, 10, 100_000, 1000)
	if diff := cmp.Diff(few, s.series()); diff != "" {
		t.Errorf("100,000 visitors have brought series: -10 visitors +100,000:\n%s", diff)
	}
	for i := range 200 {
		id := fmt.Sprintf("connector-%d", i)
		s.otherConnector(id)
		s.journeys(id, 0, 1, 1)
		s.updates(id)
	}
	all := s.series()
	connectors := map[string]bool{}
	for _, series := range all {
		if label := regexp.MustCompile(`connector="([^"]*)"`).FindStringSubmatch(series); label != nil {
			connectors[label[1]] = true
		}
	}
	if len(connectors) != 51 || !connectors["other"] {
		t.Errorf("%d values of the label connector: %v", len(connectors), slices.Sorted(maps.Keys(connectors)))
	}
	for _, result := range []string{"no_listener", "stale", "invalid"} {
		if got := s.metric("hullbeam_updates_total", "result", result); got != 200 {
			t.Errorf("%v updates were %s, want 200", got, result)
		}
	}
	t.Logf("%d series", len(all))
	if budget := documentedBudget(t); len(all) > budget {
		t.Errorf("%d series, and docs/metrics.md says %d", len(all), budget)
	}
	if got := s.metric("hullbeam_tokens_total"); got != 100_210 {
		t.Errorf("%v tokens, want 100,210", got)
	}
}

func documentedBudget(t *testing.T) int {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`at most ([\d,]+) series`).FindSubmatch(text)
	if number == nil {
		t.Fatal("docs/metrics.md has no number of series")
	}
	budget, _ := strconv.Atoi(strings.ReplaceAll(string(number[1]), ",", ""))
	return budget
}

// journeys has visitors get a token and look at a page. Each tenth comes with rubbish, too.
func (s *server) journeys(connector string, first, visitors, browsers int) {
	var all sync.WaitGroup
	for worker := range 2 {
		all.Go(func() {
			for i := worker; i < visitors; i += 2 {
				s.journey(connector, first+i, fmt.Sprintf("Browser/%d", i%browsers))
			}
		})
	}
	all.Wait()
}

func (s *server) journey(connector string, visitor int, browser string) {
	post := func(path, body string) int {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Origin", page)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", browser)
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1234", visitor>>16&255, visitor>>8&255, visitor&255)
		w := httptest.NewRecorder()
		s.api.Handler().ServeHTTP(w, r)
		return w.Code
	}
	path := "/api/v1/connectors/" + connector + "/token"
	if status := post(path, fmt.Sprintf(`{"claims":{"anonymous_id":"visitor-number-%d"}}`, visitor)); status != http.StatusCreated {
		s.t.Errorf("visitor %d: status %d", visitor, status)
	}
	if visitor%10 == 0 {
		post(path, `{"claims":7}`)
		post("/api/v1/connectors/nobody-"+strconv.Itoa(visitor)+"/token", `{}`)
		post("/api/v1/pages", `{"token":"rubbish"}`)
	}
}

// updates has Hull tell of a connector's users what comes to different results.
func (s *server) updates(connector string) {
	s.t.Helper()
	now := time.Now()
	messages := []string{
		userMessage("u1", plan("pro"), at(now)),
		userMessage("u1", plan("older"), at(now.Add(-time.Hour))),
		`{"user":{}}`,
	}
	body := `{"notification_id":"` + rand.Text() + `","configuration":{"id":"` + connector + `","organization":"` + org + `","secret":"` + secret + `"},` +
		`"channel":"user:update","messages":[` + strings.Join(messages, ",") + `]}`
	if r := s.notify([]byte(body)); r.status != http.StatusOK {
		s.t.Fatalf("notification: %d %s", r.status, r.body)
	}
}

// series are the names of all, with their labels, as /metrics has them.
func (s *server) series() (names []string) {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var name strings.Builder
			name.WriteString(f.GetName() + "{")
			for _, l := range m.GetLabel() {
				name.WriteString(l.GetName() + "=" + strconv.Quote(l.GetValue()) + ",")
			}
			names = append(names, name.String())
			for _, bucket := range m.GetHistogram().GetBucket() {
				names = append(names, fmt.Sprint(name.String(), "le=", bucket.GetUpperBound()))
			}
			if f.GetType() == dto.MetricType_HISTOGRAM {
				names = append(names, name.String()+"le=+Inf", name.String()+"sum")
			}
		}
	}
	slices.Sort(names)
	return names
}

// otherConnector puts a connector like the first one in.
func (s *server) otherConnector(id string) {
	s.t.Helper()
	c := store.Connector{ID: id, Organization: org, Secret: secret, Settings: []byte(`{}`), PrivateSettings: []byte(`{"whitelisted_domains":["www.harbor.example"]}`)}
	if _, err := s.store.PutConnector(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
}
