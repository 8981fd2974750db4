package hull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firehoseTimeout  = 10 * time.Second       // of one request, Hull's clients'
	firehosePause    = 500 * time.Millisecond // before the second try; then twice as long each time,
	firehoseLongest  = 15 * time.Second       // up to this
	firehoseWarnEach = 10 * time.Minute       // a connector
	firehoseWarned   = 1000                   // connectors whose warnings are remembered
)

// deliver sends a batch until Hull takes or refuses it, its first entry is too old,
// all of it is forgotten, or ctx ends. It returns what became of its entries.
func (f *Firehose) deliver(ctx context.Context, b *firehoseBatch) (result string) {
	tries, cancel := context.WithDeadline(ctx, b.entries[0].since.Add(f.cfg.MaxAge))
	defer cancel()
	for pause := firehosePause; ; pause = min(2*pause, firehoseLongest) {
		if !f.next(b) {
			return droppedForgotten
		}
		err := f.try(tries, b)
		switch {
		case err == nil:
			f.told(b.credentials.ConnectorID, nil)
			return entrySent
		case errors.Is(err, ErrRefused) || errors.Is(err, ErrNotFound):
			f.warn(b, err)
			return droppedRefused
		case sleep(tries, pause/2+rand.N(pause)):
		case ctx.Err() != nil:
			return droppedStopped
		default:
			f.warn(b, err)
			return droppedFailed
		}
	}
}

// try sends a batch once, unless Hull has failed so often for the organization that
// it is left alone. Organizations share a host, so the host says less.
func (f *Firehose) try(ctx context.Context, b *firehoseBatch) error {
	if err := b.credentials.check(f.cfg.URL != ""); err != nil {
		return err
	}
	target, err := f.target(b.credentials.Organization)
	if err != nil {
		return err
	}
	_, err = f.breakers.do(b.credentials.Organization, func() ([]byte, error) {
		err := f.post(ctx, target, b)
		f.metrics.requests.WithLabelValues(requestResult(err)).Inc()
		return nil, err
	})
	return err
}

func requestResult(err error) string {
	switch {
	case err == nil:
		return "taken"
	case errors.Is(err, ErrRefused) || errors.Is(err, ErrNotFound):
		return "refused"
	}
	return "failed"
}

func (f *Firehose) post(ctx context.Context, target string, b *firehoseBatch) error {
	ctx, cancel := context.WithTimeout(ctx, firehoseTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(b.encode(time.Now())))
	if err != nil {
		return fmt.Errorf("%w: the organization makes no URL", ErrRefused)
	}
	setHeaders(request, b.credentials, b.credentials.Secret, f.cfg.Version)
	response, err := f.http.Do(request)
	if err != nil {
		return requestError(err)
	}
	defer response.Body.Close()
	io.CopyN(io.Discard, response.Body, answerLength) // so that the connection can be used again
	if response.StatusCode/100 == 2 {
		return nil
	}
	return statusError(response.StatusCode)
}

// firehoseItem is an entry as Hull reads it.
type firehoseItem struct {
	Type      string        `json:"type"`
	Body      any           `json:"body"`
	RequestID string        `json:"requestId,omitempty"`
	Timestamp string        `json:"timestamp"`
	Headers   accessHeaders `json:"headers"`
}

// accessHeaders are the headers that an entry would have as a request of its own.
type accessHeaders struct {
	AccessToken string `json:"Hull-Access-Token"`
}

// encode makes the body of a request that leaves now.
func (b *firehoseBatch) encode(now time.Time) []byte {
	body := struct {
		Batch     []firehoseItem `json:"batch"`
		Timestamp string         `json:"timestamp"`
		SentAt    string         `json:"sentAt"`
	}{nil, firehoseTime(now), firehoseTime(now)}
	for _, e := range b.entries {
		options := TokenOptions{Create: new(true), Active: new(true)}
		token := AccessToken(b.credentials, e.about.Claims, options, e.about.At)
		body.Batch = append(body.Batch, firehoseItem{
			e.kind, e.body, e.about.RequestID, firehoseTime(e.about.At), accessHeaders{token},
		})
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // as JSON.stringify
	if err := encoder.Encode(body); err != nil {
		panic(err) // properties and traits are what JSON has
	}
	return text.Bytes()
}

func firehoseTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// warn says that entries were dropped, and logs it once in a while for each connector.
func (f *Firehose) warn(b *firehoseBatch, err error) {
	f.told(b.credentials.ConnectorID, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	id, now := b.credentials.ConnectorID, time.Now()
	if last, ok := f.warned[id]; ok && now.Sub(last) < firehoseWarnEach {
		return
	}
	if len(f.warned) >= firehoseWarned {
		clear(f.warned)
	}
	f.warned[id] = now
	f.cfg.Log.Warn("page views are not taken by Hull and dropped", "connector", id, "error", err)
}
