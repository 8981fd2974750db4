package hull_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"hullbeam/hull"
)

// What is JSON is what encoding/json takes for it.
func TestCheckJSON(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-0`, `-1.5e+10`, `1E5`, `""`, `"a\u00e9\ud800\"\\\/\b\f\n\r\t"`,
		`[]`, `[1]`, `{}`, `{"":{}}`, " {\"a\" :\t[ 1 , \"b\" ]\r\n} ", "\"\u2028\x7f\"", "\"\xff\"",
		`"12345678"`, `"1234567\n"`,
		``, ` `, `nul`, `nulll`, `tru`, `+1`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `0x1`, `NaN`, `Infinity`, `'a'`,
		`"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "\"12345678\x1f\"", "\"\x00\"",
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`,
		`{"a" 1}`, `{1:1}`, `{"a":1]`, `[1}`, `1 2`, `{}{}`, `{}x`, "\xef\xbb\xbf{}", "\v1", "\u00a01",
	} {
		if got, want := hull.CheckJSON([]byte(text), 100) == nil, json.Valid([]byte(text)); got != want {
			t.Errorf("%q is JSON: got %t, want %t", text, got, want)
		}
	}
}

func TestCheckJSONDepth(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat(`[`, n) + strings.Repeat(`]`, n)) }
	objects := func(n int) []byte {
		return []byte(strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n))
	}
	for _, c := range []struct {
		depth, limit int
		ok           bool
	}{{1, 1, true}, {2, 1, false}, {1, 0, false}, {100, 100, true}, {101, 100, false}, {10_001, 1 << 40, false}} {
		for _, text := range [][]byte{nested(c.depth), objects(c.depth)} {
			if err := hull.CheckJSON(text, c.limit); (err == nil) != c.ok {
				t.Errorf("depth %d under limit %d: %v", c.depth, c.limit, err)
			}
		}
	}
	if err := hull.CheckJSON([]byte(strings.Repeat(`[`, 1<<20)), 1<<40); err == nil {
		t.Error("a million brackets are JSON")
	}
	if err := hull.CheckJSON([]byte(`7`), 0); err != nil {
		t.Errorf("a number has no depth: %v", err)
	}
}

// What is read has no white space between its parts, wherever it was.
func TestReadJSON(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{" ", ""},
		{"\xef\xbb\xbf 7\n", "7"},
		{`{"a b":[1,"c  d"]}`, `{"a b":[1,"c  d"]}`},
		{"{ \"a b\" :\t[\r\n1 , \"c  d\"\n ] , \"e\" : { } }", `{"a b":[1,"c  d"],"e":{}}`},
		{"[" + strings.Repeat(" ", 100) + "true" + strings.Repeat("\n ", 50) + "]", `[true]`},
		{"[\"\xff\" , \"\ufffd\"]", `["` + "\ufffd\",\"\ufffd" + `"]`},
	} {
		got, err := hull.ReadJSON([]byte(c.text), 100)
		if err != nil || string(got) != c.want {
			t.Errorf("%q: got %q, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func TestCheckJSONAllocatesNothing(t *testing.T) {
	body := readFixture(t, "user-update-modern.json")
	if n := testing.AllocsPerRun(10, func() { _ = hull.CheckJSON(body, 100) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,"\ud83d\ude00",null,true,{}]}`, `"abcdefgh\"ij"`, "[\"\x1f\"]", ` [ ] `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// The text is no deeper than it is long, so the limit cannot matter.
		if len(data) > 5000 {
			return
		}
		valid := json.Valid(data)
		if got := hull.CheckJSON(data, len(data)) == nil; got != valid {
			t.Errorf("%q is JSON: got %t, want %t", data, got, valid)
		}
		if got, err := hull.ReadJSON(data, len(data)); valid && utf8.Valid(data) && (err != nil || !bytes.Equal(got, compact(t, data))) {
			t.Errorf("%q is read as %q, %v", data, got, err)
		}
	})
}
