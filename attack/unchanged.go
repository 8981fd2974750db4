package attack

import (
	"encoding/json"
	"strings"
)

// state is what an attack must not change, each part as text.
type state struct {
	parts map[string]string
	audit map[string]map[string]bool // what is noted of each connector, by request and action
	bait  int64
}

// look takes down all that there is to see, with an admin key and as the victim's page.
func (x *try) look() (s state) {
	s = state{parts: map[string]string{}, audit: map[string]map[string]bool{}, bait: x.Bait.Bites()}
	x.protect(func(x *try) {
		for _, c := range []*connector{&x.victim, &x.foe} {
			x.lookAt(c, &s)
		}
		s.parts["the connectors"] = x.connectorIDs()
		page := x.first(x.victim.token)
		s.parts["what the victim's page is told"] = page.kind + " " + page.id + " " + page.data
	})
	return s
}

func (x *try) lookAt(c *connector, s *state) {
	name, _, _ := strings.Cut(c.domain, ".")
	s.parts["the settings of the "+name] = x.admin(c.route(""))
	var explained struct {
		User    json.RawMessage `json:"user"`
		Payload json.RawMessage `json:"payload"`
	}
	json.Unmarshal([]byte(x.admin(c.userRoute("email:"+c.email))), &explained)
	s.parts["the user of the "+name] = string(explained.User) + string(explained.Payload)
	s.parts["the offers of the "+name] = x.admin(c.route("/offers"))
	s.parts["the timeline of the "+name+"'s visitor"] = x.admin(c.route("/visitors/" + c.visitor + "/pages"))
	noted := map[string]bool{}
	for _, entry := range x.auditOf(c.route("/audit?limit=500")) {
		noted[entry.RequestID+" "+entry.Action+" "+entry.Result] = entry.Result == "ok" && !strings.HasPrefix(entry.Action, "session.")
	}
	s.audit[name] = noted
}

// admin is what an admin key is answered.
func (x *try) admin(path string) string {
	return string(x.silently(func() *answer { return x.send(get(path).key(x.AdminKey)).taken(200) }).body)
}

// silently keeps what is asked out of the table.
func (x *try) silently(ask func() *answer) *answer {
	said := x.said
	defer func() { x.said = said }()
	return ask()
}

type auditEntry struct {
	RequestID string `json:"request_id"`
	Action    string `json:"action"`
	Address   string `json:"address"`
	Operator  string `json:"operator"`
	Target    string `json:"target"`
	Result    string `json:"result"`
}

func (x *try) auditOf(path string) []auditEntry {
	var list struct{ Items []auditEntry }
	if err := json.Unmarshal([]byte(x.admin(path)), &list); err != nil {
		x.stop("the audit log cannot be read: %v", err)
	}
	return list.Items
}

// connectorIDs lists all there are, of however many parts the list is.
func (x *try) connectorIDs() string {
	var ids []string
	for path := "/api/v1/connectors?limit=500"; path != ""; {
		var list struct {
			Items []struct{ ID string }
			Next  string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(x.admin(path)), &list); err != nil {
			x.stop("the connectors cannot be listed: %v", err)
		}
		for _, item := range list.Items {
			ids = append(ids, item.ID)
		}
		if path = ""; list.Next != "" {
			path = "/api/v1/connectors?limit=500&cursor=" + list.Next
		}
	}
	return strings.Join(ids, " ")
}

// unchanged looks again, and asks that all is as it was before, but for what the audit log
// says was refused. It leaves in before what there is now.
func (x *try) unchanged(before *state) {
	after := x.look()
	defer func() { *before = after }()
	for what, was := range before.parts {
		if is := after.parts[what]; is != was {
			x.fault("%s changed: from %.300s to %.300s", what, was, is)
		}
	}
	for name, noted := range after.audit {
		for entry, changes := range noted {
			if _, old := before.audit[name][entry]; changes && !old && !x.mayChange {
				x.fault("the audit log of the %s has a change: %s", name, entry)
			}
		}
	}
	if bites := after.bait - before.bait; bites > 0 {
		x.fault("the server connected to the bait %d times", bites)
	}
}
