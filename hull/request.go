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

	"github.com/sony/gobreaker/v2"
)

const (
	answerLength = 1 << 20 // bytes of an answer that are read
	attempts     = 3       // of a request, which are all GET
)

// ErrTimeout comes with ErrUnavailable when Hull did not answer in time. In
// errors the cause is text only: a time-out of ours must not be taken for the end
// of the caller's ctx.
var ErrTimeout = errors.New("no answer in time")

// get asks Hull until there is an answer, at most three times and within ctx.
// accessToken is made anew for each attempt.
func (c *Client) get(ctx context.Context, credentials Credentials, path string, accessToken func() string) ([]byte, error) {
	target := c.url(credentials, path)
	breaker := c.breakers.of(target.Host)
	for attempt := 1; ; attempt++ {
		answer, err := breaker.Execute(func() ([]byte, error) {
			return c.attempt(ctx, credentials, target.String(), accessToken())
		})
		switch {
		case errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests):
			return nil, fmt.Errorf("%w: %s has failed too often", ErrUnavailable, target.Host)
		case err == nil || !errors.Is(err, ErrUnavailable) || attempt == attempts || !pause(ctx, attempt):
			return answer, err
		}
	}
}

// pause waits before another attempt, so that those who failed together do not
// come back together. It reports whether ctx leaves time for one.
func pause(ctx context.Context, attempt int) bool {
	wait := time.Duration(attempt)*100*time.Millisecond + rand.N(200*time.Millisecond)
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
	base := &url.URL{Scheme: "https", Host: strings.ToLower(credentials.Organization)}
	if c.cfg.APIURL != "" {
		base, _ = url.Parse(c.cfg.APIURL)
	}
	if strings.Trim(base.Path, "/") == "" {
		base.Path = "/api/v1/"
	}
	return base.JoinPath(path)
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
	request.Header.Set("Content-Type", "application/json") // Hull's clients send it with GET too
	request.Header.Set("User-Agent", "Hullbeam/"+c.cfg.Version)
	request.Header.Set("Hull-App-Id", credentials.ConnectorID)
	request.Header.Set("Hull-Access-Token", accessToken)
	request.Header.Set("Hull-Organization", credentials.Organization)
	response, err := c.http.Do(request)
	switch {
	case errors.Is(err, errNotPublic):
		return nil, fmt.Errorf("%w: %v", ErrRefused, withoutURL(err))
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ErrTimeout)
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrUnavailable, withoutURL(err))
	}
	defer response.Body.Close()
	if err := statusError(response.StatusCode); err != nil {
		return nil, err
	}
	return readAnswer(response.Body)
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

// readAnswer reads a JSON object.
func readAnswer(body io.Reader) ([]byte, error) {
	answer, err := io.ReadAll(io.LimitReader(body, answerLength+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrUnavailable, err)
	case len(answer) > answerLength:
		return nil, fmt.Errorf("%w: an answer of more than %d bytes", ErrRefused, answerLength)
	}
	answer = trimJSON(answer)
	if kindOf(answer) != '{' || checkJSON(answer, DefaultDepth) != nil {
		return nil, fmt.Errorf("%w: an answer that is not a JSON object", ErrRefused)
	}
	return answer, nil
}
