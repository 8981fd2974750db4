package hull_test

import (
	"strings"
	"testing"

	"hullbeam/hull"
)

func TestHostUnder(t *testing.T) {
	domains := []string{"hullapp.io", "Hull.IO", "kraken.example"}
	tests := []struct {
		host string
		want bool
	}{
		{"hullapp.io", true},
		{"acme.hullapp.io", true},
		{"a.b.HULLAPP.io", true},
		{"x.hull.io", true},
		{"evilhullapp.io", false},
		{"hullapp.io.evil.example", false},
		{"io", false},
		{"", false},
		{".hullapp.io", false},
		{"a..hullapp.io", false},
		{"acme.hullapp.io.", false},
		{"-.hullapp.io", false},
		{"acme.hullapp.io:443", false},
		{"user@acme.hullapp.io", false},
		{"evil.example/.hullapp.io", false},
		{"evil.example#.hullapp.io", false},
		{"evil.example\\.hullapp.io", false},
		{"a%2ehullapp.io", false},
		{"a\u3002hullapp.io", false},
		{"\u212araken.example", false},
		{"a_b.hullapp.io", false},
		{strings.Repeat("a", 64) + ".hullapp.io", false},
		{strings.Repeat("a.", 125) + "hullapp.io", false},
	}
	for _, test := range tests {
		if got := hull.HostUnder(test.host, domains); got != test.want {
			t.Errorf("HostUnder(%q) = %t, want %t", test.host, got, test.want)
		}
	}
}

func TestAddressesAreUnderNothing(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "127.1", "2130706433", "0x7f.1", "0X7F000001", "1.2.3.4.5", "::1", "[::1]"} {
		if hull.HostUnder(address, []string{address}) {
			t.Errorf("%q passes for a host name", address)
		}
	}
}
