package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
)

// examination is one run: what is asked of the server, each once, and what came of it. The
// funcs ask when they are called first.
type examination struct {
	cfg    Config
	base   *url.URL
	client *http.Client

	running sync.WaitGroup // who reads streams

	arrival   func() arrival     // a request without a token, of the stream's route
	token     func() tokenAnswer // as a page asks for it
	live      func() live        // a stream's head, first events, and how it went on
	page      func() *page       // Config.Page
	diagnosis func() diagnosis   // what an operator is told
	cors      func() verdict     // of the check of that name
}

// check is one thing that can be wrong.
type check struct {
	name string // its heading in docs/doctor.md, too
	why  string // it matters
	// needs says what it cannot be looked at without; "": it can.
	needs func(*examination) string
	run   func(*examination, context.Context) verdict
}

// verdict is what came of a check.
type verdict struct {
	status       Status
	seen, change string
}

func ok(seen string, args ...any) verdict { return verdict{OK, fmt.Sprintf(seen, args...), ""} }

func warn(change, seen string, args ...any) verdict {
	return verdict{Warn, fmt.Sprintf(seen, args...), change}
}

func fail(change, seen string, args ...any) verdict {
	return verdict{Fail, fmt.Sprintf(seen, args...), change}
}

func unchecked(because string, args ...any) verdict {
	return verdict{Unchecked, fmt.Sprintf(because, args...), ""}
}

// Run looks at all there is. It returns within Config.Timeout, with what was found until
// then; the error is of the configuration alone.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	x := &examination{cfg: cfg, base: base, client: newClient(cfg)}
	defer func() {
		cancel()
		x.running.Wait()
		x.client.CloseIdleConnections()
	}()
	x.arrival = sync.OnceValue(func() arrival { return x.arrive(ctx) })
	x.token = sync.OnceValue(func() tokenAnswer { return x.askToken(ctx) })
	x.live = sync.OnceValue(func() live { return x.watch(ctx) })
	x.page = sync.OnceValue(func() *page { return x.fetchPage(ctx) })
	x.diagnosis = sync.OnceValue(func() diagnosis { return x.askDiagnosis(ctx) })
	x.cors = sync.OnceValue(func() verdict { return x.checkCORS(ctx) })
	return x.report(ctx), nil
}

// report runs all checks beside each other.
func (x *examination) report(ctx context.Context) *Report {
	r := &Report{URL: x.cfg.URL, Connector: x.cfg.Connector, Results: make([]Result, len(checks))}
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() { r.Results[i] = x.result(ctx, c) })
	}
	running.Wait()
	return r
}

func (x *examination) result(ctx context.Context, c check) Result {
	v := verdict{status: Unchecked}
	if v.seen = c.needs(x); v.seen == "" {
		v = c.run(x, ctx)
	}
	if ctx.Err() != nil && v.status != OK {
		v = unchecked("the time was over (--timeout)")
	}
	r := Result{Check: c.name, Status: v.status, Seen: v.seen}
	if r.IsFinding() {
		r.Why, r.Change, r.Docs = c.why, v.change, x.cfg.URL+"/docs/doctor#"+c.name
	}
	return r
}

// What checks need.

func nothing(*examination) string { return "" }

// aPage is Config.Page.
func aPage(x *examination) string {
	if x.cfg.Page == "" {
		return "give --page, the address of a page that has the snippet"
	}
	return ""
}

// theServer answers, and is Hullbeam.
func theServer(x *examination) string {
	if a := x.arrival(); a.verdict.status != OK {
		return "the server is not reached"
	}
	return ""
}

// aConnector is named.
func aConnector(x *examination) string {
	if missing := theServer(x); missing != "" {
		return missing
	}
	if x.cfg.Connector == "" {
		return "give --connector, the connector's id"
	}
	return ""
}

// aToken was given.
func aToken(x *examination) string {
	if missing := aConnector(x); missing != "" {
		return missing
	}
	if !x.token().given() {
		return "there is no token to ask with"
	}
	return ""
}

// aStream is open and tells its first events.
func aStream(x *examination) string {
	if missing := aToken(x); missing != "" {
		return missing
	}
	if !x.live().begins() {
		return "no stream tells its first events"
	}
	return ""
}

// aKey lets ask how the request has arrived.
func aKey(x *examination) string {
	switch missing := theServer(x); {
	case missing != "":
		return missing
	case x.cfg.AdminKey == "":
		return "give an operators' key (HULLBEAM_ADMIN_KEY, --admin-key-file)"
	}
	return x.diagnosis().failed
}

// aConnectorAndKey are given.
func aConnectorAndKey(x *examination) string {
	if missing := aConnector(x); missing != "" {
		return missing
	}
	return aKey(x)
}
