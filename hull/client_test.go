package hull_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

var harbor = hull.Credentials{
	ConnectorID:  connectorID,
	Organization: "harbor-demo.hullapp.io",
	Secret:       "ce1c5ce021baf6a9214bb428b4ab5056",
}

func topics(texts ...string) []hull.Topic {
	var all []hull.Topic
	for _, text := range texts {
		topic, err := hull.ParseTopic(text)
		if err != nil {
			panic(err)
		}
		all = append(all, topic)
	}
	return all
}

func newClient(t *testing.T, change func(*hull.ClientConfig)) *hull.Client {
	t.Helper()
	cfg := hull.DefaultClientConfig()
	if change != nil {
		change(&cfg)
	}
	client, err := hull.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// startHull is a pretend Hull on a socket, and a client of it.
func startHull(t *testing.T) (*hulltest.Server, *hull.Client) {
	t.Helper()
	noLeaks(t)
	pretend := hulltest.NewServer(hulltest.ProcessKey())
	pretend.PutConnector(harbor, nil)
	server := httptest.NewServer(pretend)
	t.Cleanup(server.Close)
	client := newClient(t, func(cfg *hull.ClientConfig) { cfg.APIURL, cfg.Version = server.URL, "1.2.3" })
	t.Cleanup(client.Close)
	return pretend, client
}

func TestA13UserReport(t *testing.T) {
	pretend, client := startHull(t)
	report, err := os.ReadFile("../testdata/hull/rest/get-me-user-report.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := pretend.PutReport(connectorID, report); err != nil {
		t.Fatal(err)
	}
	got, err := client.UserReport(t.Context(), harbor, topics("email:tiago.reis@caravela.example", "anonymous_id:a", "anonymous_id:b"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(report)), string(got)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	call := pretend.Calls()[0]
	if diff := cmp.Diff(hull.Claims{Email: "tiago.reis@caravela.example", AnonymousIDs: []string{"a"}}, call.Claims); diff != "" {
		t.Errorf("claims in the access token (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"Hull-App-Id":       connectorID,
		"Hull-Organization": harbor.Organization,
		"Content-Type":      "application/json",
		"User-Agent":        "Hullbeam/1.2.3",
	} {
		if got := call.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestUserReportIsNotFound(t *testing.T) {
	pretend, client := startHull(t)
	for range 2 {
		if _, err := client.UserReport(t.Context(), harbor, topics("email:nobody@example.com")); !errors.Is(err, hull.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	if calls := pretend.Calls(); len(calls) != 1 {
		t.Errorf("%d calls", len(calls))
	}
	if _, err := client.UserReport(t.Context(), harbor, nil); !errors.Is(err, hull.ErrNoClaims) {
		t.Errorf("without topics: %v", err)
	}
}

func TestApp(t *testing.T) {
	_, client := startHull(t)
	app, err := client.App(t.Context(), harbor)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"` + connectorID + `"}`; string(app) != want {
		t.Errorf("got %s, want %s", app, want)
	}
	tests := []struct {
		name   string
		change func(*hull.Credentials)
		want   error
	}{
		{"a connector that Hull does not know", func(c *hull.Credentials) { c.ConnectorID = "x" }, hull.ErrNotFound},
		{"another organization", func(c *hull.Credentials) { c.Organization = "other.hullapp.io" }, hull.ErrNotFound},
		{"a wrong secret", func(c *hull.Credentials) { c.Secret = "x" }, hull.ErrRefused},
		{"no secret", func(c *hull.Credentials) { c.Secret = "" }, hull.ErrRefused},
		{"a secret that breaks a header", func(c *hull.Credentials) { c.Secret = "a\r\nb" }, hull.ErrRefused},
		{"no organization", func(c *hull.Credentials) { c.Organization = "" }, hull.ErrRefused},
		{"a path for an organization", func(c *hull.Credentials) { c.Organization = "evil.example/x?" }, hull.ErrRefused},
		{"no host in the organization", func(c *hull.Credentials) { c.Organization = ":22" }, hull.ErrRefused},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			credentials := harbor
			test.change(&credentials)
			if _, err := client.App(t.Context(), credentials); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// Without an APIURL the organization makes the URL, and localhost is one that
// resolves to ourselves.
func TestOrganizationInOurOwnNetwork(t *testing.T) {
	client := newClient(t, nil)
	defer client.Close()
	credentials := harbor
	credentials.Organization = "localhost"
	_, err := client.App(t.Context(), credentials)
	if !errors.Is(err, hull.ErrRefused) || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("got %v", err)
	}
}

func TestOrganizationMakesNoOtherURL(t *testing.T) {
	client := newClient(t, nil)
	defer client.Close()
	client.SetTransport(noNetwork(t))
	for _, organization := range []string{"acme.hullapp.io:22", "localhost:3001", "169.254.169.254", "[::1]:443", "user@acme.hullapp.io"} {
		credentials := harbor
		credentials.Organization = organization
		if _, err := client.App(t.Context(), credentials); !errors.Is(err, hull.ErrRefused) {
			t.Errorf("%s: got %v", organization, err)
		}
	}
}

// A mock of Hull is called after the machine it runs on. Its API is where the operator
// says, so that its name makes no URL.
func TestOrganizationWithAPort(t *testing.T) {
	pretend, client := startHull(t)
	mock := harbor
	mock.Organization = "localhost:3001"
	pretend.PutConnector(mock, nil)
	if _, err := client.App(t.Context(), mock); err != nil {
		t.Error(err)
	}
}

func TestURLOfTheAPI(t *testing.T) {
	for _, test := range []struct{ apiURL, want string }{
		{"", "https://harbor-demo.hullapp.io/api/v1/app"},
		{"http://127.0.0.1:9000", "http://127.0.0.1:9000/api/v1/app"},
		{"http://127.0.0.1:9000/", "http://127.0.0.1:9000/api/v1/app"},
		{"https://proxy.example/hull/v1", "https://proxy.example/hull/v1/app"},
	} {
		client := newClient(t, func(cfg *hull.ClientConfig) { cfg.APIURL = test.apiURL })
		var got string
		client.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return respond(http.StatusOK, `{}`)
		}))
		if _, err := client.App(t.Context(), harbor); err != nil {
			t.Error(err)
		}
		if got != test.want {
			t.Errorf("asked %s, want %s", got, test.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name     string
		status   int
		body     string
		want     error
		requests int
	}{
		{"a report", 200, `{"id":"u"}`, nil, 1},
		{"a report without id", 200, `{"email":"e@example.com"}`, hull.ErrNotFound, 1},
		{"a report with an empty id", 200, `{"id":""}`, hull.ErrNotFound, 1},
		{"a report with ID for id", 200, `{"ID":"u"}`, hull.ErrNotFound, 1},
		{"1 MiB", 200, `{"id":"u"` + strings.Repeat(" ", 1<<20-10) + `}`, nil, 1},
		{"more than 1 MiB", 200, `{"id":"u"` + strings.Repeat(" ", 1<<20-9) + `}`, hull.ErrRefused, 1},
		{"a list", 200, `[]`, hull.ErrRefused, 1},
		{"a page", 200, `<html>`, hull.ErrRefused, 1},
		{"nothing", 200, ``, hull.ErrRefused, 1},
		{"created", 201, `{"id":"u"}`, hull.ErrRefused, 1},
		{"a redirect", 302, `{"id":"u"}`, hull.ErrRefused, 1},
		{"a wrong secret", 401, `{}`, hull.ErrRefused, 1},
		{"an organization that is disabled", 402, `{}`, hull.ErrRefused, 1},
		{"not found", 404, `{}`, hull.ErrNotFound, 1},
		{"slow down", 429, `{}`, hull.ErrBusy, 1},
		{"an error of Hull's", 500, `{}`, hull.ErrUnavailable, 3},
		{"a proxy's error", 502, `{}`, hull.ErrUnavailable, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, requests := newClient(t, nil), 0
				client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
					requests++
					response, err := respond(test.status, test.body)
					response.Header.Set("Location", "https://evil.example/")
					return response, err
				}))
				_, err := client.UserReport(t.Context(), harbor, topics("id:u"))
				if !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				if requests != test.requests {
					t.Errorf("%d requests, want %d", requests, test.requests)
				}
			})
		})
	}
}

func TestA15ErrorsTellNeitherSecretNorClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{200, 302, 401, 404, 429, 500, 0} {
			client := newClient(t, nil)
			client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
				if status == 0 {
					return nil, errors.New("connection reset")
				}
				return respond(status, "")
			}))
			_, err := client.UserReport(t.Context(), harbor, topics("email:ceo@example.com"))
			if err == nil || strings.Contains(err.Error(), harbor.Secret) || strings.Contains(err.Error(), "ceo@") || strings.Contains(err.Error(), "https://") {
				t.Errorf("status %d: %v", status, err)
			}
		}
	})
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, requests := newClient(t, nil), 0
		client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			if requests++; requests == 1 {
				return nil, errors.New("connection reset")
			}
			if requests == 2 {
				return respond(http.StatusBadGateway, "")
			}
			return respond(http.StatusOK, `{"id":"u"}`)
		}))
		start := time.Now()
		if _, err := client.UserReport(t.Context(), harbor, topics("id:u")); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 300*time.Millisecond || took > 700*time.Millisecond {
			t.Errorf("two pauses took %v", took)
		}
	})
}

// silence answers nothing until it is given up.
func silence(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestLookupHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, requests := newClient(t, nil), 0
		client.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			requests++
			return silence(r)
		}))
		start := time.Now()
		_, err := client.UserReport(t.Context(), harbor, topics("id:u"))
		if !errors.Is(err, hull.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if requests != 2 {
			t.Errorf("%d requests", requests)
		}
	})
}

func TestOneFlightPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, nil)
		var requests atomic.Int32
		landed := make(chan struct{})
		client.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			select {
			case <-landed:
				return respond(http.StatusOK, `{"id":"u"}`)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}))
		// The first, who starts the flight, does not wait for it to end.
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := client.UserReport(ctx, harbor, topics("id:u", "anonymous_id:a", "anonymous_id:b")); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		for i := range 10 {
			all.Go(func() {
				// Hull is asked with one anonymous id, so others make no difference.
				same := topics("id:u", "anonymous_id:a", fmt.Sprint("anonymous_id:", i))
				if _, err := client.UserReport(t.Context(), harbor, same); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if got := requests.Load(); got != 1 {
			t.Errorf("%d requests", got)
		}
		close(landed)
		all.Wait()
	})
}

func TestFlightsAreKeptApart(t *testing.T) {
	otherSecret, otherConnector, otherOrganization := harbor, harbor, harbor
	otherSecret.Secret, otherConnector.ConnectorID, otherOrganization.Organization = "x", "x", "x.hullapp.io"
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, nil)
		var requests atomic.Int32
		client.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			return silence(r)
		}))
		var all sync.WaitGroup
		for _, credentials := range []hull.Credentials{harbor, otherSecret, otherConnector, otherOrganization} {
			all.Go(func() { client.App(t.Context(), credentials) })
			all.Go(func() { client.UserReport(t.Context(), credentials, topics("id:u")) })
			all.Go(func() { client.UserReport(t.Context(), credentials, topics("external_id:u")) })
		}
		synctest.Wait()
		if got := requests.Load(); got != 12 {
			t.Errorf("%d requests, want 12", got)
		}
		all.Wait()
	})
}

func TestNotFoundIsRememberedForHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, requests := newClient(t, nil), 0
		client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			requests++
			return respond(http.StatusNotFound, `{"status":404}`)
		}))
		ask := func(topic string, want int) {
			t.Helper()
			if _, err := client.UserReport(t.Context(), harbor, topics(topic)); !errors.Is(err, hull.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			if requests != want {
				t.Errorf("%d requests, want %d", requests, want)
			}
		}
		ask("id:u", 1)
		time.Sleep(30*time.Second - time.Nanosecond)
		ask("id:u", 1)
		ask("id:v", 2)
		time.Sleep(time.Nanosecond)
		ask("id:u", 3)
	})
}

func TestNotFoundIsRememberedForSoMany(t *testing.T) {
	client, requests := newClient(t, nil), 0
	client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
		requests++
		return respond(http.StatusNotFound, `{}`)
	}))
	ask := func(i int) { client.UserReport(t.Context(), harbor, topics(fmt.Sprint("id:", i))) }
	for i := range hull.NegativeEntries + 1 {
		ask(i)
	}
	for i := range 10 { // forgotten by now, unlike the newest
		ask(i)
		ask(hull.NegativeEntries - i)
	}
	if want := hull.NegativeEntries + 1 + 10; requests != want {
		t.Errorf("%d requests, want %d", requests, want)
	}
}

func TestSoManyLookupsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, func(cfg *hull.ClientConfig) { cfg.Lookups = 3 })
		var inside, most atomic.Int32
		answered := make(chan struct{})
		client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			<-answered
			return respond(http.StatusOK, `{"id":"u"}`)
		}))
		var all sync.WaitGroup
		for i := range 3 + hull.LookupQueue {
			all.Go(func() {
				if _, err := client.UserReport(t.Context(), harbor, topics(fmt.Sprint("id:", i))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if _, err := client.UserReport(t.Context(), harbor, topics("id:late")); !errors.Is(err, hull.ErrBusy) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("was turned away after %v", took)
		}
		close(answered)
		all.Wait()
		if got := most.Load(); got != 3 {
			t.Errorf("%d at a time", got)
		}
	})
}

// Who gets a place late would run out of time while Hull answers, and the breaker
// would count it against Hull.
func TestWaitingForAPlaceLeavesTimeToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, func(cfg *hull.ClientConfig) { cfg.Lookups = 1 })
		client.SetTransport(roundTrip(silence))
		var all sync.WaitGroup
		all.Go(func() { client.UserReport(t.Context(), harbor, topics("id:first")) })
		synctest.Wait()
		start := time.Now()
		_, err := client.UserReport(t.Context(), harbor, topics("id:second"))
		if took := time.Since(start); !errors.Is(err, hull.ErrBusy) || took != 2500*time.Millisecond {
			t.Errorf("got %v after %v", err, took)
		}
		all.Wait()
	})
}

// Whoever has a notification of Hull's may say what connector it is for, and where
// that stands. While a host that hangs is asked about connectors, pages are answered,
// and while look-ups hang, connectors are.
func TestLookupsAndConnectorsDoNotWaitForEachOther(t *testing.T) {
	elsewhere := hull.Credentials{ConnectorID: harbor.ConnectorID, Organization: "elsewhere.hullapp.io", Secret: "guessed"}
	lookUp := func(ctx context.Context, client *hull.Client, c hull.Credentials, n int) error {
		_, err := client.UserReport(ctx, c, topics(fmt.Sprint("id:", n)))
		return err
	}
	app := func(ctx context.Context, client *hull.Client, c hull.Credentials, n int) error {
		c.ConnectorID = fmt.Sprintf("%024x", n)
		_, err := client.App(ctx, c)
		return err
	}
	status := func(ctx context.Context, client *hull.Client, c hull.Credentials, _ int) error {
		return client.PutStatus(ctx, c, hull.Status{})
	}
	segments := func(ctx context.Context, client *hull.Client, c hull.Credentials, n int) error {
		c.ConnectorID = fmt.Sprintf("%024x", n)
		_, err := client.Segments(ctx, c, hull.SegmentsOfUsers)
		return err
	}
	type question = func(context.Context, *hull.Client, hull.Credentials, int) error
	for _, c := range []struct {
		name         string
		hangs, other question
		wait         time.Duration
	}{
		{"a look-up beside questions about connectors", app, lookUp, 0},
		{"a look-up beside questions about segments", segments, lookUp, 0},
		{"a look-up beside reports", status, lookUp, 0},
		{"a question about a connector beside look-ups", lookUp, app, 0},
		{"a report beside look-ups", lookUp, status, 0},
		{"a report beside questions about connectors", app, status, 2500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(cfg *hull.ClientConfig) { cfg.Lookups = 2 })
				client.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == elsewhere.Organization {
						return silence(r)
					}
					return respond(http.StatusOK, `{"id":"u"}`)
				}))
				var all sync.WaitGroup
				for i := range 50 {
					all.Go(func() {
						if err := c.hangs(t.Context(), client, elsewhere, i); err == nil {
							t.Error("a host that hangs has answered")
						}
					})
				}
				synctest.Wait()
				start := time.Now()
				err := c.other(t.Context(), client, harbor, 100)
				if took := time.Since(start); (err == nil) != (c.wait == 0) || took != c.wait {
					t.Errorf("got %v after %v", err, took)
				}
				all.Wait()
			})
		})
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, nil)
		requests, status := 0, http.StatusInternalServerError
		client.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			requests++
			if r.URL.Host != harbor.Organization {
				return respond(http.StatusOK, `{"id":"u"}`)
			}
			return respond(status, `{"id":"u"}`)
		}))
		ask := func(credentials hull.Credentials, want error) {
			t.Helper()
			if _, err := client.UserReport(t.Context(), credentials, topics("id:u")); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		for requests < hull.BreakerFailures {
			ask(harbor, hull.ErrUnavailable)
		}
		ask(harbor, hull.ErrUnavailable)
		if requests != hull.BreakerFailures {
			t.Errorf("%d requests before the host is left alone", requests)
		}
		other := harbor
		other.Organization = "other.hullapp.io"
		ask(other, nil)
		status = http.StatusOK
		ask(harbor, hull.ErrUnavailable)
		time.Sleep(hull.BreakerRest + time.Nanosecond)
		ask(harbor, nil)
		ask(harbor, nil)
	})
}

func TestRefusalsDoNotBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, requests := newClient(t, nil), 0
		client.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			requests++
			return respond([]int{401, 404, 429, 302}[requests%4], "")
		}))
		for range 3 * hull.BreakerFailures {
			client.App(t.Context(), harbor)
		}
		if requests != 3*hull.BreakerFailures {
			t.Errorf("%d requests", requests)
		}
	})
}

func TestClientConfigValidate(t *testing.T) {
	tests := []struct {
		change func(*hull.ClientConfig)
		want   string
	}{
		{func(c *hull.ClientConfig) {}, ""},
		{func(c *hull.ClientConfig) { c.APIURL = "http://10.0.0.1:9000/api/v1" }, ""},
		{func(c *hull.ClientConfig) { c.APIURL = "10.0.0.1:9000" }, "hull.api_url"},
		{func(c *hull.ClientConfig) { c.APIURL = "file:///etc" }, "hull.api_url"},
		{func(c *hull.ClientConfig) { c.APIURL = "https://user:pass@hull.example" }, "hull.api_url"},
		{func(c *hull.ClientConfig) { c.APIURL = "https://hull.example?secret=x" }, "hull.api_url"},
		{func(c *hull.ClientConfig) { c.LookupTimeout = 0 }, "hull.lookup_timeout: 0s is not within 100ms and 1m"},
		{func(c *hull.ClientConfig) { c.Lookups = 0 }, "hull.lookups: 0 is not within 1 and 1000"},
		{func(c *hull.ClientConfig) { c.NegativeTTL = 2 * time.Hour }, "hull.negative_ttl: 2h0m0s is not within 0 and 1h"},
		{func(c *hull.ClientConfig) { c.NegativeTTL = 0 }, ""},
	}
	for _, test := range tests {
		cfg := hull.DefaultClientConfig()
		test.change(&cfg)
		wantConfigError(t, cfg.Validate(), test.want)
		if _, err := hull.NewClient(cfg); (err == nil) != (test.want == "") {
			t.Errorf("NewClient: %v", err)
		}
	}
}
