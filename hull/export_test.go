package hull

import "net/http"

// Seams of the tests: fetching takes https and public addresses, which a test
// does not have.

func (v *Verifier) Transport() http.RoundTripper { return v.keys.client.Transport }

func (c *Client) SetTransport(t http.RoundTripper) { c.http = newHTTPClient(t) }

func (f *Firehose) SetTransport(t http.RoundTripper) { f.http = newHTTPClient(t) }
func (f *Firehose) Transport() http.RoundTripper     { return f.http.Transport }

var (
	IsPublic     = isPublic
	ErrNotPublic = errNotPublic
)

// StringToSign is what the signature of a message of Amazon SNS is of.
func (m *SNSMessage) StringToSign() string { return m.stringToSign() }

// SignedBy tells whether a message of Amazon SNS is signed by the key of a
// certificate, whenever that is valid.
func (m *SNSMessage) SignedBy(certificatePEM string) error {
	certificate, err := parseCertificate([]byte(certificatePEM))
	if err != nil {
		return err
	}
	s, err := m.signature()
	if err != nil {
		return err
	}
	return s.verify(certificate)
}

const (
	KeyEntries      = keyEntries
	KeyFetches      = keyFetches
	BreakerFailures = breakerFailures
	BreakerRest     = breakerRest
	LookupQueue     = lookupQueue
	NegativeEntries = negativeEntries
	BatchEntries    = batchEntries
	LaneRequests    = laneRequests
	FlushTime       = flushTime
)

func (c *Client) SetDownloadTransport(t http.RoundTripper) { c.downloads = newHTTPClient(t) }
func (c *Client) DownloadTransport() http.RoundTripper     { return c.downloads.Transport }
