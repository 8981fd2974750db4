package stream_test

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hullbeam/stream"
)

func sealer(t testing.TB, purpose string, secrets ...string) *stream.Sealer {
	t.Helper()
	s, err := stream.NewSealer(secrets, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var someGrant = stream.Grant{
	Connector: "5f4dcc3b5aa765d61d8327de",
	Origin:    "https://www.example.com",
	Visitor:   "v_q7Jx0dZ2l9fN4uYb",
	Topics: []stream.Topic{
		{Name: "external_id:4711", Signed: true},
		{Name: "email:someone@example.com", Signed: true},
		{Name: "anonymous_id:0b3ad5f3-5d2c-4c8e-9d9c-6f1f0a3b7c11"},
	},
	Issued:  time.UnixMilli(1_700_000_000_123).UTC(),
	Expires: time.UnixMilli(1_700_007_200_123).UTC(),
}

func TestSeal(t *testing.T) {
	s := sealer(t, "test", "old")
	sealed := s.Seal([]byte("plain"), []byte("context"))
	rotated := sealer(t, "test", "new", "old")
	for _, test := range []struct {
		name            string
		sealer          *stream.Sealer
		sealed, context string
		want            error
	}{
		{"who sealed opens", s, string(sealed), "context", nil},
		{"another with the secret opens", sealer(t, "test", "old"), string(sealed), "context", nil},
		{"a rotated secret opens", rotated, string(sealed), "context", nil},
		{"a dropped secret does not", sealer(t, "test", "new"), string(sealed), "context", stream.ErrSealed},
		{"the first secret seals", sealer(t, "test", "new"), string(rotated.Seal([]byte("plain"), []byte("context"))), "context", nil},
		{"the others do not", s, string(rotated.Seal([]byte("plain"), []byte("context"))), "context", stream.ErrSealed},
		{"another purpose", sealer(t, "other", "old"), string(sealed), "context", stream.ErrSealed},
		{"another context", s, string(sealed), "other", stream.ErrSealed},
		{"no context", s, string(sealed), "", stream.ErrSealed},
		{"nothing", s, "", "context", stream.ErrSealed},
		{"more behind it", s, string(sealed) + "x", "context", stream.ErrSealed},
	} {
		got, err := test.sealer.Open([]byte(test.sealed), []byte(test.context))
		if !errors.Is(err, test.want) || err == nil && string(got) != "plain" || err != nil && got != nil {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
	for n := range sealed {
		if _, err := s.Open(sealed[:n], []byte("context")); err != stream.ErrSealed {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		for bit := range 8 {
			sealed[n] ^= 1 << bit
			if _, err := s.Open(sealed, []byte("context")); err != stream.ErrSealed {
				t.Errorf("bit %d of byte %d flipped: %v", bit, n, err)
			}
			sealed[n] ^= 1 << bit
		}
	}
	if again := s.Seal([]byte("plain"), []byte("context")); string(again) == string(sealed) {
		t.Error("the same is sealed the same twice")
	}
}

func TestNewSealerRefuses(t *testing.T) {
	for _, secrets := range [][]string{nil, {}, {""}, {"good", ""}} {
		if _, err := stream.NewSealer(secrets, "test"); err == nil {
			t.Errorf("secrets %q are accepted", secrets)
		}
	}
}

func TestGrant(t *testing.T) {
	s := sealer(t, "token", "secret")
	token, err := s.SealGrant(someGrant)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.OpenGrant(token)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(someGrant, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if strings.Contains(token, "example") || strings.ContainsAny(token, "+/=&?#% ") {
		t.Errorf("not fit for a URL: %s", token)
	}

	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for len(raw)%3 == 0 || !strings.ContainsAny(token, "-_") { // so that the alphabets differ
		token, _ = s.SealGrant(stream.Grant{Topics: someGrant.Topics[:1], Origin: strings.Repeat("o", rand.IntN(50))})
		raw, _ = base64.RawURLEncoding.DecodeString(token)
	}
	last := strings.IndexByte(alphabet, token[len(token)-1])
	for name, text := range map[string]string{
		"empty":                   "",
		"the standard alphabet":   base64.RawStdEncoding.EncodeToString(raw),
		"padding":                 base64.URLEncoding.EncodeToString(raw),
		"a space in front":        " " + token,
		"a line end behind":       token + "\n",
		"a line end within":       token[:9] + "\r\n" + token[9:],
		"bits that are not used":  token[:len(token)-1] + alphabet[last+1:last+2],
		"percent-encoded":         strings.ReplaceAll(strings.ReplaceAll(token, "-", "%2D"), "_", "%5F"),
		"too long":                strings.Repeat("A", stream.MaxToken+1),
		"as long as it may be":    strings.Repeat("A", stream.MaxToken),
		"another format":          base64.RawURLEncoding.EncodeToString(s.Seal([]byte{2, 0, 0, 0, 0, 0}, nil)),
		"nothing sealed":          base64.RawURLEncoding.EncodeToString(s.Seal(nil, nil)),
		"a context":               base64.RawURLEncoding.EncodeToString(s.Seal([]byte{1, 0, 0, 0, 0, 0, 0}, []byte("context"))),
		"sealed, but cut":         base64.RawURLEncoding.EncodeToString(s.Seal([]byte{1, 0, 0, 0, 0}, nil)),
		"sealed, a text too long": base64.RawURLEncoding.EncodeToString(s.Seal([]byte{1, 0, 0, 9, 0, 0, 0}, nil)),
		"sealed, an endless number": base64.RawURLEncoding.EncodeToString(
			s.Seal(append([]byte{1}, strings.Repeat("\xff", 30)...), nil)),
	} {
		if g, err := s.OpenGrant(text); err != stream.ErrSealed || !cmp.Equal(g, stream.Grant{}) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	for i := range token {
		for bit := range 8 {
			flipped := token[:i] + string(token[i]^1<<bit) + token[i+1:]
			if _, err := s.OpenGrant(flipped); err != stream.ErrSealed {
				t.Errorf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
	}
	if _, err := sealer(t, "visitor", "secret").OpenGrant(token); err != stream.ErrSealed {
		t.Errorf("another purpose: %v", err)
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestGrantLimits(t *testing.T) {
	s := sealer(t, "token", "secret")
	topics := func(n, size int) (g stream.Grant) {
		for range n {
			g.Topics = append(g.Topics, stream.Topic{Name: strings.Repeat("t", size)})
		}
		return g
	}
	for _, test := range []struct {
		name string
		g    stream.Grant
		fits bool
	}{
		{"as many topics as may be", topics(stream.MaxTopics, 3), true},
		{"one more", topics(stream.MaxTopics+1, 3), false},
		{"as long as may be", topics(1, 5308), true},
		{"one byte more", topics(1, 5309), false},
	} {
		token, err := s.SealGrant(test.g)
		if (err == nil) != test.fits || len(token) > stream.MaxToken {
			t.Errorf("%s: %d bytes, %v", test.name, len(token), err)
		}
		if !test.fits {
			continue
		}
		if g, err := s.OpenGrant(token); err != nil || len(g.Topics) != len(test.g.Topics) {
			t.Errorf("%s: opens with %d topics, %v", test.name, len(g.Topics), err)
		}
	}
}

func FuzzGrant(f *testing.F) {
	f.Add("c", "https://example.com", "v_1", "id:1\nemail:a@b.c", uint64(1), int64(1_700_000_000_000), int64(1_700_000_000_001))
	f.Add("", "", "", "", ^uint64(0), int64(-1), int64(-62135596800000))
	f.Add("\x00", "\xff", "ü", strings.Repeat("t\n", 70), uint64(5), int64(0), int64(1)<<62)
	s := sealer(f, "token", "secret")
	f.Fuzz(func(t *testing.T, connector, origin, visitor, topics string, signed uint64, issued, expires int64) {
		g := stream.Grant{Connector: connector, Origin: origin, Visitor: visitor, Issued: time.UnixMilli(issued).UTC(), Expires: time.UnixMilli(expires).UTC()}
		for i, name := range strings.Split(topics, "\n") {
			g.Topics = append(g.Topics, stream.Topic{Name: name, Signed: signed>>(i%64)&1 == 1})
		}
		token, err := s.SealGrant(g)
		if err != nil {
			if size := len(connector) + len(origin) + len(visitor) + len(topics); len(g.Topics) <= stream.MaxTopics && size < 5000 {
				t.Fatalf("%d bytes do not fit: %v", size, err)
			}
			return
		}
		got, err := s.OpenGrant(token)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func FuzzOpenGrant(f *testing.F) {
	s := sealer(f, "token", "secret", "older")
	token, err := sealer(f, "token", "another").SealGrant(someGrant)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(token[:54])
	f.Add(strings.Repeat("A", stream.MaxToken+1))
	f.Fuzz(func(t *testing.T, token string) {
		if g, err := s.OpenGrant(token); err != stream.ErrSealed {
			t.Errorf("opens as %+v, %v", g, err)
		}
		// What we sealed in another format or version must not do harm either.
		if len(token) < 1000 {
			sealed := base64.RawURLEncoding.EncodeToString(s.Seal([]byte("\x01"+token), nil))
			if g, err := s.OpenGrant(sealed); err == nil && len(g.Topics) > stream.MaxTopics {
				t.Errorf("opens with %d topics", len(g.Topics))
			}
		}
	})
}
