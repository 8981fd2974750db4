package hull_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	"github.com/prometheus/client_golang/prometheus"

	"hullbeam/hull"
)

// firehose is one that runs, and what Hull got of it.
type firehose struct {
	*hull.Firehose
	t    *testing.T
	log  bytes.Buffer
	stop func() // and wait until it has

	mu       sync.Mutex
	requests []firehoseRequest
}

type firehoseRequest struct {
	at     time.Time
	url    string
	header http.Header
	body   []byte
}

// events are the ids of the events in a request.
func (r firehoseRequest) events() []string {
	var body struct {
		Batch []struct {
			Body struct {
				EventID string `json:"event_id"`
			}
		}
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		panic(err)
	}
	var ids []string
	for _, entry := range body.Batch {
		ids = append(ids, entry.Body.EventID)
	}
	return ids
}

// taken answers as Hull does that takes all.
func taken(*http.Request) (*http.Response, error) { return respond(http.StatusOK, "{}") }

// startFirehose runs a firehose whose requests answer gets, in a bubble.
func startFirehose(t *testing.T, change func(*hull.FirehoseConfig), answer roundTrip) *firehose {
	t.Helper()
	f := &firehose{t: t}
	cfg := hull.DefaultFirehoseConfig()
	cfg.Domains, cfg.Log = []string{"hullapp.io"}, slog.New(slog.NewTextHandler(&f.log, nil))
	if change != nil {
		change(&cfg)
	}
	var err error
	if f.Firehose, err = hull.NewFirehose(cfg); err != nil {
		t.Fatal(err)
	}
	f.SetTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.requests = append(f.requests, firehoseRequest{time.Now(), r.URL.String(), r.Header, body})
		f.mu.Unlock()
		return answer(r)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	f.stop = func() { cancel(); <-ended }
	t.Cleanup(f.stop)
	return f
}

// track tells of so many events, named e0 and so on.
func (f *firehose) track(credentials hull.Credentials, events int) {
	for i := range events {
		about := hull.About{Credentials: credentials, Claims: hull.Claims{AnonymousIDs: []string{"dev-1"}}, At: time.Now()}
		f.Track(about, hull.Event{Name: "page", ID: fmt.Sprintf("e%d", i)})
	}
}

func (f *firehose) got() []firehoseRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// entries are the counts of entries by result, without zeros, and the queue.
func (f *firehose) entries() map[string]int {
	f.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.Metrics()...)
	families, err := registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch value := int(m.GetCounter().GetValue() + m.GetGauge().GetValue()); {
			case value == 0:
			case family.GetName() == "hullbeam_firehose_entries_total":
				counts[m.GetLabel()[0].GetValue()] = value
			case family.GetName() == "hullbeam_firehose_queue":
				counts["queue"] = value
			}
		}
	}
	return counts
}

