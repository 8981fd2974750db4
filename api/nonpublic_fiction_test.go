package api_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// reach says whom a text of a made-up user may reach.
type reach int

const (
	nobody     reach = iota // but operators
	signedOnly              // streams with a signed claim
	everybody               // all streams that follow the user
	person                  // an identifier: streams that have proven it themselves
)

// marks are in all texts of a reach, several times, so that a part of a text shows it as
// well as the whole. A tilde is in no base64 and no hexadecimal number.
var marks = [...]string{nobody: "~zq~", signedOnly: "~sg~", everybody: "~pb~", person: "~id~"}

// digits are what marks are, of numbers.
var digits = [...]string{nobody: "7319073190", signedOnly: "8428084280", everybody: "9537095370"}

// find returns where a text has a mark, in whatever writing; -1: nowhere.
func (r reach) find(text string) int {
	text = strings.ToLower(text)
	forms := []string{marks[r], escaped(marks[r]), strings.ReplaceAll(marks[r], "~", "%7e")}
	if int(r) < len(digits) {
		forms = append(forms, digits[r])
	}
	for _, form := range forms {
		if i := strings.Index(text, form); i >= 0 {
			return i
		}
	}
	return -1
}

func (r reach) String() string {
	return [...]string{nobody: "what nobody may know", signedOnly: "what the signed may know", everybody: "what is public", person: "an identifier"}[r]
}

func escaped(text string) string { return strings.ReplaceAll(text, "~", `\u007e`) }

// fiction is a connector and a user that nobody has: settings that make some things
// public, and states of the user in which everything has the mark of whom it may reach.
type fiction struct {
	*rand.Rand
	id, secret, identitySecret string

	verification string // "": none
	spoilt       bool   // lists have the wrong type
	divided      bool   // there are lists for unsigned streams
	shown        bool   // the user is in the synchronized segments
	filter       string // the setting of that

	user, externalID, email, anonymous string

	traits, account           map[string]reach // by names in payloads
	segments, accountSegments map[string]reach // by ids
	events                    map[string]reach // by names
}

// traitNames are those that may be public; what looks like them is not.
var traitNames = []string{
	"plan", "score", "stripe/plan", "stripe/seats", "clearbit/metrics/raised", "a.b", "toString", "length", "été", "名前",
	"segments_count", "with space", `quo"te`, `back\slash`, "emoji😀", "UPPER", "list", "name", "0", "a/0",
}

func newFiction(seed uint64, number int) *fiction {
	f := &fiction{Rand: rand.New(rand.NewPCG(seed, uint64(number)))}
	f.id = fmt.Sprintf("fiction-%d", number)
	f.secret, f.identitySecret = f.text(nobody)+"-secret", f.text(nobody)+"-identity"
	f.user, f.externalID, f.anonymous = f.text(person), f.text(person), f.text(person)
	f.email = f.text(person) + "@harbor.example"
	f.verification = f.oneOf("", "possession", "off", "signed", "nonsense")
	f.spoilt, f.divided, f.shown = f.IntN(10) == 0, f.IntN(4) > 0, f.IntN(4) > 0
	f.traits, f.account = f.reaches(traitNames...), f.reaches(traitNames...)
	f.segments = f.reaches("s1", "s2", "s3", "s4")
	f.accountSegments = f.reaches("a1", "a2", "a3").undivided()
	f.events = reaches{}
	for name, reach := range f.reaches("e1", "e2", "e3").undivided() {
		f.events[marks[reach]+name] = reach
	}
	f.filter = `["s1","of somebody else"]`
	switch {
	case !f.shown:
		f.filter = f.oneOf(`["of somebody else"]`, `"ALL"`, `["ALL",1]`, `null`)
	case f.IntN(2) == 0:
		f.filter = f.oneOf(`["ALL"]`, `[]`)
	}
	return f
}

type reaches map[string]reach

// reaches gives each name one that it may have under the settings.
func (f *fiction) reaches(names ...string) reaches {
	given := reaches{}
	for _, name := range names {
		given[name] = []reach{nobody, signedOnly, everybody}[f.IntN(3)]
		if given[name] == signedOnly && !f.divided {
			given[name] = everybody
		}
		if f.spoilt {
			given[name] = nobody
		}
	}
	return given
}

