package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hullbeam/api"
	"hullbeam/hull"
)

// manifest is what of it is looked at.
type manifest struct {
	Name, Description, Picture, Logo, Version, Index, Readme string

	Tags            []string
	Tabs            []struct{ Title, URL string }
	Settings        []manifestSetting
	PrivateSettings []manifestSetting `json:"private_settings"`
	Sections        []struct {
		Title, Description string
		Properties         []string
	} `json:"settings_sections"`
	Subscriptions []struct {
		URL      string
		Channels []struct{ Channel string }
	}
	Schedules []struct{ URL, Type, Value string }
}

type manifestSetting struct {
	Name, Title, Description, Type, Format string
	Default                                json.RawMessage
	Enum                                   []string
}

func (s *server) manifest(headers ...string) (m manifest) {
	s.t.Helper()
	r := s.do("GET", "/manifest.json", "", headers...)
	if r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		s.t.Fatalf("manifest: %d %s", r.status, r.header)
	}
	if err := json.Unmarshal(r.body, &m); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// What can be set in Hull is what is read here, and the other way round.
func TestManifestHasTheSettingsThatAreRead(t *testing.T) {
	s := start(t, options{})
	m, readme := s.manifest(), string(s.do("GET", "/readme", "").body)
	offered := map[string]manifestSetting{}
	for _, s := range m.Settings {
		offered["settings."+s.Name] = s
	}
	for _, s := range m.PrivateSettings {
		offered["private_settings."+s.Name] = s
	}
	var inSections []string
	for _, section := range m.Sections {
		inSections = append(inSections, section.Properties...)
	}
	for _, s := range hull.SettingList {
		name := "settings." + s.Name
		if s.Private {
			name = "private_settings." + s.Name
		}
		o, ok := offered[name]
		delete(offered, name)
		if !ok || o.Title == "" || len(o.Description) < 20 || !slices.Contains([]string{"string", "boolean", "array"}, o.Type) {
			t.Errorf("%s is offered as %+v", name, o)
		}
		if !strings.Contains(readme, "`"+s.Name+"`") {
			t.Errorf("the readme does not tell of %s", name)
		}
		if !slices.Contains(inSections, name) {
			t.Errorf("%s is in no section", name)
		}
	}
	for name := range offered {
		t.Errorf("%s is offered, and means nothing", name)
	}
}

// The settings that Hull makes of the manifest at install are good ones, which show
// nothing to anybody.
func TestManifestDefaults(t *testing.T) {
	m := start(t, options{}).manifest()
	values := func(list []manifestSetting) []byte {
		object := map[string]json.RawMessage{}
		for _, s := range list {
			if s.Default != nil {
				object[s.Name] = s.Default
			}
		}
		return must(json.Marshal(object))
	}
	settings, private := values(m.Settings), values(m.PrivateSettings)
	review := hull.ReviewSettings(settings, private)
	if len(review.Wrong) > 0 || review.Public || len(review.Domains) > 0 {
		t.Errorf("the defaults come to %+v", review)
	}
	parsed := hull.ParseSettings("c", settings, private)
	if parsed.Verification() != "possession" || parsed.ScriptURL() != "" {
		t.Errorf("verification %q, script %q", parsed.Verification(), parsed.ScriptURL())
	}
}

func TestC17C18E2Manifest(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.Version = "1.2.3" }})
	m := s.manifest()
	if m.Name == "" || m.Description == "" || m.Version != "1.2.3" || !slices.Contains(m.Tags, "smart-notifier") {
		t.Errorf("got %+v", m)
	}
	for _, address := range []string{m.Picture, m.Logo, m.Readme, m.Index} {
		path, ours := strings.CutPrefix(address, "http://beam.example")
		if !ours {
			t.Errorf("%s is not at the public URL", address)
		}
		if s.do("GET", path, "").status != http.StatusOK {
			t.Errorf("nothing is at %s", address)
		}
	}
	if len(m.Tabs) != 1 || m.Tabs[0].URL != "/admin.html" {
		t.Errorf("tabs: %+v", m.Tabs)
	}
	t.Run("E2 the status is asked for", func(t *testing.T) {
		if len(m.Schedules) != 1 || m.Schedules[0].URL != "/status" || m.Schedules[0].Type != "cron" || m.Schedules[0].Value != "*/30 * * * *" {
			t.Errorf("got %+v", m.Schedules)
		}
	})
	t.Run("C17 it is subscribed, C18 to both spellings", func(t *testing.T) {
		if len(m.Subscriptions) != 1 || m.Subscriptions[0].URL != "/smart-notifier" {
			t.Fatalf("got %+v", m.Subscriptions)
		}
		var channels []string
		for _, c := range m.Subscriptions[0].Channels {
			channels = append(channels, c.Channel)
			if hull.ClassifyChannel(c.Channel) == hull.ClassUnsupported {
				t.Errorf("%s is of no use here", c.Channel)
			}
		}
		for _, want := range []string{"user:update", "user:delete", "ship:update", "segment:update", "users_segment:update", "accounts_segment:update",
			"segment:delete", "users_segment:delete", "accounts_segment:delete"} {
			if !slices.Contains(channels, want) {
				t.Errorf("%s is missing", want)
			}
		}
	})
}

// Without a public URL addresses are those that were asked, whatever a request says of
// its host.
func TestManifestOfAskedHost(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.PublicURL = "" }})
	if m := s.manifest("Host: beam.test:1", "X-Forwarded-Proto: https"); m.Index != "https://beam.test:1/ship.js" {
		t.Errorf("got %s", m.Index)
	}
	for _, host := range []string{`a\b`, `a'b`, `a;b&c`, `{version}`, "a$1"} {
		r := s.do("GET", "/manifest.json", "", "Host: "+host)
		if r.status == http.StatusOK && !json.Valid(r.body) {
			t.Errorf("Host %q makes a manifest that is no JSON", host)
		}
	}
}

func TestA17ReadmeLeadsNowhere(t *testing.T) {
	s := start(t, options{config: func(c *api.Config) { c.PublicURL = "" }})
	r := s.do("GET", "/readme", "", "Host: evil.example")
	if r.status != http.StatusOK || r.header.Get("Location") != "" || strings.Contains(string(r.body), "evil.example") {
		t.Errorf("got %d %v", r.status, r.header)
	}
	if !strings.Contains(string(r.body), "whitelisted_domains") {
		t.Error("it does not tell of the settings")
	}
	if !strings.HasPrefix(r.header.Get("Content-Type"), "text/markdown") {
		t.Errorf("type: %s", r.header.Get("Content-Type"))
	}
}