func (f *firehose) wantEntries(want map[string]int) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.entries()); diff != "" {
		f.t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// The fixture's times are those of a batch that leaves a second after its first entry.
func TestFirehoseRequestIsHulls(t *testing.T) {
	want, err := os.ReadFile("../testdata/hull/rest/firehose-request.json")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := startFirehose(t, func(cfg *hull.FirehoseConfig) { cfg.Version = "1.2.3" }, taken)
		time.Sleep(time.Until(time.Unix(1541000000, 0)))
		about := hull.About{
			Credentials: harbor, Claims: hull.Claims{AnonymousIDs: []string{"dev-1"}}, At: time.Now(),
			RequestID: "smart-notifier:1541000000:0207d938-6476-4982-af1a-254bfe318ed1",
		}
		f.SetTraits(about, map[string]any{
			"hullbeam/last_variant": "b", "seen_count": map[string]any{"operation": "inc", "value": 1},
		})
		time.Sleep(100 * time.Millisecond)
		about.At = time.Now()
		f.Track(about, hull.Event{
			Name: "Variant Shown", ID: "c0000001-0000-4000-8000-000000000001", Properties: map[string]any{"variant": "b"},
		})
		time.Sleep(time.Second)
		synctest.Wait()
		requests := f.got()
		if len(requests) != 1 {
			t.Fatalf("%d requests", len(requests))
		}
		var got, expected any
		if err := errors.Join(json.Unmarshal(requests[0].body, &got), json.Unmarshal(want, &expected)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		if got := requests[0].url; got != "https://firehose.hullapp.io" {
			t.Errorf("sent to %s", got)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "Hullbeam/1.2.3", "Hull-App-Id": harbor.ConnectorID,
			"Hull-Organization": harbor.Organization, "Hull-Access-Token": harbor.Secret,
		} {
			if got := requests[0].header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		f.wantEntries(map[string]int{"sent": 2})
	})
}

func TestFirehoseBatches(t *testing.T) {
	t.Run("fifty leave at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFirehose(t, nil, taken)
			start := time.Now()
			f.track(harbor, 120)
			time.Sleep(2 * time.Second)
			var sizes []int
			for _, r := range f.got() {
				sizes = append(sizes, len(r.events()))
				if late := r.at.Sub(start); len(r.events()) == 50 && late != 0 {
					t.Errorf("a full one left after %v", late)
				}
			}
			if diff := cmp.Diff([]int{50, 50, 20}, sizes); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a steady trickle flows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFirehose(t, nil, taken)
			for range 10 {
				f.track(harbor, 1)
				time.Sleep(300 * time.Millisecond)
			}
			if got := len(f.got()); got != 2 {
				t.Errorf("%d requests in 3 s, want one after 1 s and one after 2.2 s", got)
			}
		})
	})
	t.Run("connectors and secrets have their own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFirehose(t, nil, taken)
			rotated, other := harbor, harbor
			rotated.Secret, other.ConnectorID = "the-new-one", "5c5b7b694aa3a8d42e03895a"
			for _, credentials := range []hull.Credentials{harbor, rotated, other, harbor} {
				f.track(credentials, 1)
			}
			time.Sleep(2 * time.Second)
			got := map[string]int{}
			for _, r := range f.got() {
				got[r.header.Get("Hull-App-Id")+" "+r.header.Get("Hull-Access-Token")] += len(r.events())
			}
			want := map[string]int{
				harbor.ConnectorID + " " + harbor.Secret: 2, rotated.ConnectorID + " the-new-one": 1,
				other.ConnectorID + " " + other.Secret: 1,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	})
}

func TestFirehoseTriesAgain(t *testing.T) {
	for _, test := range []struct {
		name     string
		fails    roundTrip
		requests int
		want     string
	}{
		{"after a 500", func(*http.Request) (*http.Response, error) { return respond(500, "") }, 2, "sent"},
		{"after a 429", func(*http.Request) (*http.Response, error) { return respond(429, "") }, 2, "sent"},
		{"when nothing comes", silence, 2, "sent"},
		{"after a broken connection", func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }, 2, "sent"},
		{"not after a 400", func(*http.Request) (*http.Response, error) { return respond(400, "") }, 1, "dropped_refused"},
		{"not after a 401", func(*http.Request) (*http.Response, error) { return respond(401, "") }, 1, "dropped_refused"},
		{"not after a 404", func(*http.Request) (*http.Response, error) { return respond(404, "") }, 1, "dropped_refused"},
		{"not where a redirect leads", func(*http.Request) (*http.Response, error) {
			response, err := respond(307, "")
			response.Header.Set("Location", "https://elsewhere.example")
			return response, err
		}, 1, "dropped_refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failed bool
				f := startFirehose(t, nil, func(r *http.Request) (*http.Response, error) {
					if !failed {
						failed = true
						return test.fails(r)
					}
					return taken(r)
				})
				f.track(harbor, 3)
				time.Sleep(time.Minute)
				if got := f.got(); len(got) != test.requests {
					t.Errorf("%d requests", len(got))
				}
				f.wantEntries(map[string]int{test.want: 3})
			})
		})
	}
}

func TestFirehoseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFirehose(t, nil, func(*http.Request) (*http.Response, error) { return respond(503, "") })
		f.track(harbor, 3)
		time.Sleep(59 * time.Second)
		if got := len(f.got()); got < 4 || got > 10 {
			t.Errorf("%d requests, want a few", got)
		}
		time.Sleep(2 * time.Second)
		f.wantEntries(map[string]int{"dropped_failed": 3})
	})
}

func TestFirehoseWarnsOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFirehose(t, nil, func(*http.Request) (*http.Response, error) { return respond(401, "") })
		for range 5 {
			f.track(harbor, 1)
			time.Sleep(2 * time.Minute)
		}
		f.stop()
		if got := strings.Count(f.log.String(), "level=WARN"); got != 1 {
			t.Errorf("%d warnings in 10 minutes:\n%s", got, f.log.String())
		}
		if strings.Contains(f.log.String(), harbor.Secret) || strings.Contains(f.log.String(), "dev-1") {
			t.Errorf("A15: the log holds a secret or a claim:\n%s", f.log.String())
		}
	})
}

func TestFirehoseNeverWaits(t *testing.T) {
	t.Run("nor keeps more than its queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFirehose(t, func(cfg *hull.FirehoseConfig) { cfg.Queue = 300 }, silence)
			start := time.Now()
			f.track(harbor, 1000)
			if took := time.Since(start); took != 0 {
				t.Errorf("it waited for %v", took)
			}
			synctest.Wait()
			f.wantEntries(map[string]int{"dropped_full": 700, "queue": 300})
			if got := len(f.got()); got != hull.LaneRequests {
				t.Errorf("%d requests at a time", got)
			}
		})
	})
	t.Run("nor does one organization hold up another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dead := harbor
			dead.Organization = "dead.hullapp.io"
			f := startFirehose(t, func(cfg *hull.FirehoseConfig) { cfg.Queue = 300 }, func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Hull-Organization") == dead.Organization {
					return silence(r)
				}
				return taken(r)
			})
			f.track(dead, 1000)
			synctest.Wait()
			f.track(harbor, 50)
			synctest.Wait()
			f.wantEntries(map[string]int{"sent": 50, "dropped_full": 750, "queue": 250})
		})
	})
	t.Run("nor does its failing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			failing := harbor
			failing.Organization = "failing.hullapp.io"
			f := startFirehose(t, nil, func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Hull-Organization") == failing.Organization {
					return respond(500, "")
				}
				return taken(r)
			})
			f.track(failing, 50*hull.BreakerFailures)
			time.Sleep(20 * time.Second) // its breaker is open
			f.track(harbor, 50)
			synctest.Wait()
			if got := f.entries()["sent"]; got != 50 {
				t.Errorf("%d sent at once, want 50", got)
			}
		})
	})
}

func TestFirehoseSendsSecretsToHullAlone(t *testing.T) {
	for _, test := range []struct {
		name         string
		organization string
		want         string
	}{
		{"an organization", "acme.hullapp.io", "https://firehose.hullapp.io"},
		{"in other letters", "ACME.Hullapp.IO", "https://firehose.hullapp.io"},
		{"one further down", "acme.eu.hullapp.io", "https://firehose.eu.hullapp.io"},
		{"the domain itself, whose own domain is anybody's", "hullapp.io", ""},
		{"another domain", "acme.evil.example", ""},
		{"one that ends alike", "acme.evilhullapp.io", ""},
		{"no domain", "localhost", ""},
		{"an address", "10.0.0.1", ""},
		{"a port", "acme.hullapp.io:8080", ""},
		{"a path", "acme.hullapp.io/x", ""},
		{"another host behind a user", "x@evil.example", ""},
		{"nothing", "", ""},
	} {
		t.Run("A4 "+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := startFirehose(t, nil, taken)
				credentials := harbor
				credentials.Organization = test.organization
				f.track(credentials, 1)
				time.Sleep(2 * time.Second)
				got := ""
				for _, r := range f.got() {
					got = r.url
				}
				if got != test.want {
					t.Errorf("sent to %q, want %q", got, test.want)
				}
			})
		})
	}
	t.Run("A4 nor to private addresses", func(t *testing.T) {
		server := httptest.NewTLSServer(http.NotFoundHandler())
		defer server.Close()
		f, err := hull.NewFirehose(hull.DefaultFirehoseConfig())
		if err != nil {
			t.Fatal(err)
		}
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		if _, err := f.Transport().RoundTrip(request); !errors.Is(err, hull.ErrNotPublic) {
			t.Errorf("got %v", err)
		}
	})
}

