package hull

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Status is how a connector is doing, as Hull's dashboard shows it.
type Status struct {
	Status   Severity `json:"status"`
	Messages []string `json:"messages"`
}

// Severity is how bad it is.
type Severity string

// The severities that Hull knows (docs/hull-protocol.md 7.4), the worst last.
const (
	SeverityOK      Severity = "ok"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
	SeveritySetup   Severity = "setupRequired" // it is the customer's turn
)

// PutStatus tells Hull how a connector is doing. It asks once, and blocks until Hull
// has answered, until LookupTimeout or until ctx ends. Errors wrap those that
// UserReport has, and tell no secret.
func (c *Client) PutStatus(ctx context.Context, credentials Credentials, status Status) error {
	if err := credentials.check(c.cfg.APIURL != ""); err != nil {
		return err
	}
	body, err := json.Marshal(status)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LookupTimeout)
	defer cancel()
	if err := c.enter(ctx, c.connectors); err != nil {
		return err
	}
	defer c.connectors.leave()
	target := c.url(credentials, url.PathEscape(credentials.ConnectorID)+"/status")
	began := time.Now()
	_, err = c.breakers.do(target.Host, func() ([]byte, error) {
		return nil, c.put(ctx, credentials, target.String(), body)
	})
	c.metrics.count(callStatus, began, err)
	return err
}

// put sends what Hull's answer to is of no use.
func (c *Client) put(ctx context.Context, credentials Credentials, target string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: the organization makes no URL", ErrRefused)
	}
	setHeaders(request, credentials, credentials.Secret, c.cfg.Version)
	response, err := c.http.Do(request)
	if err != nil {
		return requestError(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusCreated || response.StatusCode == http.StatusNoContent {
		return nil
	}
	return statusError(response.StatusCode)
}
