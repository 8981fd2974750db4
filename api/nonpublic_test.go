package api_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/store/storetest"
)

var (
	fictions    = flag.Int("fictions", 20, "how many made-up connectors and users the test of non-public values has")
	fictionSeed = flag.Uint64("fiction-seed", 0, "what they are made from; 0: another one each time")
)

// Whatever profiles and settings say, no part of a value that is not public reaches a
// page, the log, a metric, the audit log or the answer to somebody who may not see it;
// nor does a secret, or an identifier any page that has not proven it. Only what operators
// read of users is exempt.
func TestNonPublicValuesReachNobody(t *testing.T) {
	seed := *fictionSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test ./api -run NonPublic -fictions %d -fiction-seed %d", *fictions, seed)
	files := &sync.Map{}
	s := start(t, options{config: unlimited, extracts: func(w http.ResponseWriter, r *http.Request) {
		text, _ := files.Load(r.URL.Path)
		io.WriteString(w, text.(string))
	}})
	heard := map[reach]int{}
	for n := range *fictions {
		p := &public{server: s, fiction: newFiction(seed, n), files: files, heard: heard}
		p.tell()
		if t.Failed() {
			t.Fatalf("fiction %d", n)
		}
	}
	if *fictions >= 10 && (heard[everybody] == 0 || heard[signedOnly] == 0) {
		t.Errorf("pages were not told what is public either: %v", heard)
	}
}

func unlimited(c *api.Config) {
	c.Limits.TokensPerAddress, c.Limits.StreamsPerAddress = 0, 0
}

// public is everybody to whom a fiction is told, and what they have heard.
type public struct {
	*server
	*fiction
	files *sync.Map // the extracts of Hull, by their paths
	pages []*overheard
	hush  []string      // secrets that nobody tells
	heard map[reach]int // how many pages have heard of what
}

// overheard is what was written to a stream, byte by byte.
type overheard struct {
	name     string
	signed   bool
	stranger bool     // to the user
	claims   []string // which the page has made itself
	token    string
	bytes    lockedBuffer
	ended    chan struct{}
	leave    context.CancelFunc
}

func (p *public) path(of string) string { return "/api/v1/connectors/" + p.id + of }

// tell puts the fiction on its way to pages in all ways that there are, has asked what
// must not be answered, and looks at what came of it.
func (p *public) tell() {
	settings, private := p.settings()
	must(p.store.PutConnector(p.t.Context(), store.Connector{ID: p.id, Organization: org, Secret: p.secret,
		Settings: []byte(settings), PrivateSettings: []byte(private)}))
	p.server.hull.PutConnector(hull.Credentials{ConnectorID: p.id, Organization: org, Secret: p.secret}, nil)
	if p.IntN(2) == 0 {
		if err := p.server.hull.PutReport(p.id, []byte(p.fiction.reported("reported"))); err != nil {
			p.t.Fatal(err)
		}
	}
	p.hush = []string{secret, strings.TrimPrefix(adminKey, "Authorization: Bearer "), p.secret, p.identitySecret}
	p.listen() // before anything is known, or by asking Hull
	p.answered()
	for _, way := range []func(beat string){p.byNotification, p.byOperator, p.byExtract, p.byNotification} {
		beat := p.text(everybody)
		way(beat)
		p.wait(beat)
	}
	p.listen()
	p.tellMore()
	p.askWrongly()
	p.want(204, "DELETE", p.path(""), "", adminKey)
	for _, o := range p.pages {
		select {
		case <-o.ended:
		case <-time.After(20 * time.Second):
			p.t.Fatalf("%s: the stream has not ended with its connector: %s", o.name, o.bytes.String())
		}
		p.wantOwn(o, o.bytes.String())
	}
	p.wantHushed("a metric", p.answer("GET", "/metrics", "", adminKey))
	p.wantHushed("the audit log", p.answer("GET", "/api/v1/audit?limit=100", "", adminKey)+p.answer("GET", p.path("/audit"), "", adminKey))
	p.wantHushed("the log", p.log.take())
}

