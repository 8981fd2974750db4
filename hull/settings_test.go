package hull_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

func settingsOf(private string) *hull.Settings { return hull.ParseSettings("c1", nil, []byte(private)) }

func TestVerification(t *testing.T) {
	for private, want := range map[string]string{
		`{}`: "", ``: "", `[]`: "", `{"identity_verification":`: "",
		`{"identity_verification":"possession"}`: "possession",
		`{"identity_verification":"signed"}`:     "signed",
		`{"identity_verification":"off"}`:        "off",
		`{"identity_verification":"Off"}`:        "signed",
		`{"identity_verification":""}`:           "signed",
		`{"identity_verification":null}`:         "signed",
		`{"identity_verification":false}`:        "signed",
		`{"identity_verification":["off"]}`:      "signed",
	} {
		if got := settingsOf(private).Verification(); got != want {
			t.Errorf("%s: got %q, want %q", private, got, want)
		}
	}
}

func TestIdentitySecrets(t *testing.T) {
	for private, want := range map[string][]string{
		`{}`:                                   nil,
		`{"identity_secret":""}`:               nil,
		`{"identity_secret":"a"}`:              {"a"},
		`{"identity_secret":["a"]}`:            {"a"},
		`{"identity_secret":["a","\u0062"]}`:   {"a", "b"},
		`{"identity_secret":["a","b","c"]}`:    nil,
		`{"identity_secret":["a",""]}`:         nil,
		`{"identity_secret":["a",null]}`:       nil,
		`{"identity_secret":{"a":"b"}}`:        nil,
		`{"identity_secret":7}`:                nil,
		`{"identity_secret":[]}`:               nil,
		`{"identity_secret":"a"} and more`:     nil,
		`{"x":"y","identity_secret":"\ud83d"}`: {"\uFFFD"},
	} {
		if diff := cmp.Diff(want, settingsOf(private).IdentitySecrets()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", private, diff)
		}
	}
}

func TestScript(t *testing.T) {
	const script = "greet(user) // hello"
	s := hull.ParseSettings("c1", []byte(`{"script":"greet(user) // hello"}`), nil)
	text, hash := s.Script()
	if text != script || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(hash) {
		t.Errorf("script %q, hash %q", text, hash)
	}
	if got, want := s.ScriptURL(), "/api/v1/connectors/c1/script."+hash+".js"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := fmt.Sprintf("(window.hullBrowserScripts ||= {})[\"c1/%s\"] = "+
		"function (user, segments, account, account_segments, events, changes) {\n%s\n};\n", hash, script)
	if got := string(s.ScriptFile()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Strings are read as encoding/json reads them.
func TestEscapes(t *testing.T) {
	for _, quoted := range []string{
		`"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u2028\u0000"`, `"\ud83d\ude00!"`, `"\ud83d"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`,
		`"\ud83d\ud83d\ude00"`, `"\ud83dx\ude00"`, `"\uD83D\uDE00"`, `"\\u0041"`, `"\\\""`, `"12345678\\"`, `"1234567\""`,
	} {
		var want string
		if err := json.Unmarshal([]byte(quoted), &want); err != nil {
			t.Fatal(err)
		}
		got, _ := hull.ParseSettings("c1", []byte(`{"script": `+quoted+` }`), nil).Script()
		if got != want {
			t.Errorf("%s: got %q, want %q", quoted, got, want)
		}
	}
}

func TestNoScript(t *testing.T) {
	for _, c := range [][2]string{
		{`{}`, `{}`}, {``, ``}, {`{"script":""}`, `{}`}, {`{"script":["x"]}`, `{}`}, {`{"script":null}`, `{}`},
		{`{"script":"x()"}`, `{"script_enabled":false}`}, {`{"Script":"x()"}`, `{}`},
	} {
		s := hull.ParseSettings("c1", []byte(c[0]), []byte(c[1]))
		if text, hash := s.Script(); text+hash+s.ScriptURL() != "" || s.ScriptFile() != nil {
			t.Errorf("%v: there is a script", c)
		}
	}
	s := hull.ParseSettings("c1", []byte(`{"script":"x()"}`), []byte(`{"script_enabled":true}`))
	if s.ScriptURL() == "" {
		t.Error("there is no script")
	}
}

func TestSameForUnsigned(t *testing.T) {
	for private, want := range map[string]bool{
		`{}`: true,
		`{"public_traits":["a","b"],"public_segments":["s"]}`:                   true,
		`{"public_traits":["a","b"],"public_traits_unsigned":["traits_b","a"]}`: true,
		`{"public_traits":["a","b"],"public_traits_unsigned":["a"]}`:            false,
		`{"public_traits":["a"],"public_traits_unsigned":null}`:                 false,
		`{"public_segments":["a"],"public_segments_unsigned":[]}`:               false,
		`{"public_segments":["a"],"public_segments_unsigned":"a"}`:              false,
		`{"public_traits_unsigned":["a"]}`:                                      false,
	} {
		if got := settingsOf(private).SameForUnsigned(); got != want {
			t.Errorf("%s: got %t", private, got)
		}
	}
}

// A tag stands for what a payload depends on beside the user, and for no more.
func TestTag(t *testing.T) {
	const script = `{"script":"x()"}`
	const all = `{"synchronized_segments":["y"],"public_traits":["a","account.b"],"public_segments":["s"],` +
		`"public_account_segments":["t"],"public_events":["e"]}`
	s := hull.ParseSettings("c1", []byte(script), []byte(all))
	tag := s.Tag(true, "u1")
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`).MatchString(tag) {
		t.Errorf("tag is %q", tag)
	}
	if got := s.Tag(false, "u1"); got != tag {
		t.Error("the same lists have two tags")
	}
	same := `{"whitelisted_domains":["hull.io"],"identity_secret":"k","public_traits":["account.b","traits_a"],` + all[1:]
	same = strings.Replace(same, `"public_traits":["a","account.b"],`, "", 1)
	if got := hull.ParseSettings("c1", []byte(script), []byte(same)).Tag(true, "u1"); got != tag {
		t.Error("the tag depends on what does not matter")
	}
	other := map[string]string{"for another user": s.Tag(true, "u2")}
	for _, list := range []string{`["y"]`, `"a",`, `account.b`, `["s"]`, `["t"]`, `["e"]`} {
		changed := strings.Replace(all, list, strings.NewReplacer("y", "z", "a", "z", "s", "z", "t", "z", "e", "z", "b", "z").Replace(list), 1)
		other["without "+list] = hull.ParseSettings("c1", []byte(script), []byte(changed)).Tag(true, "u1")
	}
	other["for everyone"] = settingsOf(strings.Replace(all, `["y"]`, `[]`, 1)).Tag(true, "u1")
	other["for nobody"] = settingsOf(strings.Replace(all, `["y"]`, `5`, 1)).Tag(true, "u1")
	other["another script"] = hull.ParseSettings("c1", []byte(`{"script":"y()"}`), []byte(all)).Tag(true, "u1")
	other["no script"] = settingsOf(all).Tag(true, "u1")
	seen := map[string]string{tag: "all"}
	for what, tag := range other {
		if before, ok := seen[tag]; ok {
			t.Errorf("%s has the tag of %s", what, before)
		}
		seen[tag] = what
	}
}

// Streams resume on other nodes and after upgrades, so that a tag must not change.
func TestTagIsStable(t *testing.T) {
	s := settingsOf(`{"public_traits":["email"]}`)
	if got, want := s.Tag(true, "5c5b7b694aa3a8d42e03895a"), "7aHBC9Dw"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
