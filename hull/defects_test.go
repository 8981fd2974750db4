package hull_test

import (
	"testing"

	"hullbeam/hull"
)

// What the predecessors' payloads got wrong (docs/hull-protocol.md 11 B).
func TestBPayloads(t *testing.T) {
	for _, c := range []struct {
		name, settings, private, message, want string
	}{
		{"B1 account segments are those of the account", `{}`,
			`{"public_segments":["s"],"public_account_segments":["s","a"]}`,
			`{"user":{"id":"u"},"segments":[{"id":"s","name":"User's"}],"account_segments":[{"id":"a","name":"Account's"}]}`,
			`{"message":"ok","user":{"id":"u"},"segments":["User's"],"account":{},"account_segments":["Account's"],"events":[]}`},
		{"B2 public events reach the payload", `{}`,
			`{"public_events":["Signed Up"]}`,
			`{"user":{"id":"u"},"events":[{"event":"Secret"},{"event":"Signed Up"}]}`,
			`{"message":"ok","user":{"id":"u"},"segments":[],"account":{},"account_segments":[],"events":["Signed Up"]}`},
		{"B3 traits are grouped", `{}`,
			`{"public_traits":["clearbit/name"]}`,
			`{"user":{"id":"u","traits_clearbit/name":"X"}}`,
			`{"message":"ok","user":{"id":"u","clearbit":{"name":"X"}},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B4 names match with the prefix or without, dots are no paths, nothing is inherited", `{}`,
			`{"public_traits":["traits_plan","size","a.b","toString","constructor"]}`,
			`{"user":{"id":"u","plan":"pro","traits_size":3,"a":{"b":3},"a.b":4}}`,
			`{"message":"ok","user":{"id":"u","a.b":4,"plan":"pro","size":3},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B5 an attribute may be called length", `{}`,
			`{"public_traits":["length","plan"]}`,
			`{"user":{"id":"u","length":3,"plan":"pro"}}`,
			`{"message":"ok","user":{"id":"u","length":3,"plan":"pro"},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B6 a null gives way to a group, behind it", `{}`,
			`{"public_traits":["x","x/y"]}`,
			`{"user":{"id":"u","x":null,"x/y":1}}`,
			`{"message":"ok","user":{"id":"u","x":{"y":1}},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B6 a null gives way to a group, before it", `{}`,
			`{"public_traits":["x/y","x"]}`,
			`{"user":{"x/y":1,"x":null,"id":"u"}}`,
			`{"message":"ok","user":{"id":"u","x":{"y":1}},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B7 numbers keep their digits", `{}`,
			`{"public_traits":["n","m"]}`,
			`{"user":{"id":"u","n":9007199254740993,"m":1.10}}`,
			`{"message":"ok","user":{"id":"u","m":1.10,"n":9007199254740993},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B8 users segments are called segments", `{}`,
			`{"public_segments":["s"]}`,
			`{"user":{"id":"u"},"user_segments":[{"id":"s","name":"S"}]}`,
			`{"message":"ok","user":{"id":"u"},"segments":["S"],"account":{},"account_segments":[],"events":[]}`},
		{"B9 lists are lists when there is nothing in them", `{}`, `{}`,
			`{"user":{"id":"u"},"segments":{},"account_segments":null,"events":{}}`,
			`{"message":"ok","user":{"id":"u"},"segments":[],"account":{},"account_segments":[],"events":[]}`},
		{"B11 what is not there any more is not in the payload", `{}`,
			`{"public_traits":["plan","email"]}`,
			`{"user":{"id":"u","plan":"pro"},"changes":{"user":{"email":["a@x.io",null]}}}`,
			`{"message":"ok","user":{"id":"u","plan":"pro"},"segments":[],"account":{},"account_segments":[],"events":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload, public := hull.ParseSettings("c", []byte(c.settings), []byte(c.private)).Project(nil, messageOf(t, c.message), true)
			if got := compact(t, payload.JSON); !public || string(got) != string(compact(t, []byte(c.want))) {
				t.Errorf("public %v\n got %s\nwant %s", public, got, c.want)
			}
		})
	}
}
