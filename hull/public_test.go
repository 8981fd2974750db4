package hull_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hullbeam/hull"
)

// Marks of values in a made-up message: the lists that name them.
const (
	onNoList       = "~none~"
	onSignedList   = "~signed~"
	onUnsignedList = "~unsigned~"
	onBothLists    = "~both~"
)

// FuzzProjectIsPublic makes settings and a message of bytes, whose names match nearly and
// in every way, and wants nothing in a payload that its lists do not name.
func FuzzProjectIsPublic(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for seed := range 300 {
		data := make([]byte, 150)
		for i := range data {
			data[i] = byte(random.IntN(256))
		}
		f.Add(data, byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte, rest byte) {
		made := &madeUp{data: data, rest: rest}
		private, message := made.settings(), made.message()
		stored, err := hull.ParseUpdate(messageOf(t, message).State(), messageOf(t, message).EventNames())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*hull.Message{messageOf(t, message), &stored} {
			for signed, hidden := range map[bool][]string{true: {onNoList, onUnsignedList}, false: {onNoList, onSignedList}} {
				p, _ := settingsOf(private).Project(nil, m, signed)
				if i := slices.IndexFunc(hidden, func(mark string) bool { return strings.Contains(string(p.JSON), mark) }); i >= 0 {
					t.Fatalf("%s is in the payload for signed %t\nsettings %s\nmessage %s\npayload %s", hidden[i], signed, private, message, p.JSON)
				}
			}
		}
	})
}

// madeUp takes its choices from data, and from rest when there is no more of it.
type madeUp struct {
	data []byte
	rest byte

	forSigned, forUnsigned, events, accountSegments []string // lists of the settings
	segments, segmentsUnsigned                      []string
}

func (u *madeUp) upTo(n int) int {
	if len(u.data) == 0 {
		u.rest = u.rest*181 + 101
		return int(u.rest) % n
	}
	choice := int(u.data[0]) % n
	u.data = u.data[1:]
	return choice
}

func (u *madeUp) of(texts ...string) string { return texts[u.upTo(len(texts))] }

func (u *madeUp) list(of func() string) (list []string) {
	for range u.upTo(6) {
		list = append(list, of())
	}
	return list
}

// name is a name of an attribute, or an entry of public_traits.
func (u *madeUp) name() string {
	var name strings.Builder
	name.WriteString(u.of("", "", "traits_", "account.", "account.traits_", "traits_account.", "traits_traits_"))
	for more := true; more; more = u.upTo(3) == 0 {
		name.WriteString(u.of("", "", "/", ".", "_") + u.of("a", "b", "A", "é", "e\u0301", "", "a.b", "traits_", "user", "events", "changes", `"`, `\`, "\x00", " "))
	}
	return name.String()
}

// likeOneOf is an entry of a list as an attribute's name, or almost.
func (u *madeUp) likeOneOf(list []string) string {
	entry := strings.TrimPrefix(u.of(append(list, "a")...), u.of("", "account."))
	group, _, _ := strings.Cut(entry, "/")
	return u.of(entry, entry, strings.TrimPrefix(entry, "traits_"), strings.ToUpper(entry), strings.ToLower(entry), "traits_"+entry, entry+"/a", "a/"+entry, group, entry+" ")
}

func (u *madeUp) id() string { return u.of("s", "t", "S", "", "s ", "ALL") }

func (u *madeUp) settings() string {
	u.forSigned, u.forUnsigned = u.list(u.name), u.list(u.name)
	u.segments, u.segmentsUnsigned = u.list(u.id), u.list(u.id)
	u.events, u.accountSegments = u.list(u.id), u.list(u.id)
	text, _ := json.Marshal(map[string][]string{
		"public_traits": u.forSigned, "public_traits_unsigned": u.forUnsigned, "public_segments": u.segments, "public_segments_unsigned": u.segmentsUnsigned,
		"public_events": u.events, "public_account_segments": u.accountSegments,
	})
	return string(text)
}

func quoted(text string) string {
	t, _ := json.Marshal(text)
	return string(t)
}

// mark is what a value has, by the lists that name it.
func mark(signed, unsigned bool) string {
	switch {
	case signed && unsigned:
		return onBothLists
	case signed:
		return onSignedList
	case unsigned:
		return onUnsignedList
	}
	return onNoList
}

func (u *madeUp) message() string {
	attributes := func(isListed func(list []string, name string) bool) string {
		var members []string
		for range u.upTo(10) {
			name := u.of(u.name(), u.likeOneOf(u.forSigned), u.likeOneOf(u.forUnsigned))
			members = append(members, quoted(name)+":"+u.value(mark(isListed(u.forSigned, name), isListed(u.forUnsigned, name))))
		}
		return strings.Join(append(members, `"id":"u"`), ",")
	}
	named := func(list, unsigned []string, id, name string) string {
		var entries []string
		for range u.upTo(5) {
			text := u.id()
			is := mark(slices.Contains(list, text), slices.Contains(unsigned, text))
			if id == name {
				text = is + text // which is on no list, unless it is said below
			}
			entries = append(entries, `{"`+id+`":`+quoted(text)+`,"`+name+`":`+quoted(is+text)+`,"other":"`+onNoList+`"}`)
		}
		return "[" + strings.Join(entries, ",") + "]"
	}
	return `{"user":{` + attributes(ofUser) + `},"account":{` + attributes(ofAccount) + `},"segments":` + named(u.segments, u.segmentsUnsigned, "id", "name") +
		`,"account_segments":` + named(u.accountSegments, u.accountSegments, "id", "name") + `,"events":` + named(nil, nil, "event", "event") +
		`,"changes":"` + onNoList + `"}`
}

// value is JSON of some kind that has the mark in all its parts.
func (u *madeUp) value(mark string) string {
	return u.of(quoted(mark), `"`+strings.ReplaceAll(mark, "~", `~\n`)+mark+`"`, `[1,"`+mark+`"]`, `{"a":"`+mark+`","b":{"`+mark+`":"`+mark+`"}}`, `{"":["`+mark+`"]}`)
}

// ofUser and ofAccount tell whether a list has an attribute, by docs/hull-protocol.md 10.4.

func ofUser(list []string, name string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		return !strings.HasPrefix(entry, "account.") && strings.TrimPrefix(entry, "traits_") == strings.TrimPrefix(name, "traits_")
	})
}

func ofAccount(list []string, name string) bool {
	return slices.Contains(list, "account."+name) || slices.Contains(list, "account.traits_"+name)
}