// undivided is for lists that are the same for all streams.
func (r reaches) undivided() reaches {
	for name, reach := range r {
		if reach == signedOnly {
			r[name] = everybody
		}
	}
	return r
}

func (f *fiction) oneOf(from ...string) string { return from[f.IntN(len(from))] }

// text is one that nobody else has.
func (f *fiction) text(r reach) string {
	return fmt.Sprintf("%[1]s%06[2]x%[1]s%06[3]x%[1]s", marks[r], f.IntN(1<<24), f.IntN(1<<24))
}

// value is JSON of any kind, of which each part has the mark.
func (f *fiction) value(r reach, depth int) string {
	switch f.IntN(6 - 3*min(depth/3, 1)) {
	case 0:
		return quote(f.text(r))
	case 1:
		return escaped(quote(f.text(r) + f.oneOf("\r\ndata: ", " é", "\u2028")))
	case 2:
		return fmt.Sprintf("%s1%06d%s", f.oneOf("", "-", "1."), f.IntN(1e6), digits[r])
	case 3:
		return "[" + f.value(r, depth+1) + " , " + f.value(r, depth+1) + "]"
	case 4:
		return "{" + quote(f.text(r)) + ":" + f.value(r, depth+1) + "}"
	default:
		return "{" + quote("plan"+f.text(r)) + ": " + f.value(r, depth+1) + "," + quote(f.text(r)) + ":" + f.value(r, depth+1) + "}"
	}
}

func quote(text string) string { return string(must(json.Marshal(text))) }

// settings are the connector's, beat among the public traits.
func (f *fiction) settings() (settings, private string) {
	lists := map[string]any{
		"whitelisted_domains": []string{"www.harbor.example"}, "identity_secret": f.identitySecret,
		"synchronized_segments": json.RawMessage(f.filter), "unknown": json.RawMessage(f.value(nobody, 0)),
		"public_account_segments": names(f.accountSegments, everybody), "public_events": names(f.events, everybody),
		"script_enabled": f.IntN(2) == 0,
	}
	if f.verification != "" {
		lists["identity_verification"] = f.verification
	}
	always := []string{"beat", "id", "changes", "account", "segments", "id/x", "__proto__/x"}
	lists["public_traits"] = append(f.entries(signedOnly, everybody), always...)
	lists["public_segments"] = names(f.segments, signedOnly, everybody)
	if f.divided {
		lists["public_traits_unsigned"] = append(f.entries(everybody), always...)
		lists["public_segments_unsigned"] = names(f.segments, everybody)
	}
	if f.spoilt {
		for _, name := range []string{"public_traits", "public_segments", "public_account_segments", "public_events"} {
			lists[name] = f.oneOf("plan", "ALL", "*", "s1")
		}
	}
	script := nobody
	if lists["script_enabled"] == true {
		script = everybody
	}
	settings = `{"script":` + quote("/* "+f.text(script)+" */") + `,"unknown":` + f.value(nobody, 0) + `}`
	return settings, string(must(json.Marshal(lists)))
}

// entries are the lines of public_traits for what may reach the streams of these reaches.
func (f *fiction) entries(of ...reach) (list []string) {
	for _, name := range names(f.traits, of...) {
		list = append(list, f.oneOf("", "traits_")+name)
	}
	for _, name := range names(f.account, of...) {
		list = append(list, "account."+f.oneOf("", "traits_")+name)
	}
	return list
}

func names(of map[string]reach, want ...reach) []string {
	list := []string{}
	for name, reach := range of {
		if slices.Contains(want, reach) {
			list = append(list, name)
		}
	}
	slices.Sort(list) // a seed makes one fiction
	return list
}

// message is a state of the user, of that beat.
func (f *fiction) message(beat string) string {
	return `{"user":` + f.person(beat, "") + `,"account":` + f.accountObject() + `,"segments":` + f.segmentList(f.segments) +
		`,"account_segments":` + f.segmentList(f.accountSegments) + `,"events":` + f.eventList() + `,"changes":` + f.value(nobody, 0) +
		`,` + quote(f.text(nobody)) + `:` + f.value(nobody, 0) + `}`
}

