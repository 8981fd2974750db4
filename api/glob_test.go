package api_test

import (
	"strings"
	"testing"

	"hullbeam/api"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, address string
		want          bool
	}{
		{"*", "https://shop.example/", true},
		{"*", "https://shop.example/a/b?c=d", true},
		{"**", "http://shop.example", true},
		{"/", "https://shop.example", true},
		{"/", "https://shop.example/?q=1#x", true},
		{"/", "https://shop.example/a", false},
		{"/a", "https://shop.example/a", true},
		{"/a", "https://shop.example/a/", false},
		{"/a", "https://shop.example/ab", false},
		{"/A", "https://shop.example/a", false},
		{"/*", "https://shop.example/a", true},
		{"/*", "https://shop.example/a/b", false},
		{"/**", "https://shop.example/a/b", true},
		{"/products/*", "https://shop.example/products/", true},
		{"/products/*/reviews", "https://shop.example/products/1/reviews", true},
		{"/products/**/reviews", "https://shop.example/products/1/2/reviews", true},
		{"/p?", "https://shop.example/p1", true},
		{"/p?", "https://shop.example/p", false},
		{"/p?", "https://shop.example/p/", false},
		{"/a.c", "https://shop.example/abc", false},
		{"/a+(b)", "https://shop.example/a+(b)", true},
		{"/caf%C3%A9", "https://shop.example/caf%C3%A9", true},
		{"https://shop.example/a", "https://shop.example/a?x=1", true},
		{"https://shop.example/a", "http://shop.example/a", false},
		{"https://*.example/**", "https://shop.example/a/b", true},
		{"shop.example/a", "https://shop.example/a", false},
		{"**/a", "https://shop.example/a", true},
	} {
		if got, ok := api.GlobMatches(c.glob, c.address); got != c.want || !ok {
			t.Errorf("%s of %s: got %v %v, want %v", c.glob, c.address, got, ok, c.want)
		}
	}
	for _, glob := range []string{"", strings.Repeat("a", 513)} {
		if _, ok := api.GlobMatches(glob, "https://shop.example/"); ok {
			t.Errorf("%.20q is a glob", glob)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("/products/**/*?", "https://shop.example/products/1")
	f.Add("\xff[", "https://shop.example/\xff")
	f.Fuzz(func(t *testing.T, glob, address string) {
		matches, ok := api.GlobMatches(glob, address)
		if matches && !ok {
			t.Error("what is no glob has matched")
		}
	})
}

func FuzzLiveCursor(f *testing.F) {
	f.Add("MTc5NTMyMzY5ODE1MDk0MyB2X2E")
	f.Fuzz(func(t *testing.T, text string) {
		again, err := api.ReadLiveCursor(text)
		if err != nil || again == "" {
			return
		}
		if twice, err := api.ReadLiveCursor(again); err != nil || twice != again {
			t.Errorf("%q became %q, then %q %v", text, again, twice, err)
		}
	})
}
