package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// try is one attack under way.
type try struct {
	*Target
	ctx    context.Context
	said   []string
	faults []string

	from      string // the address of this machine that all of it comes from; "": any
	mayChange bool   // the attack is part of what an operator may do
}

// over ends an attack that cannot go on.
type over struct{}

func (x *try) protect(run func(*try)) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(over); !ok {
				panic(p)
			}
		}
	}()
	run(x)
}

func (x *try) fault(format string, args ...any) {
	x.faults = append(x.faults, fmt.Sprintf(format, args...))
}

// stop is fault for what leaves nothing to go on with.
func (x *try) stop(format string, args ...any) {
	x.fault(format, args...)
	panic(over{})
}

// say notes for the table what the server did; the same thing many times once.
func (x *try) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(x.said, text) {
		x.said = append(x.said, text)
	}
}

// request is what is sent by net/http's client, which keeps to the rules of HTTP. What
// does not goes through raw.
type request struct {
	method, path string
	header       [][2]string
	body         []byte
}

func get(path string) request { return request{method: "GET", path: path} }
func del(path string) request { return request{method: "DELETE", path: path} }

// post is a POST of a text as it is, or of what JSON makes of anything else.
func post(path string, body any) request {
	r := request{method: "POST", path: path, body: textOf(body)}
	return r.with("Content-Type", "application/json")
}

func put(path string, body any) request {
	r := post(path, body)
	r.method = "PUT"
	return r
}

func textOf(body any) []byte {
	switch b := body.(type) {
	case string:
		return []byte(b)
	case []byte:
		return b
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // what rows say encodes
	}
	return text
}

// with adds a header field: twice is twice, but of Content-Type the last counts.
func (r request) with(name, value string) request {
	if name == "Content-Type" {
		r.header = slices.DeleteFunc(slices.Clone(r.header), func(h [2]string) bool { return h[0] == name })
	}
	r.header = append(slices.Clone(r.header), [2]string{name, value})
	return r
}

func (r request) key(key string) request       { return r.with("Authorization", "Bearer "+key) }
func (r request) origin(origin string) request { return r.with("Origin", origin) }

// cookie is a request of a page of the server's own that has a session.
func (r request) cookie(cookie string) request {
	return r.with("Cookie", cookie).with("Sec-Fetch-Site", "same-origin")
}

// answer is what came back.
type answer struct {
	x      *try
	status int
	header http.Header
	body   []byte
}

// send sends a request, and looks at whether the answer keeps to what every answer must.
func (x *try) send(r request) *answer {
	a, err := x.exchange(r)
	if err != nil {
		x.stop("%s %.80s: no answer: %v", r.method, r.path, err)
	}
	if !r.has(x.AdminKey) {
		a.keepsSecrets()
	}
	return a
}

func (r request) has(value string) bool {
	return slices.ContainsFunc(r.header, func(h [2]string) bool { return strings.Contains(h[1], value) })
}

func (x *try) exchange(r request) (*answer, error) {
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, x.URL+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for _, h := range r.header {
		if request.Header.Add(h[0], h[1]); h[0] == "Host" {
			request.Host = h[1]
		}
	}
	response, err := clientFrom(x.from).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	return &answer{x, response.StatusCode, response.Header, body}, nil
}

// patience is how long anything may take that is not meant to be slow: the machine may be
// busy with other things.
const patience = 30 * time.Second

var plainClient = newClient("")

func clientFrom(address string) *http.Client {
	if address == "" {
		return plainClient
	}
	return newClient(address)
}

func newClient(from string) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialerFrom(from).DialContext, DisableKeepAlives: from != "", DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func dialerFrom(address string) *net.Dialer {
	dialer := &net.Dialer{Timeout: patience}
	if address != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(address)}
	}
	return dialer
}

// keepsSecrets looks for what no answer to anybody but an operator with an admin key may
// have.
func (a *answer) keepsSecrets() {
	var text strings.Builder
	text.WriteString(a.header.Get("Location") + string(a.body))
	for name, values := range a.header {
		if name != "Set-Cookie" {
			text.WriteString(strings.Join(values, "\n"))
		}
	}
	for what, secret := range a.x.secrets() {
		if secret != "" && strings.Contains(text.String(), secret) {
			a.x.fault("the answer has %s", what)
		}
	}
	if a.header.Get("Access-Control-Allow-Credentials") != "" {
		a.x.fault("pages of other sites may have cookies sent")
	}
	if a.header.Get(injected) != "" {
		a.x.fault("a header was injected")
	}
}

// injected is the header that attacks try to bring into an answer.
const injected = "X-Injected"

// code is what a refusal calls itself: the code of a problem, or that of Hull's shape.
func (a *answer) code() string {
	var body struct {
		Code   string `json:"code"`
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(a.body, &body) == nil && body.Code == "" && len(body.Errors) > 0 {
		return body.Errors[0].Code
	}
	return body.Code
}

// refused asks for a refusal with this status and one of these codes; without codes any.
func (a *answer) refused(status int, codes ...string) *answer {
	a.x.say("%d %s", a.status, a.code())
	if a.status != status || len(codes) > 0 && !slices.Contains(codes, a.code()) {
		a.x.fault("answered %d %q, want %d %s", a.status, a.code(), status, strings.Join(codes, " or "))
	}
	return a
}

// refusedAs is refused with one of these statuses.
func (a *answer) refusedAs(statuses ...int) *answer {
	a.x.say("%d %s", a.status, a.code())
	if !slices.Contains(statuses, a.status) {
		a.x.fault("answered %d %q, want one of %v", a.status, a.code(), statuses)
	}
	return a
}

// taken asks for an answer that is no refusal, where what is sent may come but must have
// no effect.
func (a *answer) taken(status int) *answer {
	a.x.say("%d", a.status)
	if a.status != status {
		a.x.stop("answered %d %.200s, want %d", a.status, a.body, status)
	}
	return a
}

// has asks for a header of the answer; "" for none.
func (a *answer) has(name, want string) *answer {
	if got := a.header.Get(name); got != want {
		a.x.fault("%s is %.80q, want %q", name, got, want)
	}
	return a
}

// asksToWait asks for a Retry-After.
func (a *answer) asksToWait() {
	if a.header.Get("Retry-After") == "" {
		a.x.fault("there is no Retry-After")
	}
}

// lacks asks that a text is nowhere in the body.
func (a *answer) lacks(text string) *answer {
	if bytes.Contains(a.body, []byte(text)) {
		a.x.fault("the answer has %.40q", text)
	}
	return a
}

// into reads the body, which is JSON.
func (a *answer) into(v any) {
	if err := json.Unmarshal(a.body, v); err != nil {
		a.x.stop("answered %d %.100q, which is not the JSON it should be: %v", a.status, a.body, err)
	}
}
