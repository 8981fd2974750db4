package hull_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hullbeam/hull"
)

func TestReviewSettings(t *testing.T) {
	tests := []struct {
		name              string
		settings, private string
		want              hull.Review
	}{
		{"there are none", ``, ``, hull.Review{}},
		{"they are empty", `{}`, `{}`, hull.Review{}},
		{"only another program's", `{"use_ga": true}`, `{"load_scripts": []}`, hull.Review{}},
		{"unreadable", `[`, `"`, hull.Review{}},
		{"a private setting among the public ones is not read", `{"public_traits": ["email"]}`, `{}`, hull.Review{}},
		{"something public, for all alike", ``, `{"public_traits": ["email"], "public_segments": ["s"]}`,
			hull.Review{Given: true, Public: true, Undivided: []string{"public_traits_unsigned", "public_segments_unsigned"}}},
		{"less for unsigned streams", ``, `{"public_traits": ["email"], "public_traits_unsigned": []}`,
			hull.Review{Given: true, Public: true}},
		{"events alone are public", ``, `{"public_events": ["Viewed"]}`, hull.Review{Given: true, Public: true}},
		{"cleared fields are as good as absent ones", `{"script": null}`,
			`{"whitelisted_domains": null, "public_traits": null, "script_enabled": null, "identity_secret": null}`,
			hull.Review{Given: true}},
		{"those that are not do harm", ``, `{"synchronized_segments": null, "identity_verification": null}`,
			hull.Review{Given: true, Wrong: []string{"synchronized_segments", "identity_verification"}}},
		{"wrong types", `{"script": 1}`,
			`{"public_traits": "email", "public_segments": ["a", 1], "track_page_views": "yes", "identity_secret": ["a", "b", "c"], "identity_verification": "maybe", "whitelisted_domains": {}}`,
			hull.Review{Given: true, Wrong: []string{"script", "whitelisted_domains", "public_traits", "public_segments", "identity_verification", "identity_secret", "track_page_views"}}},
		{"a short identity secret", ``, `{"identity_secret": "fifteen letters"}`, hull.Review{Given: true, Guessable: true}},
		{"a long one beside it", ``, `{"identity_secret": ["sixteen letters!", "x"]}`, hull.Review{Given: true, Guessable: true}},
		{"sixteen characters are long", ``, `{"identity_secret": ["sixteen letters!", "sixteen letters?"]}`, hull.Review{Given: true}},
		{"right types", `{"script": ""}`,
			`{"synchronized_segments": ["ALL"], "identity_secret": ["a long random secret", "another random one"], "identity_verification": "off", "track_page_views": true, "script_enabled": false}`,
			hull.Review{Given: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := hull.ReviewSettings([]byte(test.settings), []byte(test.private))
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A row of which it is said that it matches lets its own page in, and one of which it
// is not lets nobody in.
func TestA8DomainsAreReviewedAsTheyMatch(t *testing.T) {
	for _, test := range []struct {
		row     string
		origin  string // that it may let in
		matches bool
		hinted  bool
	}{
		{"example.com", "https://example.com", true, false},
		{" Example.COM. ", "https://example.com", true, false},
		{"https://example.com:8443/path", "https://example.com:8443", true, false},
		{"*.example.com", "https://www.example.com", true, true},
		{"http://example.com", "http://example.com", true, true},
		{"http://localhost:3000", "http://localhost:3000", true, false},
		{"café.fr", "https://xn--caf-dma.fr", true, false},
		{"", "null", false, true},
		{"  ", "null", false, true},
		{"*", "https://example.com", false, true},
		{"www.*.com", "https://www.example.com", false, true},
		{"*.1.2.3.4", "https://9.1.2.3.4", false, true},
		{"example.com, example.org", "https://example.com", false, true},
		{"user@example.com", "https://example.com", false, true},
		{"<script>", "https://example.com", false, true},
	} {
		t.Run(test.row, func(t *testing.T) {
			private := []byte(must(jsonOf(map[string]any{"whitelisted_domains": []string{test.row}})))
			domains := hull.ReviewSettings(nil, private).Domains
			if len(domains) != 1 || domains[0].Row != test.row || domains[0].Matches != test.matches || (domains[0].Hint != "") != test.hinted {
				t.Errorf("got %+v", domains)
			}
			if got := hull.ParseSettings("c", nil, private).AllowsOrigin(test.origin); got != test.matches {
				t.Errorf("%s: allowed %v, though the review says %v", test.origin, got, test.matches)
			}
		})
	}
}

func FuzzReviewSettings(f *testing.F) {
	f.Add([]byte(`{"script":1}`), []byte(`{"whitelisted_domains":["*.a.b","",1],"public_traits":["email"]}`))
	f.Add([]byte(`[`), []byte(`{"whitelisted_domains":["http://[::1]:8","*.[::1]"]}`))
	f.Fuzz(func(t *testing.T, settings, private []byte) {
		for _, d := range hull.ReviewSettings(settings, private).Domains {
			if !d.Matches && d.Hint == "" {
				t.Errorf("%q matches nothing, and nobody says why", d.Row)
			}
		}
	})
}