// An operator's URL may be private, and takes the organization of a mock.
func TestFirehoseOnASocket(t *testing.T) {
	noLeaks(t)
	bodies := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	defer server.Close()
	cfg := hull.DefaultFirehoseConfig()
	cfg.URL = hull.FirehoseURL(server.URL)
	f, err := hull.NewFirehose(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	mock := harbor
	mock.Organization = "localhost:8081"
	f.Track(hull.About{Credentials: mock, Claims: hull.Claims{ID: "u"}}, hull.Event{ID: "e0"})
	if got := (firehoseRequest{body: <-bodies}).events(); len(got) != 1 || got[0] != "e0" {
		t.Errorf("got %v", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFirehoseURL(t *testing.T) {
	for api, want := range map[string]string{
		"": "", "http://127.0.0.1:8080": "http://127.0.0.1:8080/api/v1/firehose",
		"http://hull.test/": "http://hull.test/api/v1/firehose", "http://hull.test/hull/v2": "http://hull.test/hull/v2/firehose",
	} {
		if got := hull.FirehoseURL(api); got != want {
			t.Errorf("%q: %q, want %q", api, got, want)
		}
	}
}

func TestFirehoseStops(t *testing.T) {
	t.Run("having sent what waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFirehose(t, nil, taken)
			f.track(harbor, 70)
			start := time.Now()
			f.stop()
			if took := time.Since(start); took != 0 {
				t.Errorf("it took %v", took)
			}
			f.track(harbor, 2)
			f.wantEntries(map[string]int{"sent": 70, "dropped_stopped": 2})
		})
	})
	t.Run("soon, though Hull does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := startFirehose(t, nil, silence)
			f.track(harbor, 1000)
			start := time.Now()
			f.stop()
			if took := time.Since(start); took != hull.FlushTime {
				t.Errorf("it took %v", took)
			}
			f.wantEntries(map[string]int{"dropped_stopped": 1000})
		})
	})
}

func TestFirehoseConfigValidate(t *testing.T) {
	for _, test := range []struct {
		change func(*hull.FirehoseConfig)
		want   string
	}{
		{func(c *hull.FirehoseConfig) {}, ""},
		{func(c *hull.FirehoseConfig) { c.URL = "http://10.0.0.1:8080/api/v1/firehose" }, ""},
		{func(c *hull.FirehoseConfig) { c.URL = "ftp://hull.test" }, "hull.firehose_url"},
		{func(c *hull.FirehoseConfig) { c.URL = "https://user@hull.test" }, "hull.firehose_url"},
		{func(c *hull.FirehoseConfig) { c.Queue = 1 }, ""},
		{func(c *hull.FirehoseConfig) { c.Queue = 0 }, "hull.firehose_queue"},
		{func(c *hull.FirehoseConfig) { c.Queue = 1_000_000 }, ""},
		{func(c *hull.FirehoseConfig) { c.Queue = 1_000_001 }, "hull.firehose_queue"},
		{func(c *hull.FirehoseConfig) { c.MaxAge = time.Second }, ""},
		{func(c *hull.FirehoseConfig) { c.MaxAge = time.Second - 1 }, "hull.firehose_max_age"},
		{func(c *hull.FirehoseConfig) { c.MaxAge = time.Hour + 1 }, "hull.firehose_max_age"},
	} {
		cfg := hull.DefaultFirehoseConfig()
		test.change(&cfg)
		wantConfigError(t, cfg.Validate(), test.want)
		if _, err := hull.NewFirehose(cfg); (err == nil) != (test.want == "") {
			t.Errorf("NewFirehose: %v, want %q", err, test.want)
		}
	}
}

