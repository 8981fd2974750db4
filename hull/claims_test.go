package hull_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

func TestParseClaims(t *testing.T) {
	type claims = hull.Claims
	ids := func(ids ...string) claims { return claims{AnonymousIDs: ids} }
	tests := []struct {
		name string
		raw  string
		want claims
	}{
		{"all four", `{"id":"i","external_id":"x","email":"e@example.com","anonymous_id":"a"}`,
			claims{ID: "i", ExternalID: "x", Email: "e@example.com", AnonymousIDs: []string{"a"}}},
		{"several anonymous ids", `{"anonymous_id":["a","b"]}`, ids("a", "b")},
		{"repeats are dropped", `{"anonymous_id":["a","b","a"]}`, ids("a", "b")},
		{"holes in the list", `{"anonymous_id":["",null,"b"]}`, ids("b")},
		{"an empty list", `{"anonymous_id":[]}`, claims{}},
		{"nothing at all", ``, claims{}},
		{"null", `null`, claims{}},
		{"an empty object", `{}`, claims{}},
		{"null counts as absent", `{"id":null,"external_id":null,"email":null,"anonymous_id":null}`, claims{}},
		{"empty counts as absent", `{"id":"","external_id":"","email":"","anonymous_id":""}`, claims{}},
		{"an email of space counts as absent", `{"email":" \t "}`, claims{}},
		{"emails are trimmed and lower-cased", `{"email":" Ada@Example.COM\n"}`, claims{Email: "ada@example.com", EmailText: " Ada@Example.COM\n"}},
		{"other claims are taken as they are", `{"id":" I ","external_id":"X Y"}`, claims{ID: " I ", ExternalID: "X Y"}},
		{"unknown members are ignored", `{"id":"i","phone":{"a":[1]},"":0}`, claims{ID: "i"}},
		{"names are matched exactly", `{"ID":"i","Email":"e@example.com"}`, claims{}},
		{"no character is special", `{"external_id":"<a&b>:\u00e9😀"}`, claims{ExternalID: "<a&b>:é😀"}},
		{"256 bytes are allowed", `{"id":"` + strings.Repeat("i", 256) + `"}`, claims{ID: strings.Repeat("i", 256)}},
		{"ten anonymous ids are allowed", `{"anonymous_id":["0","1","2","3","4","5","6","7","8","9","9",""]}`,
			ids("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := hull.ParseClaims([]byte(test.raw), hull.ClaimLimits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestA10ParseClaimsRefuses(t *testing.T) {
	tests := []struct {
		name    string
		raw     string
		pointer string
		detail  string
	}{
		{"text that is not JSON", `{"id":`, "/claims", "must be JSON of at most 16 levels"},
		{"two values", `{}{}`, "/claims", "must be JSON of at most 16 levels"},
		{"deep nesting", `{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "/claims", "must be JSON of at most 16 levels"},
		{"a list", `[]`, "/claims", "must be an object"},
		{"a string", `"id"`, "/claims", "must be an object"},
		{"a number for a string", `{"id":1}`, "/claims/id", "must be a string"},
		{"a list for a string", `{"email":["e@example.com"]}`, "/claims/email", "must be a string"},
		{"an object for a string", `{"external_id":{"$ne":""}}`, "/claims/external_id", "must be a string"},
		{"a boolean for a list", `{"anonymous_id":true}`, "/claims/anonymous_id", "must be a string"},
		{"a number in the list", `{"anonymous_id":["a",2]}`, "/claims/anonymous_id/1", "must be a string"},
		{"a list in the list", `{"anonymous_id":[["a"]]}`, "/claims/anonymous_id/0", "must be a string"},
		{"257 bytes", `{"id":"` + strings.Repeat("i", 257) + `"}`, "/claims/id", "is longer than 256 bytes"},
		{"86 characters of three bytes", `{"email":"` + strings.Repeat("€", 86) + `"}`, "/claims/email", "is longer than 256 bytes"},
		{"a NUL", `{"id":"a\u0000b"}`, "/claims/id", "has control characters"},
		{"a line break within an email", `{"email":"a\nb@example.com"}`, "/claims/email", "has control characters"},
		{"a C1 control", `{"anonymous_id":["a\u0085b"]}`, "/claims/anonymous_id/0", "has control characters"},
		{"bytes that are not UTF-8", "{\"id\":\"a\xffb\"}", "/claims/id", "is not valid UTF-8"},
		{"half a surrogate pair", `{"id":"a\ud800b"}`, "/claims/id", "is not valid UTF-8"},
		{"eleven anonymous ids", `{"anonymous_id":["0","1","2","3","4","5","6","7","8","9","10"]}`, "/claims/anonymous_id", "has more than 10 values"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := hull.ParseClaims([]byte(test.raw), hull.ClaimLimits{})
			if !got.Empty() {
				t.Errorf("claims %v beside the error", got)
			}
			want := &hull.ClaimsError{Pointer: test.pointer, Detail: test.detail}
			if diff := cmp.Diff(error(want), err); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClaimLimitsAreSettings(t *testing.T) {
	limits := hull.ClaimLimits{Length: 3, AnonymousIDs: 1}
	if _, err := hull.ParseClaims([]byte(`{"id":"abc","anonymous_id":["a"]}`), limits); err != nil {
		t.Error(err)
	}
	for _, raw := range []string{`{"id":"abcd"}`, `{"anonymous_id":["a","b"]}`} {
		if _, err := hull.ParseClaims([]byte(raw), limits); err == nil {
			t.Errorf("%s is within the limits", raw)
		}
	}
}

func TestClaimsTopics(t *testing.T) {
	claims := hull.Claims{ID: "i", ExternalID: "e@example.com", Email: "e@example.com", AnonymousIDs: []string{"b", "a:1"}}
	topics := claims.Topics()
	var got []string
	for _, topic := range topics {
		got = append(got, topic.String())
	}
	want := []string{"id:i", "external_id:e@example.com", "email:e@example.com", "anonymous_id:b", "anonymous_id:a:1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(claims, hull.ClaimsOf(topics)); diff != "" {
		t.Errorf("and back (-want +got):\n%s", diff)
	}
}

func TestClaimsMarshalJSON(t *testing.T) {
	tests := []struct {
		claims hull.Claims
		want   string
	}{
		{hull.Claims{}, `{}`},
		{hull.Claims{ID: "i", ExternalID: "x", Email: "e@example.com", AnonymousIDs: []string{"a"}},
			`{"id":"i","external_id":"x","email":"e@example.com","anonymous_id":"a"}`},
		{hull.Claims{AnonymousIDs: []string{"a", "b"}}, `{"anonymous_id":["a","b"]}`},
	}
	for _, test := range tests {
		got, err := json.Marshal(test.claims)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func FuzzParseClaims(f *testing.F) {
	f.Add([]byte(`{"id":"i","external_id":"x","email":" E@Example.com ","anonymous_id":["a","b","a",null,""]}`))
	f.Add([]byte(`{"anonymous_id":"a\ud83d\ude00\u0000","x":[{"y":null}]}`))
	f.Add([]byte("{\"email\":\"\u0130\u212a\xff@example.com\"}"))
	limits := hull.ClaimLimits{Length: 24, AnonymousIDs: 3}
	f.Fuzz(func(t *testing.T, raw []byte) {
		claims, err := hull.ParseClaims(raw, limits)
		if err != nil {
			if _, ok := errors.AsType[*hull.ClaimsError](err); !ok || !claims.Empty() {
				t.Fatalf("%v with %v", err, claims)
			}
			return
		}
		if len(claims.AnonymousIDs) > limits.AnonymousIDs {
			t.Errorf("%d anonymous ids", len(claims.AnonymousIDs))
		}
		topics := claims.Topics()
		for _, topic := range topics {
			checkClaimValue(t, topic.Value(), limits)
		}
		claims.EmailText = "" // a topic does not say how an email was written
		if back := hull.ClaimsOf(topics); !reflect.DeepEqual(back, claims) {
			t.Errorf("from topics %v, was %v", back, claims)
		}
		text, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := hull.ParseClaims(text, limits); err != nil || !reflect.DeepEqual(again, claims) {
			t.Errorf("parsed again %v, %v; was %v", again, err, claims)
		}
	})
}

func checkClaimValue(t *testing.T, value string, limits hull.ClaimLimits) {
	t.Helper()
	if value == "" || len(value) > limits.Length || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		t.Errorf("value %q", value)
	}
}

func ExampleParseClaims() {
	_, err := hull.ParseClaims([]byte(`{"email":["ceo@example.com"]}`), hull.DefaultClaimLimits())
	fmt.Println(err)
	// Output: /claims/email must be a string
}