// tellMore is what happens to a connector besides states of its users.
func (p *public) tellMore() {
	p.notified("segment:update", p.segment("s1", p.segments["s1"])+","+p.segment("s9", nobody)+","+p.segment("a2", p.accountSegments["a2"]))
	for _, to := range []string{`{"topic":` + quote("external_id:"+p.text(person)) + `}`, `{"segment":"of nobody"}`, `{"page":"/nowhere"}`} {
		p.want(202, "POST", p.path("/offers"), `{"to":`+to+`,"data":`+p.value(nobody, 0)+`,"expires_in":"1m"}`, adminKey)
	}
	p.resume()
	p.notified("user:update", p.message("last"))
	if _, private := p.settings(); p.IntN(2) == 0 {
		p.wantNoSecrets("the connector", p.answer("GET", p.path(""), "", adminKey))
		p.wantNoSecrets("the connector, changed", p.answer("PUT", p.path(""), `{"organization":"`+org+`","settings":{},"private_settings":`+private+`}`, adminKey))
	}
	switch p.IntN(3) {
	case 0:
		p.notified("user:delete", `{"user":`+p.person("deleted", "")+`}`)
	case 1:
		p.want(204, "DELETE", p.path("/users/"+url.PathEscape("external_id:"+p.externalID)), "", adminKey)
	}
	of := "?ship=" + p.id + "&organization=" + org + "&secret=" + url.QueryEscape(p.secret)
	for _, path := range []string{"/ship.js", "/status", "/status" + of, "/manifest.json", "/readme", "/admin.html", "/admin.html" + of,
		"/install/check" + of, "/healthz", "/readyz", p.path("/script.0123456789abcdef.js"), p.path("/visitors"), "/api/v1/connectors"} {
		p.wantHushed(path, p.answer("GET", path, ""))
	}
}

// notified is a signed notification of Hull's, as it is taken.
func (p *public) notified(channel, messages string) {
	p.t.Helper()
	r := p.server.notify([]byte(`{"notification_id":` + quote(p.text(nobody)) + `,"configuration":{"id":"` + p.id + `","organization":"` + org +
		`","secret":` + quote(p.secret) + `},"channel":"` + channel + `","messages":[` + messages + `]}`))
	if r.status != 200 {
		p.t.Fatalf("%s: %d %s", channel, r.status, r.body)
	}
	p.wantHushed("the answer to "+channel, string(r.body))
	p.quiet()
}

func (p *public) byNotification(beat string) {
	p.notified("user:update", p.message(beat)+`,{"user":{"email":`+p.value(nobody, 0)+`}}`)
}

func (p *public) byOperator(beat string) {
	p.want(202, "POST", p.path("/users"), `[`+p.message(beat)+`,`+p.value(nobody, 0)+`]`, adminKey)
	p.quiet()
}

func (p *public) byExtract(beat string) {
	path := extractPath + p.id + "/" + p.text(nobody)
	p.files.Store(path, p.value(nobody, 0)+"\n"+p.fiction.reported(beat)+"\n"+`{"id":`+p.value(nobody, 0)+"\n")
	before := p.metric("hullbeam_extracts_total")
	p.want(200, "POST", "/batch?organization="+org+"&ship="+p.id+"&secret="+url.QueryEscape(p.secret), `{"url":`+quote(p.hullURL+path)+`}`, "Content-Type: application/json")
	storetest.Eventually(p.t, "the extract has been read", func() bool { return p.metric("hullbeam_extracts_total") > before })
	p.quiet()
}

// listen opens a stream with each kind of proof. Those that do not count are refused.
func (p *public) listen() {
	byEmail := identityToken(p.identitySecret, jwt.MapClaims{"email": p.email})
	byID := identityToken(p.identitySecret, jwt.MapClaims{"external_id": p.externalID, "aud": p.id})
	hash := intercomHash(p.identitySecret, p.email)
	stranger := p.text(person)
	p.hush = append(p.hush, byEmail, byID, hash)
	p.open(&overheard{name: "possession", claims: []string{p.anonymous}}, claim("anonymous_id", p.anonymous))
	p.open(&overheard{name: "a claim alone", claims: []string{p.email}}, claim("email", p.email))
	p.open(&overheard{name: "a signed email", signed: true, claims: []string{p.anonymous, p.email}}, `{"claims":{"anonymous_id":`+quote(p.anonymous)+`},"identity_token":"`+byEmail+`"}`)
	p.open(&overheard{name: "a signed external_id", signed: true, claims: []string{p.externalID}}, `{"identity_token":"`+byID+`"}`)
	p.open(&overheard{name: "a user_hash", signed: true, claims: []string{p.email}}, `{"claims":{"email":`+quote(p.email)+`},"user_hash":"`+hash+`"}`)
	p.open(&overheard{name: "a stranger", stranger: true, claims: []string{stranger}}, claim("anonymous_id", stranger))
}

// open asks for a token as a page, and opens a stream with it.
func (p *public) open(o *overheard, body string) {
	p.t.Helper()
	r := p.do("POST", p.path("/token"), body, "Origin: "+page, "Content-Type: application/json")
	if r.status != http.StatusCreated {
		p.wantHushed("the refusal of "+o.name, string(r.body))
		return
	}
	p.wantOwn(o, string(r.body))
	var answer struct {
		Token      string
		VisitorKey string `json:"visitor_key"`
	}
	json.Unmarshal(r.body, &answer)
	o.token = answer.Token
	p.hush = append(p.hush, answer.Token, answer.VisitorKey)
	p.overhear(o)
}

