package bench

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// guest is a visitor who tells of page views without a stream.
type guest struct{ token, visitor string }

// guests asks for the tokens of so many visitors, over some connections.
func (s *session) guests(ctx context.Context, count, connections int) ([]guest, error) {
	all := make([]guest, count)
	var asked atomic.Int64
	return all, s.share(ctx, connections, count, func(c *client, i int) error {
		a, err := c.do(ctx, s.server.tokenRequest(0, s.visitor(i)))
		if err != nil {
			return err
		}
		all[i] = guest{member(a.body, "token"), member(a.body, "visitor")}
		if a.status != 201 || all[i].token == "" || all[i].visitor == "" {
			if a.status == 429 {
				s.engine.limit(limitKeys("token", a.status))
			}
			return fmt.Errorf("no token: %d %s", a.status, member(a.body, "code"))
		}
		s.progress.say("%d of %d visitors have a token", asked.Add(1), count)
		return nil
	})
}

// share does what has numbers below count over so many connections, each the next when
// it is done with one. It ends with the first error.
func (s *session) share(ctx context.Context, connections, count int, do func(c *client, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			c := s.server.client(0)
			defer c.close()
			for i := int(next.Add(1)) - 1; i < count && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(c, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// told is a page view as a page tells of it.
type told struct{ token, view, tab, path, title, referrer, localTime string }

func (s *server) viewRequest(index int, v *told) []byte {
	base := s.origin
	return s.post(index, "/api/v1/pages", "Origin: "+base+"\r\n", []byte(`{"token":"`+v.token+`","view":"`+v.view+`","tab":"`+v.tab+
		`","url":"`+base+v.path+`","title":"`+v.title+`","referrer":"`+base+v.referrer+`","local_time":"`+v.localTime+`"}`))
}

// tell tells of a page view, and reports whether it was taken.
func (s *session) tell(ctx context.Context, c *client, v *told) (taken bool, err error) {
	a, err := c.do(ctx, s.server.viewRequest(0, v))
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		s.engine.note("telling of a view: " + err.Error())
	case a.status == 202:
		return true, nil
	case a.status == 401 || a.status == 403 || a.status == 404:
		return false, fmt.Errorf("the server answers %d to a page view", a.status)
	default:
		if a.status == 429 {
			s.engine.limit("limits.pages_per_visitor")
		}
		s.engine.note(strings.TrimSpace(fmt.Sprintf("page view %d %s", a.status, member(a.body, "code"))))
	}
	return false, nil
}

// operatorRequest reads something of the connector, as an operator.
func (s *session) operatorRequest(index int, path, headers string) []byte {
	n := s.server.node(index)
	return []byte("GET " + n.prefix + "/api/v1/connectors/" + s.server.connector + path + " HTTP/1.1\r\nHost: " + n.host +
		"\r\n" + s.operatorHeader() + headers + "\r\n")
}

// read reads something of the connector, and how long that took.
func (s *session) read(ctx context.Context, c *client, path string) (body []byte, took int64, err error) {
	began := clock()
	a, err := c.do(ctx, s.operatorRequest(0, path, ""))
	if err == nil && a.status != 200 {
		err = fmt.Errorf("the server answers %d %s to %s", a.status, member(a.body, "code"), path)
	}
	return a.body, clock() - began, err
}

func pagesPath(visitor, query string) string {
	return "/visitors/" + url.PathEscape(visitor) + "/pages" + query
}
