package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"hullbeam/hull"
	"hullbeam/stream/streamtest"
)

// expectation is what must follow from a notification (testdata/hull/README.md).
type expectation struct {
	Fixture   string
	Connector struct {
		Settings        json.RawMessage `json:"settings"`
		PrivateSettings json.RawMessage `json:"private_settings"`
	}
	Deliveries []struct {
		Identities []struct{ Kind, Value string }
		Payload    json.RawMessage
	}
	Response struct {
		Status      int
		FlowControl map[string]any `json:"flow_control"`
	}
}

// unsupported are the fixtures of channels on which Hullbeam does nothing.
var unsupported = map[string]bool{"account-update": true, "unknown-channel": true}

// notifications replays those with expected payloads, and the others.
func (r *replay) notifications() error {
	expected, err := r.names("", ".expected.json")
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, name := range expected {
		var want expectation
		if err := r.decode(name+".expected.json", &want); err != nil {
			return err
		}
		has[want.Fixture] = true
		if err := r.expected(name, want); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	all, err := r.names("", ".json")
	if err != nil {
		return err
	}
	s, err := start(options{})
	if err != nil {
		return err
	}
	defer s.stop()
	for _, name := range all {
		if has[name+".json"] || strings.HasSuffix(name, ".expected") {
			continue
		}
		body, err := r.read(name + ".json")
		if err != nil {
			return err
		}
		answered, err := s.notify(body)
		if err != nil {
			return err
		}
		want, got := "200 next", answered.said()
		if unsupported[name] {
			want, got = "200 next 10 in 1", flow(answered)
		}
		r.add(name+".json", "signed anew", want, got)
	}
	return nil
}

// expected sends a notification while a stream is open for each identity that it
// reaches. Each must end up with the last payload that is due to it.
func (r *replay) expected(name string, want expectation) error {
	s, err := start(options{settings: want.Connector.Settings, private: want.Connector.PrivateSettings})
	if err != nil {
		return err
	}
	defer s.stop()
	body, err := r.read(want.Fixture)
	if err != nil {
		return err
	}
	if body, err = withSettings(body, want); err != nil {
		return err
	}
	script := hull.ParseSettings(ship, want.Connector.Settings, want.Connector.PrivateSettings).ScriptURL()
	type due struct {
		stream   *opened
		payload  map[string]any
		payloads int
	}
	streams := map[string]*due{}
	for _, d := range want.Deliveries {
		for _, id := range d.Identities {
			key := id.Kind + ":" + id.Value
			if streams[key] == nil {
				o, err := s.open(id.Kind, id.Value)
				if err != nil {
					return err
				}
				defer o.close()
				if !o.until(isType("room.joined")) {
					return fmt.Errorf("%s is not greeted", key)
				}
				streams[key] = &due{stream: o}
			}
			streams[key].payload = payload(d.Payload, script)
			streams[key].payloads++
		}
	}
	answered, err := s.notify(body)
	if err != nil {
		return err
	}
	served := 0
	for _, d := range streams {
		if d.stream.until(func(e streamtest.Event) bool {
			return e.Type == "user.update" && same(e.Data, d.payload, d.payloads > 1)
		}) {
			served++
		}
	}
	wanted := fmt.Sprintf("%d %v %v in %v, %d of %d streams served", want.Response.Status, want.Response.FlowControl["type"],
		want.Response.FlowControl["size"], want.Response.FlowControl["in"], len(streams), len(streams))
	r.add(name+".expected.json", "signed anew", wanted, fmt.Sprintf("%s, %d of %d streams served", flow(answered), served, len(streams)))
	return nil
}

func flow(a answer) string {
	var said struct {
		FlowControl map[string]any `json:"flow_control"`
	}
	json.Unmarshal(a.body, &said) // else it has no type
	return fmt.Sprintf("%d %v %v in %v", a.status, said.FlowControl["type"], said.FlowControl["size"], said.FlowControl["in"])
}

// withSettings puts the settings in force into a notification.
func withSettings(body []byte, want expectation) ([]byte, error) {
	var envelope, connector map[string]json.RawMessage
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(envelope["connector"], &connector); err != nil {
		return nil, err
	}
	connector["settings"], connector["private_settings"] = want.Connector.Settings, want.Connector.PrivateSettings
	var err error
	if envelope["connector"], err = json.Marshal(connector); err != nil {
		return nil, err
	}
	return json.Marshal(envelope)
}

// payload is what a page is to get: the script has become its address.
func payload(raw json.RawMessage, script string) map[string]any {
	p := decode(string(raw))
	if _, ok := p["script"]; ok {
		delete(p, "script")
		p["script_url"] = script
	}
	return p
}

// decode keeps numbers as text.
func decode(text string) (object map[string]any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&object) != nil {
		return nil
	}
	return object
}