// overhear opens a stream that reads every byte until its connector is no more.
func (p *public) overhear(o *overheard, headers ...string) {
	ctx, leave := context.WithCancel(p.t.Context())
	req := must(http.NewRequestWithContext(ctx, "GET", p.URL+"/api/v1/stream?token="+o.token, nil))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res := must(http.DefaultTransport.RoundTrip(req))
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s", o.name, res.Status)
	}
	o.leave, o.ended = leave, make(chan struct{})
	go func() {
		defer close(o.ended)
		defer res.Body.Close()
		io.Copy(&o.bytes, res.Body)
	}()
	p.t.Cleanup(func() { leave(); <-o.ended })
	p.pages = append(p.pages, o)
}

// answered waits until Hull has been asked for all pages. What it reports here has no time, so
// that it would take the place of a state which is told meanwhile.
func (p *public) answered() {
	for _, o := range p.pages {
		storetest.Eventually(p.t, o.name+" is told what Hull reports", func() bool { return strings.Contains(o.bytes.String(), "event: user.") })
	}
}

// wait waits until all pages that follow the user, and may see it, know of a beat.
func (p *public) wait(beat string) {
	for _, o := range p.pages {
		if p.shown && !p.spoilt && !o.stranger {
			storetest.Eventually(p.t, o.name+" is told "+beat, func() bool { return strings.Contains(o.bytes.String(), beat) })
		}
	}
}

// resume has each page reconnect with what it has seen last.
func (p *public) resume() {
	for _, o := range p.pages {
		o.leave()
		<-o.ended
		_, id, ok := cutLast(o.bytes.String(), "\nid: ")
		if !ok {
			_, id, _ = cutLast(o.bytes.String(), "\nid:")
		}
		id, _, _ = strings.Cut(id, "\n")
		p.overhear(&overheard{name: o.name + " again", signed: o.signed, stranger: o.stranger, claims: o.claims, token: o.token}, "Last-Event-ID: "+id)
	}
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

// wantOwn wants nothing in a text but what the page may know.
func (p *public) wantOwn(o *overheard, text string) {
	p.t.Helper()
	isKnown := map[reach]bool{everybody: p.shown && !o.stranger, signedOnly: p.shown && o.signed}
	for r, known := range isKnown {
		if i := r.find(text); i >= 0 && known {
			p.heard[r]++
		} else if i >= 0 {
			p.t.Errorf("%s hears %s: %s", o.name, r, around(text, i))
		}
	}
	if o.claims = append(o.claims, p.user); o.stranger {
		o.claims = o.claims[:1]
	}
	for _, own := range o.claims {
		text = strings.ReplaceAll(text, own, "")
	}
	for _, r := range []reach{nobody, person} {
		if i := r.find(text); i >= 0 {
			p.t.Errorf("%s hears %s: %s", o.name, r, around(text, i))
		}
	}
	p.wantNoSecrets(o.name, strings.ReplaceAll(text, o.token, ""))
}

// wantHushed wants nothing of a user in a text, and no secret.
func (p *public) wantHushed(what, text string) {
	p.t.Helper()
	for r := range reach(len(marks)) {
		if i := r.find(text); i >= 0 {
			p.t.Errorf("%s tells %s: %s", what, r, around(text, i))
		}
	}
	p.wantNoSecrets(what, text)
}

func (p *public) wantNoSecrets(what, text string) {
	p.t.Helper()
	for _, secret := range p.hush {
		if i := strings.Index(text, secret); i >= 0 {
			p.t.Errorf("%s tells a secret: %s", what, around(text, i))
		}
	}
}

func around(text string, i int) string { return text[max(0, i-200):min(len(text), i+100)] }

// answer is all that a request is answered, but for the origin that it named itself.
func (p *public) answer(method, path, body string, headers ...string) string {
	p.t.Helper()
	r := p.do(method, path, body, headers...)
	return p.textOf(r)
}

func (p *public) textOf(r reply) string {
	r.header.Del("Access-Control-Allow-Origin")
	var text strings.Builder
	r.header.Write(&text)
	return text.String() + "\n" + string(r.body)
}

// want is answer, with this status, to one who may know no more for it.
func (p *public) want(status int, method, path, body string, headers ...string) {
	p.t.Helper()
	r := p.do(method, path, body, headers...)
	if r.status != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, r.status, r.body, status)
	}
	p.wantHushed(method+" "+path, p.textOf(r))
}
