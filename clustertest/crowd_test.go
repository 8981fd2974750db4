package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"hullbeam/internal/proctest"
)

const (
	connector = "c1"
	origin    = "https://page.test"
)

// crowd are the pages, and what they have lived through.
type crowd struct {
	addr     func() string // where a page connects
	silence  time.Duration // of the server, after which a page thinks it dead
	complain *complaints
	timeline atomic.Pointer[timeline] // nil: not written

	pages  []*page
	client *http.Client
	asking chan struct{} // tokens that are being asked for

	opens   atomic.Int64 // room.joined
	closed  atomic.Int64 // close
	kicks   atomic.Int64 // by the test
	lost    atomic.Int64 // ends of which nobody told
	refused atomic.Int64 // attempts that got no stream

	lastRefusal atomic.Pointer[string]
}

func newCrowd(addr func() string, silence time.Duration, complain *complaints) *crowd {
	return &crowd{
		addr: addr, silence: silence, complain: complain,
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
		asking: make(chan struct{}, 32),
	}
}

// populate makes users, and pages that follow them: each user has one, and the
// others go to the first fifth, who have several. A page claims one of its user's
// two anonymous ids, or both.
func (c *crowd) populate(users, pages int) []*user {
	all := make([]*user, users)
	for i := range all {
		id := fmt.Sprintf("user-%d", i)
		all[i] = &user{id: id, anonymous: []string{"phone-of-the-" + id, "laptop-of-the-" + id}}
	}
	for i := range pages {
		u := all[i%users]
		if i >= users {
			u = all[(i-users)%(users/5)]
		}
		claims := [][]string{u.anonymous[:1], u.anonymous[1:], u.anonymous}[rand.IntN(3)]
		c.pages = append(c.pages, &page{crowd: c, name: fmt.Sprintf("page %d", i), users: []*user{u}, claims: claims})
	}
	return all
}

// addMovers makes pages that follow one of the first users until one of the last
// ones, of whom nothing is known at first, turns out to be theirs.
func (c *crowd) addMovers(all []*user, newcomers int) {
	for i, better := range all[len(all)-newcomers:] {
		first := all[i]
		c.pages = append(c.pages, &page{crowd: c, name: fmt.Sprintf("mover %d", i), users: []*user{better, first},
			claims: []string{better.anonymous[0], first.anonymous[1]}})
	}
}

// addStrangers makes pages whose visitors nobody knows.
func (c *crowd) addStrangers(pages int) {
	for i := range pages {
		name := fmt.Sprintf("stranger-%d", i)
		c.pages = append(c.pages, &page{crowd: c, name: name, claims: []string{name + "-with-a-new-browser"}})
	}
}

// run holds the streams until ctx ends.
func (c *crowd) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range c.pages {
		all.Go(func() { p.run(ctx) })
	}
	all.Wait()
}

// behind are the pages that do not show the final state of their user.
func (c *crowd) behind() (pages []*page) {
	for _, p := range c.pages {
		if !p.current() {
			pages = append(pages, p)
		}
	}
	return pages
}

// catchUp waits until all pages are current, for so long at most.
func (c *crowd) catchUp(limit time.Duration) bool {
	return proctest.Within(limit, func() bool { return len(c.behind()) == 0 })
}

// closedStreams is how many pages have no stream.
func (c *crowd) closedStreams() int {
	n := 0
	for _, p := range c.pages {
		if !p.open.Load() {
			n++
		}
	}
	return n
}

// refusal is the last one.
func (c *crowd) refusal() string {
	if text := c.lastRefusal.Load(); text != nil {
		return *text
	}
	return "none"
}

// describe says of some pages how they are behind.
func describe(pages []*page) string {
	text, closed := "", 0
	for _, p := range pages {
		if !p.open.Load() {
			closed++
		}
	}
	for _, p := range pages[:min(3, len(pages))] {
		text += "; " + p.String()
	}
	return fmt.Sprintf("%d pages, %d of them without a stream%s", len(pages), closed, text)
}

// kick cuts the streams of some pages, every other of which opens it fresh. It
// returns those that it has met open.
func (c *crowd) kick(pages int) (kicked []*page) {
	for _, i := range rand.Perm(len(c.pages)) {
		if len(kicked) == pages {
			break
		}
		if p := c.pages[i]; p.kick(len(kicked)%2 == 0) {
			kicked = append(kicked, p)
			c.kicks.Add(1)
		}
	}
	return kicked
}

// fetchToken asks for a token as the snippet does.
func (c *crowd) fetchToken(ctx context.Context, anonymous []string) (string, error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	body, _ := json.Marshal(map[string]any{"claims": map[string]any{"anonymous_id": anonymous}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.addr()+"/api/v1/connectors/"+connector+"/token", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Content-Type", "text/plain")
	res, err := c.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return "", problemOf(res)
	}
	var answer struct{ Token string }
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Token, err
}

// problemOf is a refusal as an error.
func problemOf(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	return errors.Join(fmt.Errorf("%s: %.200s", res.Status, body), err)
}
