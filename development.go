package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

// development is what development mode makes for itself and keeps in data_dir,
// so that a restart changes nothing: secrets, and the key of a pretend Hull.
type development struct {
	Secret          string `json:"secret"`
	AdminKey        string `json:"admin_key"`
	ConnectorSecret string `json:"connector_secret"`
	HullKey         string `json:"hull_key"` // PEM

	key      *hulltest.Key
	hull     *hulltest.Server // nil: only the keys were read
	listener net.Listener     // hull's

	operators http.Handler // their routes
}

// The connector of development mode.
const (
	demoConnector    = "demo"
	demoOrganization = "demo.hullapp.io"
	demoUser         = "demo-user"
	demoVisitor      = "demo-visitor-0001"                  // demoUser's
	demoKeyURL       = "https://demo.hullapp.io/public-key" // never fetched: the key is pinned
	developmentFile  = "development.json"
)

// prepareDevelopment completes cfg for development mode.
func prepareDevelopment(cfg *Config) (*development, error) {
	d, err := readDevelopment(cfg.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		d, err = makeDevelopment(cfg.DataDir)
	}
	if err != nil {
		return nil, err
	}
	cfg.Secret = []string{d.Secret}
	cfg.AdminKey = append(cfg.AdminKey, d.AdminKey)
	if cfg.Hull.SignatureMaxAge == hull.DefaultVerifyConfig().SignatureMaxAge {
		cfg.Hull.SignatureMaxAge = 24 * time.Hour // the printed curl line stays good for a day
	}
	cfg.Hull.PublicKeys = append(cfg.Hull.PublicKeys, d.key.PublicPEM())
	connector := Connector{
		ID: demoConnector, Organization: demoOrganization, Secret: d.ConnectorSecret,
		Settings: map[string]any{"script": ""},
		PrivateSettings: map[string]any{
			"whitelisted_domains": []string{"localhost", "127.0.0.1"},
			"public_traits":       []string{"name", "plan", "points", "invite_url", "account.name"},
			"public_segments":     []string{"vip", "cart"},
			"public_events":       []string{"Signed Up", "Viewed Pricing"},
			"identity_secret":     d.identitySecret(),
		},
	}
	cfg.Connectors = append(cfg.Connectors, connector)
	if err := d.startHull(connector); err != nil {
		return nil, err
	}
	if cfg.Hull.APIURL == "" {
		cfg.Hull.APIURL = d.hullURL()
	}
	return d, nil
}

// startHull makes a pretend Hull that has the connector and some people, on a port of
// its own at this machine.
func (d *development) startHull(c Connector) (err error) {
	if d.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("the pretend Hull: %w", err)
	}
	d.hull = hulltest.NewServer(d.key)
	d.hull.ServedAt(d.hullURL())
	app, err := json.Marshal(map[string]any{
		"id": c.ID, "name": "Hullbeam", "type": "ship", "settings": c.Settings, "private_settings": c.PrivateSettings,
		"updated_at": "2026-01-01T00:00:00Z", // what was changed before a restart is newer, and stays
	})
	if err != nil {
		return err
	}
	d.hull.PutConnector(hull.Credentials{ConnectorID: c.ID, Organization: c.Organization, Secret: c.Secret}, app)
	for id, person := range demoPeople {
		if err := d.hull.PutUser(id, person); err != nil {
			return err
		}
	}
	return nil
}

func (d *development) hullURL() string { return "http://" + d.listener.Addr().String() }

// demoPeople are whom the pretend Hull knows, by their ids.
var demoPeople = map[string]hulltest.Change{
	demoUser: {
		User:    map[string]any{"anonymous_ids": []string{demoVisitor}, "name": "Ada", "email": "ada@example.com", "plan": "free", "points": 80, "invite_url": "/demo/pricing.html?from=ada"},
		Account: map[string]any{"name": "Engines Ltd"},
	},
	"demo-user-2": {
		User:    map[string]any{"anonymous_ids": []string{"demo-visitor-0002"}, "name": "Grace", "email": "grace@example.com", "external_id": "4711", "plan": "pro", "points": 240},
		Account: map[string]any{"name": "Compilers Inc"}, Enter: []string{"vip"},
	},
	"demo-user-3": {
		User: map[string]any{"anonymous_ids": []string{"demo-visitor-0003"}, "name": "Linus", "email": "linus@example.com", "plan": "free", "points": 10},
	},
}