// reported is a state as Hull's REST API and its extracts tell it.
func (f *fiction) reported(beat string) string {
	return f.person(beat, `,"account":`+f.accountObject()+`,"segments":`+f.segmentList(f.segments)+
		`,"account_segments":`+f.segmentList(f.accountSegments)+`,"segment_ids":["s1","s2","s3","s4"],"account_segment_ids":["a2"]`)
}

// person is the user's own object with more members.
func (f *fiction) person(beat, more string) string {
	members := []string{
		`"id":` + quote(f.user), `"external_id":` + quote(f.externalID), `"email":` + quote(f.email),
		`"anonymous_ids":[` + quote(f.anonymous) + `]`, `"beat":` + quote(beat), `"ip":` + f.value(nobody, 0),
	}
	if more == "" {
		members = append(members, `"changes":`+f.value(nobody, 0), `"account":`+f.value(nobody, 0), `"traits_segments":`+f.value(nobody, 0))
	}
	for _, name := range names(f.traits, nobody, signedOnly, everybody) {
		if f.IntN(4) > 0 {
			members = append(members, quote(f.oneOf("", "traits_")+name)+`:`+f.value(f.traits[name], 0))
		}
	}
	members = append(members, f.lookalikes("traits_")...)
	f.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + more + "}"
}

// lookalikes are members whose names are almost those that may be public.
func (f *fiction) lookalikes(prefix string) (members []string) {
	for range 8 {
		name := f.lookalike(f.oneOf(traitNames...))
		if !slices.Contains(traitNames, name) && !slices.Contains(traitNames, strings.TrimPrefix(name, prefix)) {
			members = append(members, quote(name)+`:`+f.value(nobody, 0))
		}
	}
	return members
}

func (f *fiction) lookalike(name string) string {
	group, _, _ := strings.Cut(name, "/")
	runes := []rune(name)
	return f.oneOf(name+"_secret", "traits_"+name+"_secret", strings.ToUpper(name), strings.ToLower(name), strings.ToTitle(name[:1])+name[1:],
		name+" ", " "+name, "traits_traits_"+name, name+"/x", "x/"+name, group, "/"+name, name+"/", name+"\x00", name+"\u200b", "e\u0301te\u0301",
		string(runes[:len(runes)-1]), "account."+name, "private_"+name, "_"+name, strings.ReplaceAll(name, "/", "."), strings.ReplaceAll(name, ".", "/"),
		f.text(nobody), "__proto__", "constructor", "user", "secret")
}

func (f *fiction) accountObject() string {
	members := []string{`"id":` + quote(f.text(nobody)), `"traits_name":` + f.value(nobody, 0)}
	for _, name := range names(f.account, nobody, signedOnly, everybody) {
		if f.IntN(4) > 0 {
			members = append(members, quote(name)+`:`+f.value(f.account[name], 0))
		}
	}
	members = append(members, f.lookalikes("")...)
	f.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

func (f *fiction) segmentList(of map[string]reach) string {
	list := []string{`{"id":"S1","name":` + quote(f.text(nobody)) + `}`, `{"id":1,"name":` + quote(f.text(nobody)) + `}`, `null`}
	for id := range of {
		list = append(list, f.segment(id, of[id]))
	}
	slices.Sort(list)
	return "[" + strings.Join(list, ",") + "]"
}

func (f *fiction) segment(id string, r reach) string {
	return `{"id":` + quote(id) + `,"name":` + quote(f.text(r)) + `,"type":` + quote(f.text(nobody)) + `,"query":` + f.value(nobody, 0) + `}`
}

func (f *fiction) eventList() string {
	list := []string{`{"event":` + f.value(nobody, 0) + `}`, `{"name":` + quote(f.text(nobody)) + `}`}
	for name := range f.events {
		list = append(list, `{"event":`+quote(name)+`,"properties":`+f.value(nobody, 0)+`,"context":{"ip":`+f.value(nobody, 0)+`}}`)
	}
	slices.Sort(list)
	return "[" + strings.Join(list, ",") + "]"
}
