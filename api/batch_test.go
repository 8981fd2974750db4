package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

// batch announces an extract with the connector's credentials.
func (s *server) batch(body string, query ...string) reply {
	s.t.Helper()
	return s.do("POST", "/batch?organization="+org+"&ship="+ship+"&secret="+secret+strings.Join(query, ""), body, "Content-Type: application/json")
}

// announce announces the extract at this path of Hull's files, with these members besides.
func (s *server) announce(path string, members ...string) reply {
	s.t.Helper()
	return s.batch(`{"url":"` + s.hullURL + extractPath + path + `"` + strings.Join(members, "") + `}`)
}

// extracted waits until so many extracts have ended like this.
func (s *server) extracted(result string, count float64) {
	s.t.Helper()
	storetest.Eventually(s.t, "the extract has ended", func() bool { return s.metric("hullbeam_extracts_total", "result", result) == count })
	storetest.Eventually(s.t, "none is read any more", func() bool { return s.metric("hullbeam_extracts_running") == 0 })
	s.quiet()
}

// file serves a text as Hull's only file.
func file(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

const activeUsers = "7c0ffee0a1b2c3d4e5f60718" // a segment of the fixtures

// everyone lets streams be opened with any claim.
func everyone(c *api.Config) { c.Identity.Verification = "off" }

const extractSettings = `{"whitelisted_domains":["www.harbor.example"],"public_traits":["plan","outreach/id","account.outreach/custom_1"],"public_segments":["` + activeUsers + `"]`

// fixtureRequest is the fixtures' announcement, of the file here.
func (s *server) fixtureRequest() string {
	s.t.Helper()
	var request map[string]any
	if err := json.Unmarshal(readFile(s.t, fixtures+"batch/users-request.json"), &request); err != nil {
		s.t.Fatal(err)
	}
	request["url"] = s.hullURL + extractPath + "report.json"
	return string(must(json.Marshal(request)))
}

func TestBatchReachesStreams(t *testing.T) {
	s := start(t, options{config: everyone, private: extractSettings + `}`, extracts: file(string(readFile(t, fixtures+"batch/users.ndjson")))})
	l := s.listen(s.token(claim("email", "tiago.reis@caravela.example")))
	l.expect("cache.miss")
	l.expect("user.error")
	if r := s.batch(s.fixtureRequest()); r.status != 200 || string(r.body) != "ok" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	want := decodeNumbers(t, []byte(`{"message":"ok","user":{"id":"5c5b7b694aa3a8d42e03895a","plan":"brigantine","outreach":{"id":16}},"segments":["Active Users"],
		"account":{"outreach/custom_1":"Cais 4"},"account_segments":[],"events":[]}`))
	if diff := cmp.Diff(want, decodeNumbers(t, l.expect("user.update").Data)); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	s.extracted("ok", 1)
	for _, user := range []string{"id:7c0ffee0a1b2c3d4e5f6ab02", "email:sem.conta@harbor.example", "anonymous_id:outreach:16"} {
		kind, value, _ := strings.Cut(user, ":")
		s.listen(s.token(claim(kind, value))).expect("user.update")
	}
	if got := s.metric("hullbeam_extract_lines_total", "result", "taken"); got != 3 {
		t.Errorf("%v users were taken", got)
	}
	for _, text := range []string{"an extract begins", "an extract was taken", "line=3 users=3 skipped=0"} {
		if !strings.Contains(s.log.String(), text) {
			t.Errorf("the log does not say %q:\n%s", text, s.log)
		}
	}
	for _, hush := range []string{"report.json", "tiago", secret} {
		if strings.Contains(s.log.String(), hush) {
			t.Errorf("the log tells %s", hush)
		}
	}
}

func TestBatchHoldsTheSegmentFilter(t *testing.T) {
	s := start(t, options{config: everyone, private: extractSettings + `,"synchronized_segments":["` + activeUsers + `"]}`,
		extracts: file(string(readFile(t, fixtures+"batch/users.ndjson")))})
	open := func(kind, value string) *listener { return s.listen(s.token(claim(kind, value))) }
	s.update(`{"user":{"id":"7c0ffee0a1b2c3d4e5f6ab03","email":"sem.conta@harbor.example","plan":"pro"},"segments":[{"id":"` + activeUsers + `"}]}`)
	l := open("email", "sem.conta@harbor.example")
	l.expect("user.update")
	s.batch(s.fixtureRequest())
	l.expect("user.private") // who has left the segment since
	s.extracted("ok", 1)
	open("email", "tiago.reis@caravela.example").expect("user.update")
	open("id", "7c0ffee0a1b2c3d4e5f6ab02").expect("user.private")
	s.batch(strings.Replace(s.fixtureRequest(), "user:extract:", "another:", 1), "&segment_id="+activeUsers)
	l.expect("user.update")
	s.extracted("ok", 2)
	open("id", "7c0ffee0a1b2c3d4e5f6ab02").expect("user.update")
}

// An announcement need not say what segments are called.
func TestBatchAsksHullForSegments(t *testing.T) {
	s := start(t, options{config: everyone, private: extractSettings + `}`, extracts: file(`{"id":"u1","anonymous_ids":["` + anonymous + `"],"segment_ids":["` + activeUsers + `"]}`)})
	l := s.listen(s.token(claim("anonymous_id", anonymous)))
	l.expect("cache.miss")
	l.expect("user.error")
	wants := func(names string) {
		t.Helper()
		if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"segments":`+names) {
			t.Errorf("got %s, want %s", e.Data, names)
		}
	}
	s.hullSays.Store(&reply{status: http.StatusServiceUnavailable})
	s.announce("report.json")
	wants(`[]`) // nobody knows the name
	s.extracted("ok", 1)
	s.hullSays.Store(&reply{status: http.StatusOK, body: readFile(t, fixtures+"rest/get-users-segments.json")})
	s.announce("report.json")
	wants(`["Active Users"]`)
	s.extracted("ok", 2)
	s.hullSays.Store(&reply{status: http.StatusForbidden})
	s.notification("segment:update", "", `{"id":"`+activeUsers+`","name":"Sailors"}`)
	wants(`["Sailors"]`)
	s.announce("report.json")
	s.extracted("ok", 3)
	storetest.Eventually(t, "an update shows what the page shows: Hull did not say the segment's name", func() bool {
		return s.metric("hullbeam_updates_total", "result", "unchanged") == 1
	})
}

func TestBatchOfCSV(t *testing.T) {
	s := start(t, options{noHull: true, extracts: file("id,plan,anonymous_ids,account.name\nu1,pro," + anonymous + ",Caravela\n")})
	s.announce("report.csv", `,"format":"csv"`)
	s.extracted("ok", 1)
	if e := s.listen(s.token(claim("anonymous_id", anonymous))).expect("user.update"); !strings.Contains(string(e.Data), `"plan":"pro"`) || !strings.Contains(string(e.Data), "Caravela") {
		t.Errorf("got %s", e.Data)
	}
	s.announce("report.csv")
	s.extracted("ok", 2)
	if got := s.metric("hullbeam_extract_lines_total", "result", "skipped"); got != 2 {
		t.Errorf("skipped: %v", got)
	}
}

func TestBatchSkipsBrokenLines(t *testing.T) {
	var text strings.Builder
	for i := range 250 {
		if i%10 == 4 {
			text.WriteString(`{"id":"u","hush":` + "\n")
		} else {
			fmt.Fprintf(&text, `{"id":"u%d","anonymous_ids":["%s-%d"]}`+"\n", i, anonymous, i)
		}
	}
	s := start(t, options{noHull: true, extracts: file(text.String())})
	s.announce("report.json")
	s.extracted("ok", 1)
	taken, skipped := s.metric("hullbeam_extract_lines_total", "result", "taken"), s.metric("hullbeam_extract_lines_total", "result", "skipped")
	if taken != 225 || skipped != 25 {
		t.Errorf("taken %v, skipped %v", taken, skipped)
	}
	for _, i := range []int{0, 3, 5, 249} {
		s.listen(s.token(claim("anonymous_id", fmt.Sprintf("%s-%d", anonymous, i)))).expect("user.update")
	}
	log := s.log.String()
	if !strings.Contains(log, `line=15 reason="not JSON at byte 17"`) || strings.Contains(log, "hush") {
		t.Errorf("the broken lines are not named, or quoted:\n%s", log)
	}
	if named := strings.Count(log, "a line of an extract was skipped"); named != 20 {
		t.Errorf("%d lines are named", named)
	}
}

// hundred are as many users as are taken at a time.
func hundred() string {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, `{"id":"u%d","anonymous_ids":["%s-%d"]}`+"\n", i, anonymous, i)
	}
	return text.String()
}

// stalls serves a text, and no end.
func stalls(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func TestBatchEndsWithItsServer(t *testing.T) {
	s := start(t, options{noHull: true, extracts: stalls(hundred())})
	if r := s.announce("report.json"); r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	storetest.Eventually(t, "the first lines are taken", func() bool { return s.metric("hullbeam_extract_lines_total", "result", "taken") == 100 })
	if got := s.metric("hullbeam_extracts_running"); got != 1 {
		t.Errorf("%v running", got)
	}
	s.stop() // it hangs here, if the extract goes on
	if got := s.metric("hullbeam_extracts_total", "result", "partial"); got != 1 || !strings.Contains(s.log.String(), "line=100") {
		t.Errorf("%v broken off:\n%s", got, s.log)
	}
	if r := s.announce("report.json"); r.status != 503 || answerCode(r) != "UNAVAILABLE" {
		t.Errorf("after the end: got %d %s", r.status, r.body)
	}
}

func TestBatchTakesNoLongerThanItMay(t *testing.T) {
	within := func(timeout time.Duration, extracts http.HandlerFunc) *server {
		return start(t, options{noHull: true, config: func(c *api.Config) { c.Hull.ExtractTimeout = timeout }, extracts: extracts})
	}
	silent := within(100*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if r := silent.announce("report.json"); r.status != 400 || answerCode(r) != "EXTRACT_UNREACHABLE" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	s := within(3*time.Second, stalls(hundred())) // in which a slow machine must see the first bytes
	if r := s.announce("report.json"); r.status != 200 {
		t.Errorf("got %d %s", r.status, r.body)
	}
	s.extracted("partial", 1)
	if !strings.Contains(s.log.String(), "it took longer than hull.extract_timeout") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
}

func TestBatchTakesNoMoreThanItMay(t *testing.T) {
	text := hundred()
	s := start(t, options{noHull: true, asks: func(c *hull.ClientConfig) { c.ExtractBytes = int64(len(text)) }, extracts: func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush() // so that nobody knows the length
		io.WriteString(w, text+strings.TrimPrefix(r.URL.Path, extractPath))
	}})
	s.announce("")
	s.extracted("ok", 1)
	s.announce("x")
	s.extracted("partial", 1)
	if got := s.metric("hullbeam_extract_lines_total", "result", "taken"); got != 200 || !strings.Contains(s.log.String(), "larger than hull.extract_bytes") {
		t.Errorf("%v users were taken:\n%s", got, s.log)
	}
}

// Whatever a request says of itself, nobody is asked about it, and nothing is fetched for
// who does not know the secret that is stored (docs/hull-protocol.md 11, A4).
func TestA4BatchNeedsTheSecret(t *testing.T) {
	var fetched atomic.Int32
	s := start(t, options{config: func(c *api.Config) { c.Limits.NotificationBody = 1 << 16 }, extracts: func(http.ResponseWriter, *http.Request) { fetched.Add(1) }})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "secretless"}))
	body := `{"url":"` + s.hullURL + extractPath + `report.json"}`
	for query, code := range map[string]string{
		"":                           "MISSING_CREDENTIALS",
		"ship=" + ship:               "MISSING_CREDENTIALS",
		"ship=" + ship + "&secret=x": "MISSING_CREDENTIALS",
		"organization=" + org + "&ship=" + ship + "&secret=x":                                                    "INVALID_CREDENTIALS",
		"organization=evil.hullapp.io&ship=" + ship + "&secret=" + secret:                                        "INVALID_CREDENTIALS",
		"organization=" + strings.TrimPrefix(s.hullURL, "http://") + "&ship=" + ship + "&secret=" + secret:       "INVALID_CREDENTIALS",
		"organization=" + org + "&ship=nobody&secret=" + secret:                                                  "INVALID_CREDENTIALS",
		"organization=" + org + "&ship=secretless&secret=x":                                                      "INVALID_CREDENTIALS",
		"organization=" + org + "&ship=" + ship + "&secret=" + secret + "&secret=x":                              "MISSING_CREDENTIALS",
		"organization=" + org + "&ship=" + ship + "&secret=" + secret + "&token=forged":                          "INVALID_CREDENTIALS",
		"organization=" + org + "&ship=aaaaaaaaaaaaaaaaaaaaaaaa&secret=" + secret + "&source=connector&x=/batch": "INVALID_CREDENTIALS",
	} {
		if r := s.do("POST", "/batch?"+query, body); r.status != 403 || answerCode(r) != code {
			t.Errorf("%s: got %d %s, want %s", query, r.status, r.body, code)
		}
	}
	if r := s.batch(strings.Repeat(" ", 1<<16+1)); r.status != 413 {
		t.Errorf("too large: got %d %s", r.status, r.body)
	}
	if r := s.batch(`{"url":"x","object_type":"event"}` + strings.Repeat(" ", 1<<16-33)); r.status != 400 || answerCode(r) != "INVALID_EXTRACT" {
		t.Errorf("as large as may be: got %d %s", r.status, r.body)
	}
	if fetched.Load() != 0 || len(s.hull.Calls()) != 0 {
		t.Errorf("%d files were fetched, Hull was asked %d times", fetched.Load(), len(s.hull.Calls()))
	}
	if got := s.metric("hullbeam_extracts_total", "result", "refused"); got != 13 {
		t.Errorf("%v are counted", got)
	}
}

// A stranger is somebody on this machine whom nobody may ask.
func stranger(t *testing.T) (address string) {
	t.Helper()
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger was asked") })
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestBatchFetchesFromWhereItMay(t *testing.T) {
	s := start(t, options{extracts: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.URL.RawQuery, http.StatusFound)
	}})
	there := stranger(t)
	_, port, _ := strings.Cut(there, ":")
	for _, url := range []string{
		"http://" + there, "https://" + there, "https://localhost:" + port, "https://localhost.:" + port, "https://foo.localhost:" + port,
		"https://[::1]:" + port, "https://[::ffff:127.0.0.1]:" + port, "https://2130706433:" + port, "http://s3.amazonaws.com/report.json",
		"https://s3.amazonaws.com@" + there, "https://s3.amazonaws.com:" + port, strings.Replace(s.hullURL, "http", "https", 1), "file:///etc/passwd",
	} {
		if r := s.batch(`{"url":"` + url + `"}`); r.status != 400 || answerCode(r) != "UNTRUSTED_EXTRACT_URL" {
			t.Errorf("%s: got %d %s", url, r.status, r.body)
		}
	}
	if r := s.announce("moved?" + there); r.status != 400 || answerCode(r) != "EXTRACT_UNREACHABLE" || strings.Contains(string(r.body)+s.log.String(), there) {
		t.Errorf("moved: got %d %s", r.status, r.body)
	}
}

func TestBatchOfAccounts(t *testing.T) {
	s := start(t, options{extracts: func(http.ResponseWriter, *http.Request) { t.Error("it was fetched") }})
	if r := s.batch(string(readFile(t, fixtures+"batch/accounts-request.json"))); r.status != 200 || string(r.body) != "ok" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	s.extracted("accounts", 1)
}

func TestBatchIsTakenOnce(t *testing.T) {
	var fetched atomic.Int32
	var goes atomic.Bool
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	s := start(t, options{noHull: true, extracts: func(w http.ResponseWriter, r *http.Request) {
		if fetched.Add(1); !goes.Load() {
			http.Error(w, "not yet", http.StatusNotFound)
			return
		}
		io.WriteString(w, hundred())
		if strings.HasSuffix(r.URL.Path, "slow") {
			http.NewResponseController(w).Flush()
			begun <- struct{}{}
			<-goOn
		}
	}})
	id := `,"notification_id":"user:extract:1"`
	want := func(r reply, status int, times int32) {
		t.Helper()
		if r.status != status || fetched.Load() != times {
			t.Errorf("got %d %s after %d downloads, want %d after %d", r.status, r.body, fetched.Load(), status, times)
		}
	}
	want(s.announce("a", id), 400, 1)
	goes.Store(true)
	want(s.announce("a", id), 200, 2) // what could not be fetched may come again
	s.extracted("ok", 1)
	want(s.announce("a", id), 200, 2)
	want(s.announce("b", id), 200, 3) // another extract, whatever its id
	s.extracted("ok", 2)
	want(s.announce("b"), 200, 4) // nothing says that it is the same
	s.extracted("ok", 3)
	want(s.announce("slow", id), 200, 5)
	<-begun
	want(s.announce("slow", id), 200, 5) // it is under way
	close(goOn)
	s.extracted("ok", 4)
	if got := s.metric("hullbeam_extracts_total", "result", "repeated"); got != 2 {
		t.Errorf("repeated: %v", got)
	}
}

func TestBatchHasSoManyPlaces(t *testing.T) {
	goOn := make(chan struct{})
	s := start(t, options{noHull: true, config: func(c *api.Config) { c.Hull.Extracts = 1 }, extracts: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, hundred())
		http.NewResponseController(w).Flush()
		<-goOn
	}})
	must(s.store.PutConnector(t.Context(), store.Connector{ID: "other", Secret: secret}))
	other := func() reply {
		return s.do("POST", "/batch?organization="+org+"&ship=other&secret="+secret, `{"url":"`+s.hullURL+extractPath+`report.json","notification_id":"x"}`)
	}
	if r := s.announce("report.json"); r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	for reason, r := range map[string]reply{"of this connector": s.announce("report.json"), "Too many": other()} {
		if r.status != 503 || answerCode(r) != "OVERLOADED" || r.header.Get("Retry-After") != "60" || !strings.Contains(string(r.body), reason) || !strings.Contains(string(r.body), `"type":"retry"`) {
			t.Errorf("%s: got %d %s", reason, r.status, r.body)
		}
	}
	close(goOn)
	s.extracted("ok", 1)
	if r := other(); r.status != 200 {
		t.Errorf("afterwards: got %d %s", r.status, r.body)
	}
	s.extracted("ok", 2)
}

// failingStore fails to write so often.
type failingStore struct {
	store.Store
	left *atomic.Int32
}

func (s failingStore) Put(ctx context.Context, connectorID string, users []store.User) ([]store.Written, error) {
	if s.left.Add(-1) >= 0 {
		return nil, fmt.Errorf("%w: for the test", store.ErrUnavailable)
	}
	return s.Store.Put(ctx, connectorID, users)
}

func TestBatchWaitsForTheStore(t *testing.T) {
	failing := failingStore{left: new(atomic.Int32)}
	s := start(t, options{noHull: true, store: func(*store.Config) {},
		wrap: func(s store.Store) store.Store {
			failing.Store = s
			return failing
		}, extracts: file(hundred() + hundred())})
	failing.left.Store(2)
	s.announce("report.json")
	s.extracted("ok", 1)
	if got := s.metric("hullbeam_extract_lines_total", "result", "taken"); got != 200 {
		t.Errorf("%v users were taken", got)
	}
	failing.left.Store(1 << 30)
	s.announce("report.json")
	storetest.Eventually(t, "it is tried again", func() bool { return failing.left.Load() <= 1<<30-2 })
	s.stop() // until it may not go on
	if !strings.Contains(s.log.String(), "line=0 users=0") || s.metric("hullbeam_extracts_total", "result", "partial") != 1 || strings.Count(s.log.String(), "the store fails") != 2 {
		t.Errorf("the log does not say how far it came:\n%s", s.log)
	}
}

// The predecessors took a batch for a notification by the look of its URL
// (docs/hull-protocol.md 11, A3).
func TestA3BatchOnTheNotificationRoute(t *testing.T) {
	for name, verify := range map[string]bool{"signatures are verified": true, "in development": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{verify: func(c *hull.VerifyConfig) { c.VerifySignatures = verify },
				extracts: func(http.ResponseWriter, *http.Request) { t.Error("an extract was fetched") }})
			s.update(userMessage("u1", anonymousIDs(anonymous)))
			l := s.listen(s.token(claim("anonymous_id", anonymous)))
			l.expect("user.update")
			before := must(s.store.Connector(t.Context(), ship))
			body := func(url string) string { return `{"url":"` + url + `","format":"json","object_type":"user_report"}` }
			evil, own := body("http://"+stranger(t)+"/users.json"), body(s.hullURL+extractPath+"report.json")
			attack := "/smart-notifier?x=/batch&organization=evil.example&ship=" + ship + "&secret=x"
			known := "/smart-notifier?x=/batch&organization=" + org + "&ship=" + ship + "&secret=" + secret
			sns := []string{"x-amz-sns-message-type: Notification", "x-amz-sns-message-id: 1", "x-amz-sns-topic-arn: arn:aws:sns:us-east-1:1:x", "Content-Type: text/plain; charset=UTF-8"}
			flag := []string{"X-Hull-Smart-Notifier: true", "Content-Type: application/json"}
			for _, path := range []string{attack, known, strings.Replace(known, "x=/batch", "", 1), strings.Replace(known, "?x=", "?x=/smart-notifier", 1)} {
				envelope := `{"Type":"Notification","Message":` + string(must(json.Marshal(evil))) + `}`
				for _, body := range []string{evil, own, envelope} {
					for _, headers := range [][]string{nil, {"Content-Type: application/json"}, sns, flag, append(flag, sns...)} {
						r := s.do("POST", path, body, headers...)
						if !verify && path != attack && body == envelope && len(headers) == len(sns) && string(r.body) == "ok" {
							continue // a mock's message of SNS, about nothing
						}
						if r.status < 400 || r.status >= 500 {
							t.Errorf("%s with %v: got %d %s", path, headers, r.status, r.body)
						}
					}
				}
			}
			if diff := cmp.Diff(before, must(s.store.Connector(t.Context(), ship))); diff != "" {
				t.Errorf("the connector has changed (-before +after):\n%s", diff)
			}
			if n := len(s.hull.Calls()); n != 0 || s.metric("hullbeam_extract_lines_total") != 0 {
				t.Errorf("Hull was asked %d times", n)
			}
			s.update(userMessage("u1", `"plan":"pro"`, anonymousIDs(anonymous)))
			if e := l.expect("user.update"); !strings.Contains(string(e.Data), `"plan":"pro"`) {
				t.Errorf("the page was told something else before: %s", e.Data)
			}
		})
	}
}

func TestExtractConfigRanges(t *testing.T) {
	for key, change := range map[string]func(*api.Hull){
		"hull.extracts":           func(h *api.Hull) { h.Extracts = 0 },
		"hull.extract_timeout":    func(h *api.Hull) { h.ExtractTimeout = 25 * time.Hour },
		"hull.extract_line_bytes": func(h *api.Hull) { h.ExtractLineBytes = 4095 },
		"hull.max_connectors":     func(h *api.Hull) { h.MaxConnectors = -1 },
	} {
		cfg := api.DefaultHull()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+":") {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