// readDevelopment reads what an earlier start has made.
func readDevelopment(dir string) (*development, error) {
	name := filepath.Join(dir, developmentFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the development keys: %w", err)
	}
	if info, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("reading the development keys: %w", err)
	} else if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others can read it (%v): delete it for new keys, or chmod 600 if nobody has", name, info.Mode().Perm())
	}
	d := &development{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("reading %s: %w; delete it for new keys", filepath.Join(dir, developmentFile), err)
	}
	if d.key, err = hulltest.ParseKey([]byte(d.HullKey)); err != nil {
		return nil, fmt.Errorf("reading %s: hull_key: %w", filepath.Join(dir, developmentFile), err)
	}
	return d, nil
}

func makeDevelopment(dir string) (*development, error) {
	key, err := hulltest.NewKey()
	if err != nil {
		return nil, err
	}
	d := &development{
		Secret: rand.Text() + rand.Text(), AdminKey: "hb_" + rand.Text(), ConnectorSecret: rand.Text(),
		HullKey: key.PrivatePEM(), key: key,
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, developmentFile), text, 0o600); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	return d, nil
}

// greet prints what to try.
func (d *development) greet(w io.Writer, cfg Config) {
	fmt.Fprintf(w, `Hullbeam %s in development mode, for this machine alone: no secret is set.

  stream server   %[2]s
  demonstration   %[2]s/demo/
  to play Hull    %[2]s/demo/dashboard.html
  for operators   %[2]s/admin/
  documents       %[2]s/docs/
  API             %[2]s/docs/api
  metrics         %[2]s/metrics
  admin key       %[3]s

Try it, in another terminal. Get a token, open the event stream of a visitor, and
(in a third) notify it of a change as Hull would. That notification counts once:
hullbeam notify, below, makes new ones.

%[4]s

%[5]s

%[6]s

The same with hullbeam's own commands:

  %[7]s tail   --url %[2]s
  %[7]s notify --url %[2]s --data-dir %[8]s --trait plan=pro --segment vip

Or play Hull: a pretend one knows some people (%[2]s/demo/hull/) and
tells of what you change. docs/start.md has more:

  curl --json '{"user":{"plan":"team"},"enter":["vip"]}' %[2]s/demo/hull/users/%[9]s

`, buildVersion(), cfg.PublicURL, d.AdminKey, d.curlToken(cfg), d.curlStream(cfg), d.curlNotify(cfg), self(), cfg.DataDir, demoUser)
}

// self is how this program was started: go run puts it into a directory of its own.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ."
	}
	return os.Args[0]
}

func (d *development) curlToken(cfg Config) string {
	return fmt.Sprintf(`TOKEN=$(curl -s -H 'Origin: %[1]s' -H 'Content-Type: application/json' -d '{"claims":{"anonymous_id":"%[2]s"}}' %[1]s/api/v1/connectors/%[3]s/token | tee /dev/stderr | sed 's/.*"token":"\([^"]*\)".*/\1/')`,
		cfg.PublicURL, demoVisitor, demoConnector)
}

func (d *development) curlStream(cfg Config) string {
	return fmt.Sprintf(`curl -N -H 'Origin: %[1]s' "%[1]s/api/v1/stream?token=$TOKEN"`, cfg.PublicURL)
}

func (d *development) curlNotify(cfg Config) string {
	o := notifyOptions{traits: []string{"name=Ada", "plan=pro"}, segments: []string{"vip"}, events: []string{"Signed Up"}}
	id, body, err := o.body(d, nil)
	if err != nil {
		panic(err) // constant flags make a notification
	}
	var line strings.Builder
	fmt.Fprintf(&line, "curl -H 'Origin: %s'", cfg.PublicURL)
	headers := d.key.Headers(id, demoKeyURL, time.Now())
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		fmt.Fprintf(&line, " -H '%s: %s'", name, headers.Get(name))
	}
	fmt.Fprintf(&line, " -d '%s' %s/smart-notifier", body, cfg.PublicURL)
	return line.String()
}
