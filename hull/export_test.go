package hull

import "net/http"

// Seams of the tests: fetching takes https and public addresses, which a test
// does not have.

func (v *Verifier) SetTransport(t http.RoundTripper) { v.keys = newKeyStore(t, v.cfg.Now, v.cfg.Log) }
func (v *Verifier) Transport() http.RoundTripper     { return v.keys.client.Transport }

func (c *Client) SetTransport(t http.RoundTripper) { c.http = newHTTPClient(t) }

var (
	IsPublic     = isPublic
	ErrNotPublic = errNotPublic
)

const (
	KeyEntries      = keyEntries
	BreakerFailures = breakerFailures
	BreakerRest     = breakerRest
	LookupQueue     = lookupQueue
	NegativeEntries = negativeEntries
)
