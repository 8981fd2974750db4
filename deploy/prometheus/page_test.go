//go:build unix

package prometheus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"

	"hullbeam/hull/hulltest"
	"hullbeam/stream/streamtest"
)

// visit is what a page has after it asked for a token.
type visit struct {
	*node
	Token   string
	Visitor string
}

// page sends a page's request: a POST of JSON.
func (n *node) page(ctx context.Context, path string, body any) (status int, text string, err error) {
	return n.post(ctx, path, http.Header{"Origin": {"https://page.test"}}, body)
}

// operator sends an operator's request.
func (n *node) operator(ctx context.Context, method, path, key string, body any) (status int, text string, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return 0, "", err
	}
	return send(ctx, n.client, method, n.url()+path, http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}, encoded)
}

func (n *node) post(ctx context.Context, path string, header http.Header, body any) (status int, text string, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return 0, "", err
	}
	header.Set("Content-Type", "application/json")
	return send(ctx, n.client, http.MethodPost, n.url()+path, header, encoded)
}

// arrive asks for a token, and tells of a page view with it.
func (n *node) arrive(ctx context.Context, connector, anonymousID string) (*visit, error) {
	status, text, err := n.page(ctx, "/api/v1/connectors/"+connector+"/token", object{
		"claims": object{"anonymous_id": anonymousID},
		"page":   object{"url": "https://page.test/", "title": "A page", "tab": rand.Text(), "view": rand.Text()},
	})
	v := &visit{node: n}
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("a token is answered %d %s", status, text)
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), v)
	}
	return v, err
}

type object = map[string]any

// watch opens a stream, which is read until it ends or ctx does, and returns once
// the page was told of its user. The page says what becomes of its offers. last is
// the id of the event that was the last before; the one that has come is returned.
func (v *visit) watch(ctx context.Context, last string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url()+"/api/v1/stream?token="+url.QueryEscape(v.Token), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Last-Event-ID", last)
	res, err := v.client.Do(req)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return "", fmt.Errorf("a stream is answered %s", res.Status)
	}
	told := make(chan string, 1)
	go func() {
		defer res.Body.Close()
		for e, err := range streamtest.Read(res.Body) {
			if err != nil {
				return
			}
			switch e.Type {
			case "offer":
				v.answerOffer(ctx, e.Data)
			case "user.update", "user.error":
				select {
				case told <- e.ID:
				default: // it was told before
				}
			}
		}
	}()
	select {
	case id := <-told:
		return id, nil
	case <-time.After(time.Second): // it has its user's state already
		return last, nil
	}
}

func (v *visit) answerOffer(ctx context.Context, data string) {
	var offer struct{ ID string }
	if json.Unmarshal([]byte(data), &offer) != nil {
		return
	}
	for _, event := range []string{"seen", "clicked", "dismissed"} {
		v.page(ctx, "/api/v1/offers/"+offer.ID+"/receipt", object{"token": v.Token, "event": event})
	}
}

// view tells of another page view. extra is said beside what each says.
func (v *visit) view(ctx context.Context, extra object) (status int, text string, err error) {
	body := object{"token": v.Token, "url": "https://page.test/other", "title": "Another page", "tab": rand.Text(), "view": rand.Text()}
	maps.Copy(body, extra)
	return v.page(ctx, "/api/v1/pages", body)
}

// notify tells of a user as Hull does, with a signature by key.
func (n *node) notify(ctx context.Context, key *hulltest.Key, user object) (status int, text string, err error) {
	id := rand.Text()
	return n.post(ctx, "/smart-notifier", key.Headers(id, "https://"+organization+hulltest.KeyPath, time.Now()), object{
		"notification_id": id, "channel": "user:update",
		"configuration": object{"id": connector, "organization": organization, "secret": secret},
		"messages":      []object{{"user": user, "segments": []any{}, "events": []any{}}},
	})
}

// announce tells of an extract as Hull does.
func (n *node) announce(ctx context.Context, extract string) (status int, text string, err error) {
	return n.post(ctx, "/batch?"+credentials(), http.Header{}, object{"url": extract, "format": "json", "object_type": "user_report", "notification_id": rand.Text()})
}

func credentials() string {
	return url.Values{"ship": {connector}, "organization": {organization}, "secret": {secret}}.Encode()
}