// Hull joins the claims that it is told together, for good.
func TestVouched(t *testing.T) {
	signed := func(text string) (hull.Topic, bool) { return topics(text)[0], true }
	claimed := func(text string) (hull.Topic, bool) { return topics(text)[0], false }
	type topic struct {
		hull.Topic
		signed bool
	}
	of := func(t hull.Topic, signed bool) topic { return topic{t, signed} }
	for _, test := range []struct {
		name         string
		verification string
		proven       []topic
		want         hull.Claims
	}{
		{"an anonymous id by possession", "possession", []topic{of(claimed("anonymous_id:" + browserID))}, hull.Claims{AnonymousIDs: []string{browserID}}},
		{"one of several, which are not joined", "possession", []topic{of(claimed("anonymous_id:" + browserID)), of(claimed("anonymous_id:intercom:0123456789"))}, hull.Claims{AnonymousIDs: []string{browserID}}},
		{"signed claims together", "possession", []topic{of(signed("external_id:1")), of(signed("email:ada@example.com"))}, hull.Claims{ExternalID: "1", Email: "ada@example.com"}},
		{"not an anonymous id beside a signed claim", "possession", []topic{of(signed("email:ada@example.com")), of(claimed("anonymous_id:" + browserID))}, hull.Claims{Email: "ada@example.com"}},
		{"one that is signed too", "possession", []topic{of(signed("email:ada@example.com")), of(signed("anonymous_id:a"))}, hull.Claims{Email: "ada@example.com", AnonymousIDs: []string{"a"}}},
		{"no unsigned email, though verification is off", "off", []topic{of(claimed("id:1")), of(claimed("external_id:1")), of(claimed("email:ceo@example.com"))}, hull.Claims{}},
		{"nor a short anonymous id", "off", []topic{of(claimed("anonymous_id:1"))}, hull.Claims{}},
		{"but a long one", "off", []topic{of(claimed("email:ceo@example.com")), of(claimed("anonymous_id:" + browserID))}, hull.Claims{AnonymousIDs: []string{browserID}}},
		{"nothing unsigned since the policy was changed", "signed", []topic{of(claimed("anonymous_id:" + browserID))}, hull.Claims{}},
	} {
		t.Run("A1 "+test.name, func(t *testing.T) {
			var proof hull.Proof
			for _, topic := range test.proven {
				proof.Topics, proof.Signed = append(proof.Topics, topic.Topic), append(proof.Signed, topic.signed)
			}
			policy := hull.Policy{Verification: test.verification, PossessionServices: []string{"intercom"}}
			if diff := cmp.Diff(test.want, policy.Vouched(proof)); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTracksPageViews(t *testing.T) {
	for private, want := range map[string]bool{
		`{}`: false, `{"track_page_views":true}`: true, `{"track_page_views":false}`: false,
		`{"track_page_views":"true"}`: false, `{"track_page_views":1}`: false, `{"track_page_views":null}`: false,
		`{"track_page_views":[true]}`: false, `{"track_page_views": true }`: true,
	} {
		if got := hull.ParseSettings("c", nil, []byte(private)).TracksPageViews(); got != want {
			t.Errorf("%s: %v", private, got)
		}
	}
	if hull.ParseSettings("c", []byte(`{"track_page_views":true}`), nil).TracksPageViews() {
		t.Error("a public setting counts")
	}
}

// What is forgotten is not sent, or not again.
func TestFirehoseForgets(t *testing.T) {
	ada, err := hull.ParseTopic("anonymous_id:ada")
	if err != nil {
		t.Fatal(err)
	}
	other := harbor
	other.ConnectorID = "5c5b7b694aa3a8d42e03895a"
	tell := func(f *firehose, credentials hull.Credentials, visitors ...string) {
		for _, id := range visitors {
			claims := hull.Claims{ExternalID: "of " + id, AnonymousIDs: []string{id}}
			f.Track(hull.About{Credentials: credentials, Claims: claims, At: time.Now()}, hull.Event{Name: "page", ID: id})
		}
	}
	failing := func(*http.Request) (*http.Response, error) { return respond(500, "") }
	for _, test := range []struct {
		name   string
		first  roundTrip     // answers the first request
		after  time.Duration // of the entries
		topics []hull.Topic
		want   [][]string // events, by request
		counts map[string]int
	}{
		{"of what waits, whom it is about", taken, 0, []hull.Topic{ada}, [][]string{{"bob"}}, map[string]int{"sent": 1, "dropped_forgotten": 1}},
		{"of what waits, all", taken, 0, nil, nil, map[string]int{"dropped_forgotten": 2}},
		{"nothing for no topics", taken, 0, []hull.Topic{}, [][]string{{"ada", "bob"}}, map[string]int{"sent": 2}},
		{"before the next try, whom it is about", failing, 1100 * time.Millisecond, []hull.Topic{ada}, [][]string{{"ada", "bob"}, {"bob"}}, map[string]int{"sent": 1, "dropped_forgotten": 1}},
		{"before the next try, all", failing, 1100 * time.Millisecond, nil, [][]string{{"ada", "bob"}}, map[string]int{"dropped_forgotten": 2}},
		{"not what Hull is taking", func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return taken(r)
		}, 1100 * time.Millisecond, nil, [][]string{{"ada", "bob"}}, map[string]int{"sent": 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tries atomic.Int32
				f := startFirehose(t, nil, func(r *http.Request) (*http.Response, error) {
					if tries.Add(1) == 1 {
						return test.first(r)
					}
					return taken(r)
				})
				tell(f, harbor, "ada", "bob")
				time.Sleep(test.after)
				f.Forget(other.ConnectorID, nil)
				f.Forget(harbor.ConnectorID, test.topics)
				time.Sleep(30 * time.Second)
				var got [][]string
				for _, r := range f.got() {
					got = append(got, r.events())
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				f.wantEntries(test.counts)
				tell(f, harbor, "ada") // later
				time.Sleep(2 * time.Second)
				if requests := f.got(); len(requests) != len(test.want)+1 {
					t.Errorf("%d requests: what comes later is not sent", len(requests))
				}
			})
		})
	}
}

func TestFirehoseTells(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer roundTrip
		want   error
	}{
		{"of what is taken", taken, nil},
		{"of what is refused", func(*http.Request) (*http.Response, error) { return respond(401, "") }, hull.ErrRefused},
		{"of what is not taken in time", func(*http.Request) (*http.Response, error) { return respond(500, "") }, hull.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, err := hull.NewFirehose(hull.FirehoseConfig{Queue: 10, MaxAge: time.Minute, Domains: []string{"hullapp.io"}})
				if err != nil {
					t.Fatal(err)
				}
				f.SetTransport(test.answer)
				told := make(chan error, 10)
				f.Tell(func(connectorID string, err error) {
					if connectorID != harbor.ConnectorID {
						t.Errorf("told of %s", connectorID)
					}
					told <- err
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go f.Run(ctx)
				about := hull.About{Credentials: harbor, Claims: hull.Claims{AnonymousIDs: []string{"dev-1"}}, At: time.Now()}
				f.Track(about, hull.Event{Name: "page", ID: "e"})
				time.Sleep(2 * time.Minute)
				if err := <-told; !errors.Is(err, test.want) || len(told) > 0 {
					t.Errorf("told %v, and %d more", err, len(told))
				}
			})
		})
	}
}