// same compares a payload. Of several one may carry the names of earlier ones' events:
// they were conflated.
func same(data string, want map[string]any, several bool) bool {
	got := decode(data)
	if several && got != nil {
		got["events"] = want["events"]
	}
	return reflect.DeepEqual(got, want)
}

// bad replays malformed and hostile bodies.
func (r *replay) bad() error {
	var cases struct {
		Cases []struct {
			File     string
			Hullbeam struct {
				Status int
				Code   string
			}
		}
	}
	if err := r.decode("bad/cases.json", &cases); err != nil {
		return err
	}
	for _, c := range cases.Cases {
		body, err := r.read("bad/" + c.File)
		if err != nil {
			return err
		}
		want := fmt.Sprintf("%d %s", c.Hullbeam.Status, c.Hullbeam.Code)
		if c.Hullbeam.Code == "" {
			want = "200 next"
		}
		err = with(options{}, func(s *server) error {
			answered, err := s.notify(body)
			r.add("bad/"+c.File, "signed anew", want, answered.said())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// signatures replays the known answers for signatures, each at its time.
func (r *replay) signatures() error {
	const name = "vectors/smart-notifier-signature.json"
	var vectors struct {
		Fixture string `json:"notification_fixture"`
		Headers map[string]string
		Key     string `json:"public_key_pem"`
		Cases   []struct {
			Name, Token string
			Now         int64
			Accepts     any `json:"hullbeam_accepts"` // or "policy": a setting decides
		}
	}
	if err := r.decode(name, &vectors); err != nil {
		return err
	}
	body, err := r.read(vectors.Fixture)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range vectors.Headers {
		header.Set(name, value)
	}
	for _, c := range vectors.Cases {
		header.Set(hull.HeaderSignature, c.Token)
		refusal := hull.ErrInvalidSignature
		if c.Token == "" {
			refusal = hull.ErrMissingSignatureHeaders
		}
		refused := fmt.Sprintf("%d %s", refusal.Status, refusal.Code)
		send := func(sent, want string, o options) error {
			o.now, o.key = time.Unix(c.Now, 0), vectors.Key
			return with(o, func(s *server) error {
				answered, err := s.post("/smart-notifier", body, header)
				r.add(name+" "+c.Name, sent, want, answered.said())
				return err
			})
		}
		want := refused
		if c.Accepts == true && saysWhen(c.Token) {
			want = "200 next"
		}
		if err := send("as it is, at its time", want, options{}); err != nil {
			return err
		}
		if c.Accepts == false || want != refused {
			continue
		}
		if err := send("as it is, at its time, hull.require_iat: false", "200 next", options{noIAT: true}); err != nil {
			return err
		}
	}
	return nil
}

// saysWhen tells whether a signature has an iat.
func saysWhen(token string) bool {
	_, payload, _ := strings.Cut(token, ".")
	payload, _, _ = strings.Cut(payload, ".")
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	return err == nil && decode(string(claims))["iat"] != nil
}
