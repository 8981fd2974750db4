//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hullbeam/doctor"
	"hullbeam/internal/proctest"
	"hullbeam/store/storetest"
)

// doctored is a node for the doctor, in production mode.
type doctored struct {
	*process
	address string // http://, of the node itself
	config  string // the file
}

const (
	doctorKey     = "an admin key for the doctor's tests"
	doctorOrigin  = "https://page.test"
	doctorVisitor = "a-visitor-of-the-doctor-01"
	doctorSecret  = "an identity secret of the doctor's"
)

// startDoctored starts a node that pages know by publicURL ("": by its own address), with
// more flags. shell: startProcessWith.
func startDoctored(t *testing.T, shell, publicURL string, args ...string) *doctored {
	t.Helper()
	dir, addr := t.TempDir(), proctest.FreeAddr(t)
	if publicURL == "" {
		publicURL = "http://" + addr
	}
	text := fmt.Sprintf(`
secret: [a secret of more than thirty-two characters]
admin_key: [%s]
trusted_proxies: [127.0.0.1]
stream: {heartbeat: 1s, drain: 0s}
connectors:
  - id: c
    private_settings: {whitelisted_domains: [page.test], public_traits: [plan], identity_secret: %s}
`, doctorKey, doctorSecret)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--listen", addr, "--public-url", publicURL}, args...)
	d := &doctored{startProcessWith(t, shell, dir, args...), "http://" + addr, filepath.Join(dir, "config.yaml")}
	d.put(t)
	return d
}

// put puts the visitor in.
func (d *doctored) put(t *testing.T) {
	t.Helper()
	body := `{"user":{"id":"u","anonymous_ids":["` + doctorVisitor + `"],"plan":"pro"}}`
	req, err := http.NewRequestWithContext(t.Context(), "POST", d.address+"/api/v1/connectors/c/users", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+doctorKey)
	ready := proctest.Within(30*time.Second, func() bool {
		req.Body = io.NopCloser(strings.NewReader(body))
		res, err := http.DefaultClient.Do(req)
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusAccepted
	})
	if !ready {
		t.Fatalf("the node takes no user:\n%s", d.err)
	}
}

// held is how long what never comes is waited for.
const held = 6 * time.Second

// patient is an installation that is looked at, and the checks that are to find something.
type patient struct {
	name   string
	change func(*doctor.Config)
	want   []string
}

// examineAll looks at many at once, since most of it is waiting, and checks what was found.
func examineAll(t *testing.T, patients ...patient) map[string]*doctor.Report {
	t.Helper()
	reports := make([]*doctor.Report, len(patients))
	var examining sync.WaitGroup
	places := make(chan struct{}, 12)
	for i, p := range patients {
		examining.Go(func() {
			places <- struct{}{}
			reports[i] = examine(t, p.change)
			<-places
		})
	}
	examining.Wait()
	byName := map[string]*doctor.Report{}
	for i, p := range patients {
		byName[p.name] = reports[i]
		t.Run(p.name, func(t *testing.T) { finds(t, reports[i], p.want...) })
	}
	return byName
}

