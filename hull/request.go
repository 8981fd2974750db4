package hull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	answerLength = 1 << 20 // bytes of an answer that are read
	attempts     = 3       // of a request, which are all GET
)

// ErrTimeout comes with ErrUnavailable when Hull did not answer in time. In
// errors the cause is text only: a time-out of ours must not be taken for the end
// of the caller's ctx.
var ErrTimeout = errors.New("no answer in time")

// question is what Hull is asked.
type question struct {
	call  call
	path  string // of the API
	query url.Values
	list  bool // the answer is a list, not an object
}

// get asks Hull until there is an answer, at most three times and within ctx.
// accessToken is made anew for each attempt.
func (c *Client) get(ctx context.Context, credentials Credentials, asked question, accessToken func() string) ([]byte, error) {
	target := c.url(credentials, asked.path)
	target.RawQuery = asked.query.Encode()
	for attempt := 1; ; attempt++ {
		began := time.Now()
		answer, err := c.breakers.do(target.Host, func() ([]byte, error) {
			ctx, done := traceCall(ctx, credentials.ConnectorID, asked.path)
			body, err := c.attempt(ctx, credentials, target.String(), accessToken())
			if err == nil {
				err = asked.check(body)
			}
			done(err)
			return body, err
		})
		c.metrics.count(asked.call, began, err)
		again := errors.Is(err, ErrUnavailable) && !errors.Is(err, errResting) && attempt < attempts
		if !again || !pause(ctx, attempt) {
			return answer, err
		}
	}
}

// pause waits before another attempt, so that those who failed together do not
// come back together. It reports whether ctx leaves time for one.
func pause(ctx context.Context, attempt int) bool {
	return sleep(ctx, time.Duration(attempt)*100*time.Millisecond+rand.N(200*time.Millisecond))
}

// sleep waits, and reports whether ctx leaves time for something after it. When it
// does not, it does not wait.
func sleep(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// url is where a path of the API lies. APIURL and the organization are checked.
func (c *Client) url(credentials Credentials, path string) *url.URL {
	base := &url.URL{Scheme: "https", Host: strings.ToLower(credentials.Organization), Path: "/api/v1/"}
	if c.cfg.APIURL != "" {
		base = apiBase(c.cfg.APIURL)
	}
	return base.JoinPath(path)
}

// apiBase reads an APIURL that is checked.
func apiBase(apiURL string) *url.URL {
	base, _ := url.Parse(apiURL)
	if strings.Trim(base.Path, "/") == "" {
		base.Path = "/api/v1/"
	}
	return base
}

// attempt is one request. It may take half the time of a look-up, which leaves
// the other half for another when the first gets lost.
func (c *Client) attempt(ctx context.Context, credentials Credentials, target, accessToken string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LookupTimeout/2)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the organization makes no URL", ErrRefused)
	}
	setHeaders(request, credentials, accessToken, c.cfg.Version)
	if c.cfg.Traceparent {
		sendTrace(ctx, request.Header)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, requestError(err)
	}
	defer response.Body.Close()
	if err := statusError(response.StatusCode); err != nil {
		return nil, err
	}
	return readAnswer(response.Body)
}

// setHeaders sets what every request to Hull has (docs/hull-protocol.md 8.1).
func setHeaders(request *http.Request, credentials Credentials, accessToken, version string) {
	request.Header.Set("Content-Type", "application/json") // Hull's clients send it with GET too
	request.Header.Set("User-Agent", "Hullbeam/"+version)
	request.Header.Set("Hull-App-Id", credentials.ConnectorID)
	request.Header.Set("Hull-Access-Token", accessToken)
	request.Header.Set("Hull-Organization", credentials.Organization)
}

// requestError says what it means that a request got no answer.
func requestError(err error) error {
	switch {
	case errors.Is(err, errNotPublic):
		return fmt.Errorf("%w: %v", ErrRefused, withoutURL(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrTimeout)
	}
	return fmt.Errorf("%w: %v", ErrUnavailable, withoutURL(err))
}

func statusError(status int) error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusNotFound:
		return ErrNotFound
	case status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: status %d", ErrBusy, status)
	case status >= http.StatusInternalServerError:
		return fmt.Errorf("%w: status %d", ErrUnavailable, status)
	}
	return fmt.Errorf("%w: status %d", ErrRefused, status)
}

// check refuses an answer that is not of the kind that was asked for.
func (q question) check(answer []byte) error {
	kind, name := byte('{'), "object"
	if q.list {
		kind, name = '[', "list"
	}
	if kindOf(answer) != kind || checkJSON(answer, DefaultDepth) != nil {
		return fmt.Errorf("%w: an answer that is not a JSON %s", ErrRefused, name)
	}
	return nil
}

func readAnswer(body io.Reader) ([]byte, error) {
	answer, err := io.ReadAll(io.LimitReader(body, answerLength+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrUnavailable, err)
	case len(answer) > answerLength:
		return nil, fmt.Errorf("%w: an answer of more than %d bytes", ErrRefused, answerLength)
	}
	return trimJSON(answer), nil
}
