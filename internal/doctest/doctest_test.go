package doctest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hullbeam/internal/doctest"
)

func TestPatterns(t *testing.T) {
	for _, row := range []struct {
		shown, printed string
		same           bool
	}{
		{"ok\n", "ok\n", true},
		{"ok\n", "ok, but\n", false},
		{"ok\n", "not\nok\n", false},
		{"a … z\n", "a lot to z\n", true},
		{"a … z\n", "a lot\nto z\n", false},
		{"first\n…\nlast\n", "first\nmore\nand more\nlast\n", true},
		{"first\n…\nlast\n", "first\nlast\n", true},
		{"first\n…\nlast\n", "first\nmore\n", false},
		{"{\"token\":\"…\n", "{\"token\":\"abc\"}\n", true},
		{"a.c\n", "abc\n", false},
	} {
		if got := regexp.MustCompile(`\A` + doctest.Pattern(row.shown) + `\z`).MatchString(row.printed); got != row.same {
			t.Errorf("%q and %q: got %v", row.shown, row.printed, got)
		}
	}
}

// What a session finds wrong, and what not.
func TestSession(t *testing.T) {
	for _, row := range []struct{ what, markdown, wrong string }{
		{"lines that end with 0", "```sh\ntrue\nA=1\n```\n\n```sh\ntest $A = 1\n```\n", ""},
		{"a line that does not", "```sh\nfalse\ntrue\n```\n", "ends with 1, not 0 (line 1)"},
		{"what is shown", "```sh\n$ echo one; echo two\none\ntwo\n```\n", ""},
		{"something else", "```sh\n$ echo one\ntwo\n```\n", "prints\none\nnot\ntwo"},
		{"the second command", "```sh\n$ echo one\none\n$ echo two\nthree\n```\n", "prints\ntwo\nnot\nthree"},
		{"a command over lines", "```sh\n$ echo one \\\n>   two\none two\n$ echo one \\\n    two\none two\n```\n", ""},
		{"another status", "<!-- test: exits 3 -->\n```sh\n$ (exit 3)\n```\n", ""},
		{"not that status", "<!-- test: exits 3 -->\n```sh\n$ true\n```\n", "ends with 0, not 3"},
		{"what comes first", "<!-- test: first\nA=x\n-->\nA text between.\n\n```sh\n$ echo $A\nx\n```\n", ""},
		{"what is run in place", "<!-- test: as echo here -->\n```sh\n$ there\nhere\n```\n", ""},
		{"addresses", "```sh\n$ echo http://127.0.0.1:8082/a https://beam.example.com/b | sed 's/127/&/'\nhttp://127.0.0.1:8082/a http://127.0.0.1:8082/b\n```\n", ""},
		{"a command that stays, and what it prints next", "<!-- test: stays -->\n```sh\n$ echo one; until test -e go; do sleep 0.01; done; echo two; sleep 100\none\n```\n\n```sh\ntouch go\n```\n\n<!-- test: prints -->\n```text\ntwo\n```\n", ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			blocks, err := doctest.Blocks("page.md", []byte(row.markdown))
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "page")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			s, err := doctest.NewSession(dir, "http://127.0.0.1:1")
			if err != nil {
				t.Fatal(err)
			}
			defer s.End()
			for _, b := range blocks {
				if err = s.Run(b); b.Has("prints") {
					err = s.Prints(b.Text)
				}
				if err != nil {
					break
				}
			}
			if row.wrong == "" && err != nil || row.wrong != "" && (err == nil || !strings.Contains(err.Error(), row.wrong)) {
				t.Errorf("got %v, want %q", err, row.wrong)
			}
		})
	}
}

func TestWhatIsNoDocument(t *testing.T) {
	for what, markdown := range map[string]string{
		"an indented block":                "text\n\n    make test\n",
		"HTML":                             "<b>bold</b>\n\n<div>there</div>\n",
		"a comment that says nothing":      "<!-- test: sometimes -->\n```sh\ntrue\n```\n",
		"a comment without a block":        "<!-- test: exits 2 -->\n\ntext\n",
		"a reason that is missing":         "<!-- test: not run, -->\n```sh\ntrue\n```\n",
		"something to be first, and then?": "```sh\ntrue\n```\n\n<!-- test: first\ntrue\n-->\n",
	} {
		if blocks, err := doctest.Blocks("page.md", []byte(markdown)); err == nil {
			t.Errorf("%s is taken: %v", what, blocks)
		}
	}
}

func TestChecks(t *testing.T) {
	known := func(event string) bool { return event == "offer" }
	for what, row := range map[string]struct {
		err  error
		good bool
	}{
		"values of JSON":          {doctest.CheckJSON("{\"a\": 1}\n[2]\n"), true},
		"JSON with a comma":       {doctest.CheckJSON(`{"a": 1,}`), false},
		"an event":                {doctest.CheckEvents("event: offer\ndata: {}\nid: 1\n\n", known), true},
		"an unknown event":        {doctest.CheckEvents("event: offr\ndata: {}\n", known), false},
		"data that is no JSON":    {doctest.CheckEvents("event: offer\ndata: {\n", known), false},
		"an answer":               {doctest.CheckHTTP("HTTP/1.1 409 Conflict\nContent-Type: application/problem+json\n\n{\"status\": 409}\n"), true},
		"an answer with bad JSON": {doctest.CheckHTTP("HTTP/1.1 409 Conflict\nContent-Type: application/problem+json\n\n{status: 409}\n"), false},
		"a request":               {doctest.CheckHTTP("POST /a?b=c\nX-Hull: d\n"), true},
		"what is no header":       {doctest.CheckHTTP("X-Hull d\n"), false},
		"a quote":                 {doctest.CheckQuote("b\n  c\n", []byte("a\n\tb\n\tc\nd\n")), true},
		"a quote with a gap":      {doctest.CheckQuote("a\nc\n", []byte("a\nb\nc\n")), false},
		"a quote that says so":    {doctest.CheckQuote("a\n…\nc\n", []byte("a\nb\nc\n")), true},
		"a quote of another":      {doctest.CheckQuote("x\n", []byte("a\n")), false},
		"a picture":               {doctest.CheckText("a ──▶ b\n"), true},
		"a command as text":       {doctest.CheckText("curl http://127.0.0.1:8082/\n"), false},
	} {
		if (row.err == nil) != row.good {
			t.Errorf("%s: got %v", what, row.err)
		}
	}
}
