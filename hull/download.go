package hull

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// extractURLLength has room for the longest that S3 signs.
	extractURLLength = 8 << 10
	// extractStart bounds the time to the first byte of an extract: Hull gives up
	// after 25 s (docs/hull-protocol.md 2.10).
	extractStart = 15 * time.Second
)

// ErrExtractTooLarge is said by what Client.Extract returns, once it has been read up
// to ExtractBytes and there is more.
var ErrExtractTooLarge = errors.New("the extract is larger than hull.extract_bytes")

// Extract begins to download an extract from a URL that a request names: over https,
// from ExtractHosts, at public addresses; or from the very host of APIURL, which the
// operator has set. No redirect is followed.
//
// It returns when the first bytes are there, or with ErrUntrustedExtractURL or
// ErrExtractUnreachable, with nothing of the URL's path and query in them. What it
// returns reads what the extract says, unpacked, until ctx ends; the caller closes it.
func (c *Client) Extract(ctx context.Context, rawURL string) (io.ReadCloser, error) {
	client := c.extractClient(rawURL)
	if client == nil {
		return nil, ErrUntrustedExtractURL
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(extractStart, func() { cancel(ErrTimeout) })
	d, err := c.download(ctx, client, rawURL)
	if err == nil && !late.Stop() {
		d.body.Close()
		err = ErrTimeout
	}
	if err != nil {
		late.Stop()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		return nil, fmt.Errorf("%w: %v", ErrExtractUnreachable, withoutURL(err))
	}
	d.cancel = cancel
	return d, nil
}

// extractClient is what fetches from a URL; nil: nothing may.
func (c *Client) extractClient(raw string) *http.Client {
	if trustedURL(raw, extractURLLength, c.cfg.ExtractHosts) {
		return c.downloads
	}
	u, err := url.Parse(raw)
	api, _ := url.Parse(c.cfg.APIURL) // Validate has read it
	if err == nil && c.cfg.APIURL != "" && u.User == nil && u.Scheme == api.Scheme && strings.EqualFold(u.Host, api.Host) {
		return c.http
	}
	return nil
}

// download asks for an extract, and waits for its first bytes.
func (c *Client) download(ctx context.Context, client *http.Client, rawURL string) (*download, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Hullbeam/"+c.cfg.Version)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	d := &download{left: c.cfg.ExtractBytes, body: response.Body, reader: bufio.NewReader(response.Body)}
	if err = d.begin(response); err != nil {
		response.Body.Close()
		return nil, err
	}
	return d, nil
}

func (d *download) begin(response *http.Response) error {
	encoding := response.Header.Get("Content-Encoding") // gzip has been undone
	switch {
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", response.StatusCode)
	case encoding != "" && encoding != "identity":
		return errors.New("an encoding that is not gzip")
	case response.ContentLength > d.left:
		return ErrExtractTooLarge
	}
	if _, err := d.reader.Peek(1); err != io.EOF { // one without users is none the worse
		return err
	}
	return nil
}

// download is a body of which only so much is read.
type download struct {
	body   io.ReadCloser
	reader *bufio.Reader // of body
	left   int64
	cancel context.CancelCauseFunc
}

func (d *download) Read(p []byte) (n int, err error) {
	if int64(len(p)) > d.left+1 {
		p = p[:d.left+1]
	}
	n, err = d.reader.Read(p)
	if int64(n) > d.left {
		return int(d.left), ErrExtractTooLarge
	}
	d.left -= int64(n)
	return n, err
}

// Close ends the download, wherever it is.
func (d *download) Close() error {
	d.cancel(nil)
	return d.body.Close()
}