// examine is what a doctor finds who has all that he can be given.
func examine(t *testing.T, change func(*doctor.Config)) *doctor.Report {
	t.Helper()
	cfg := doctor.DefaultConfig()
	cfg.Connector, cfg.Origin, cfg.AnonymousID, cfg.AdminKey = "c", doctorOrigin, doctorVisitor, doctorKey
	cfg.Patience = 30 * time.Second
	change(&cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	report, err := doctor.Run(ctx, cfg)
	if err != nil {
		t.Error(err)
		return &doctor.Report{}
	}
	return report
}

// finds checks that just these checks have found something, each with a line to change, a
// reason, and a section in the documents; and that nothing secret is told.
func finds(t *testing.T, report *doctor.Report, want ...string) {
	t.Helper()
	var got []string
	for _, f := range report.Findings() {
		got = append(got, f.Check)
		if f.Why == "" || f.Change == "" || f.Seen == "" || !strings.HasSuffix(f.Docs, "/docs/doctor#"+f.Check) {
			t.Errorf("%s does not say all: %+v", f.Check, f)
		}
		t.Logf("%-45s → %-14s %s | %s", strings.TrimPrefix(t.Name(), "TestDoctor"), f.Check, f.Seen, f.Change)
	}
	var text, asJSON bytes.Buffer
	if err := report.WriteText(&text, true); err != nil {
		t.Error(err)
	}
	if err := report.WriteJSON(&asJSON); err != nil {
		t.Error(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s\n%s", diff, text.String())
	}
	if said := text.String() + asJSON.String(); strings.Contains(said, doctorKey) || strings.Contains(said, "eyJ") {
		t.Errorf("a key or a token is told:\n%s", said)
	}
}

// results are those with a status.
func results(report *doctor.Report, status doctor.Status) (names []string) {
	for _, r := range report.Results {
		if r.Status == status {
			names = append(names, r.Check)
		}
	}
	return names
}

// A node behind a proxy that does one thing wrong: just that is found. Pages know it by the
// proxy's address, and the fault is the first part of the path.
func TestDoctorProxies(t *testing.T) {
	t.Parallel()
	front := newFront(t)
	node := startDoctored(t, "", front.url)
	front.to(t, node.address)

	faults := map[string][]string{
		"healthy":                       nil,
		"holds_answers_back":            {"buffering"},
		"holds_events_back":             {"buffering"},
		"compresses_streams":            {"compression"},
		"compresses_scripts_again":      {"snippet"},
		"cuts_what_is_idle":             {"idle"},
		"takes_cors_away":               {"cors"},
		"adds_cors_again":               {"cors"},
		"adds_cors_of_another_page":     {"cors"},
		"answers_preflights_itself":     {"preflight"},
		"takes_origin_away":             {"origin"},
		"takes_the_query_away":          {"query"},
		"takes_last_event_id_away":      {"resume"},
		"takes_4_KiB_lines":             {"request_line"},
		"has_another_clock":             {"clock"},
		"does_not_forward_the_address":  {"forwarded"},
		"forwards_what_the_client_says": {"forwarded"},
		"speaks_another_protocol":       {"protocol"},
		"blocks_streams":                {"stream"},
		"allows_scripts_on_its_own":     {"snippet"},
	}
	var patients []patient
	for fault, want := range faults {
		patients = append(patients, patient{fault, func(c *doctor.Config) {
			if c.URL = front.url + "/" + fault; strings.HasPrefix(fault, "holds") {
				c.Patience = held
			}
		}, want})
	}
	claims := claimFlags{externalID: "4711"}
	expired, err := claims.sign(doctorSecret, "", -time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	healthy := func(change func(*doctor.Config)) func(*doctor.Config) {
		return func(c *doctor.Config) {
			change(c)
			c.URL = front.url + "/healthy"
		}
	}
	patients = append(patients,
		patient{"asked at another address", func(c *doctor.Config) { c.URL = node.address }, []string{"address"}},
		patient{"an unknown connector", healthy(func(c *doctor.Config) { c.Connector = "another" }), []string{"connector"}},
		patient{"a page of another site", healthy(func(c *doctor.Config) { c.Origin = "https://other.test" }), []string{"origin"}},
		patient{"a proof that has expired", healthy(func(c *doctor.Config) { c.IdentityToken = expired }), []string{"token"}},
		patient{"without a connector and a key", healthy(func(c *doctor.Config) { *c = doctor.DefaultConfig() }), nil},
	)
	reports := examineAll(t, append(patients, doctorPages(front, healthy)...)...)

	if found := reports["a proof that has expired"].Findings(); len(found) == 1 && !strings.Contains(found[0].Seen, "has expired 1h") {
		t.Errorf("got %s", found[0].Seen)
	}
	left := results(reports["without a connector and a key"], doctor.Unchecked)
	if !slices.Contains(left, "buffering") || !slices.Contains(left, "forwarded") {
		t.Errorf("not checked: %v", left)
	}
}

// doctorPages are pages that differ in their policies and snippets.
func doctorPages(front *front, healthy func(func(*doctor.Config)) func(*doctor.Config)) (patients []patient) {
	host := front.url
	tag := `<script async src="` + host + `/healthy/ship.js" data-hull-id="c"></script>`
	for name, row := range map[string]struct {
		policy, html string
		want         []string
	}{
		"no policy":                        {"", tag, nil},
		"a policy that names us":           {"default-src 'self'; script-src 'self' " + host + "; connect-src " + host, tag, nil},
		"scripts of its own":               {"script-src 'self'; connect-src *", tag, []string{"csp"}},
		"asks only itself":                 {"default-src 'self'; script-src " + host, tag, []string{"csp"}},
		"in a meta element":                {"", `<meta http-equiv="content-security-policy" content="default-src 'none'">` + tag, []string{"csp"}},
		"strict-dynamic, and no nonce":     {"script-src 'strict-dynamic' 'nonce-n' " + host, tag, []string{"csp"}},
		"strict-dynamic, and its nonce":    {"script-src 'strict-dynamic' 'nonce-n'", strings.Replace(tag, "async", `nonce="n"`, 1), nil},
		"its nonce, not for its script":    {"script-src 'nonce-n'", strings.Replace(tag, "async", `nonce="n"`, 1), []string{"csp"}},
		"two policies, one of them strict": {"script-src *, connect-src 'none'", tag, []string{"csp"}},
		"no snippet":                       {"", "<p>nothing", []string{"page"}},
		"another connector's":              {"", strings.Replace(tag, `"c"`, `"d"`, 1), []string{"page"}},
		"another server's":                 {"", strings.ReplaceAll(tag, host, "https://elsewhere.test"), []string{"page"}},
	} {
		site := front.page(name, row.policy, row.html)
		patients = append(patients, patient{"a page: " + name, healthy(func(c *doctor.Config) {
			if c.Page = site; name != "another connector's" { // what needs none is quick
				c.Connector, c.AdminKey = "", ""
			}
		}), row.want})
	}
	return patients
}

// A node that is set up wrong, or on a machine that is.
func TestDoctorNodes(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		shell string
		args  []string
		want  []string
	}{
		"believes notifications unsigned":  {"", []string{"--hull.verify-signatures=false"}, []string{"signatures"}},
		"believes who somebody says to be": {"", []string{"--identity.verification", "off"}, []string{"identity"}},
		"may have 1024 descriptors":        {`ulimit -n 1024; exec "$0" "$@"`, nil, []string{"descriptors"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := startDoctored(t, row.shell, "", row.args...)
			finds(t, examine(t, func(c *doctor.Config) { c.URL = node.address }), row.want...)
		})
	}
	t.Run("does not know its proxy", func(t *testing.T) {
		t.Parallel()
		front := newFront(t)
		node := startDoctored(t, "", front.url, "--trusted-proxies", "10.0.0.1")
		front.to(t, node.address)
		finds(t, examine(t, func(c *doctor.Config) { c.URL = front.url + "/healthy" }), "forwarded")
	})
	t.Run("whose Redis is stopped", func(t *testing.T) {
		t.Parallel()
		redis := storetest.Redis(t)
		node := startDoctored(t, "", "", "--redis-url", redis.URL(), "--redis.timeout", "200ms")
		finds(t, examine(t, func(c *doctor.Config) { c.URL = node.address }))
		redis.Kill()
		if !proctest.Within(30*time.Second, func() bool { status, _ := node.ask("GET", "/readyz", "", ""); return status != 200 }) {
			t.Fatal("it is ready without Redis")
		}
		finds(t, examine(t, func(c *doctor.Config) { c.URL = node.address }), "ready")
	})
}

// docs/doctor.md has a row and a section for each check, where findings lead to.
func TestDoctorDocument(t *testing.T) {
	const file = "docs/doctor.md"
	var rows, sections []string
	for cell := range tableRows(t, file, "Check") {
		rows = append(rows, submatches(cell, "`([a-z0-9_]+)`")...)
	}
	sections = append(sections, submatches(proctest.ReadFile(t, file), `(?m)^## ([a-z0-9_]+)$`)...)
	same(t, file+", the table, and the checks", rows, doctor.Checks())
	same(t, file+", the sections, and the checks", sections, doctor.Checks())
}
