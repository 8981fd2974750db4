package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of an answer, in bytes: the largest of ours is /openapi.yaml.
const maxBody = 2 << 20

// newClient speaks as a browser does: HTTP/2 where it is offered. Redirects are not followed,
// since each says something, and answers are not unpacked.
func newClient(cfg Config) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: cfg.Patience}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    cfg.Patience,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what came for a request.
type answer struct {
	status int
	proto  string
	header http.Header
	body   []byte    // what came of it in time, maxBody at most
	local  string    // our address of the connection, host:port
	sent   time.Time // when the request was
	came   time.Time // when the head was there
	tls    *tls.ConnectionState
	err    error // nothing came
}

// request is what is asked; the zero value is a GET without a body.
type request struct {
	method, url string
	header      http.Header
	body        string
}

// header makes one of pairs.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// open sends a request and returns when its head is there. Whoever calls closes the body.
func (x *examination) open(ctx context.Context, r request) (*http.Response, answer) {
	a := answer{}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		a.local, a.sent = info.Conn.LocalAddr().String(), time.Now()
	}})
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return nil, answer{err: err}
	}
	if r.header != nil {
		req.Header = r.header
	}
	req.Header.Set("User-Agent", "hullbeam-doctor (bot)") // which no operator is shown as a visitor
	res, err := x.client.Do(req)
	if err != nil {
		return nil, answer{err: withoutURL(err)}
	}
	a.came, a.status, a.proto, a.header, a.tls = time.Now(), res.StatusCode, res.Proto, res.Header, res.TLS
	return res, a
}

// ask sends a request and reads the answer, for as long as Config.Patience.
func (x *examination) ask(ctx context.Context, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, x.cfg.Patience)
	defer cancel()
	res, a := x.open(ctx, r)
	if a.err != nil {
		return a
	}
	defer res.Body.Close()
	a.body, _ = io.ReadAll(io.LimitReader(res.Body, maxBody))
	return a
}

// late tells whether no answer came in time.
func (a answer) late() bool { return errors.Is(a.err, context.DeadlineExceeded) }

// withoutURL takes the address out of an error: a token may be in it.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// problem is the code and detail of a refusal of Hullbeam's (RFC 9457); empty when the answer is
// none.
func (a answer) problem() (code, detail string) {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	var p struct{ Code, Detail string }
	if kind != "application/problem+json" || json.Unmarshal(a.body, &p) != nil {
		return "", ""
	}
	return p.Code, p.Detail
}

// String says what came, for a report.
func (a answer) String() string {
	switch {
	case a.late():
		return "nothing, in time (--patience)"
	case a.err != nil:
		return quote(a.err.Error())
	}
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if code, detail := a.problem(); code != "" {
		return text + ", " + quote(code+": "+detail)
	}
	if server := a.header.Get("Server"); server != "" {
		text += ", Server: " + quote(server)
	}
	if kind := a.header.Get("Content-Type"); kind != "" {
		text += ", " + quote(kind)
	}
	return text
}

// decode reads the body as JSON.
func (a answer) decode(v any) error { return json.NewDecoder(bytes.NewReader(a.body)).Decode(v) }
