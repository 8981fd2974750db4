package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hullbeam/hull"
	"hullbeam/store"
)

// connectorBody is what an operator makes of a connector. What is not there is empty,
// but for secrets, which are kept, and are removed by null.
type connectorBody struct {
	Organization    string                     `json:"organization"`
	Secret          json.RawMessage            `json:"secret"`
	Settings        map[string]json.RawMessage `json:"settings"`
	PrivateSettings map[string]json.RawMessage `json:"private_settings"`
}

// maxConnector bounds the body of a PUT of a connector, in bytes.
const maxConnector = 1 << 20

// putConnector makes a connector as the operator says, on all nodes and for open streams.
func (s *Server) putConnector(c *gin.Context) {
	note(c, "connector.put", "")
	conn, made, err := s.setConnector(c)
	switch {
	case err != nil:
		s.fail(c, err)
	case made:
		c.JSON(http.StatusCreated, conn.shown())
	default:
		c.JSON(http.StatusOK, conn.shown())
	}
}

func (s *Server) setConnector(c *gin.Context) (conn *connector, made bool, err error) {
	body, err := readText(c, maxConnector)
	if err != nil {
		return nil, false, err
	}
	req := &connectorBody{}
	if err := decode(body, "invalid_request", req); err != nil {
		return nil, false, err
	}
	ctx, id := c.Request.Context(), c.Param("connector")
	if err := s.checkConnector(id, req); err != nil {
		return nil, false, err
	}
	if operatorOf(c).may("") {
		conn, made, err = s.connectors.learn(ctx, req.over(store.Connector{ID: id, UpdatedAt: s.now()}))
	} else { // who is for one connector makes none, also when it was deleted since they were let in
		conn, err = s.connectors.get(ctx, id)
	}
	if err != nil || made {
		return conn, made, err
	}
	if err := mayReplace(operatorOf(c), conn, req); err != nil {
		return nil, false, err
	}
	err = s.editConnector(ctx, conn, func(known profile) store.Connector {
		record := req.over(known.record)
		record.UpdatedAt = later(known.record.UpdatedAt, s.now())
		return record
	})
	if errors.Is(err, errUnknownConnector) || errors.Is(err, errOutdated) {
		err = newProblem("unavailable", "The connector is being changed by somebody else.").shed()
	}
	return conn, false, err
}

// checkConnector points at what is wrong. Settings that mean nothing to us may be there,
// with any value.
func (s *Server) checkConnector(id string, req *connectorBody) error {
	wrong := newProblem("invalid_request", "The connector cannot be as it is described.")
	if !ValidConnectorID(id) {
		return newProblem("invalid_request", "A connector's id is 1 to 64 of A-Za-z0-9_-.")
	}
	req.Organization = strings.ToLower(strings.TrimSpace(req.Organization))
	if o := req.Organization; o != "" && !hull.HostUnder(o, []string{o}) && !s.accepts(o) {
		wrong.at("/organization", "is a host name such as acme.hullapp.io, or empty")
	}
	if secret, ok := req.secret(); !ok || secret == "" && req.Secret != nil && !isNull(req.Secret) {
		wrong.at("/secret", "is a text; leave it out to keep it, and send null to remove it")
	}
	public, _ := json.Marshal(req.Settings)
	private, _ := json.Marshal(req.PrivateSettings)
	for _, name := range hull.ReviewSettings(public, private).Wrong {
		isPrivate := slices.ContainsFunc(hull.SettingList, func(s hull.Setting) bool { return s.Name == name && s.Private })
		pointer := "/settings/"
		if isPrivate {
			pointer = "/private_settings/"
		}
		wrong.at(pointer+name, "has a value of the wrong type")
	}
	if len(wrong.Errors) > 0 {
		return wrong
	}
	return nil
}

// secret is the new secret; "": there is none. ok is false when it is no text.
func (r *connectorBody) secret() (text string, ok bool) {
	if r.Secret == nil || isNull(r.Secret) {
		return "", true
	}
	err := json.Unmarshal(r.Secret, &text)
	return text, err == nil
}

func isNull(value json.RawMessage) bool { return string(value) == "null" }

// over is the record of a connector as it is to be, after one that is known.
func (r *connectorBody) over(known store.Connector) store.Connector {
	record := known
	record.Organization = r.Organization
	if r.Secret != nil {
		record.Secret, _ = r.secret()
	}
	record.Settings, _ = json.Marshal(orEmpty(r.Settings))
	record.PrivateSettings, _ = json.Marshal(r.withHidden(known.PrivateSettings))
	return record
}

// withHidden are the private settings, with those of before that operators are not shown
// and have not said anything of.
func (r *connectorBody) withHidden(before []byte) map[string]json.RawMessage {
	settings := make(map[string]json.RawMessage, len(r.PrivateSettings))
	stored, shown := map[string]json.RawMessage{}, hull.WithoutSecrets(before)
	if len(before) > 0 {
		_ = json.Unmarshal(before, &stored) // what is no object has no settings
	}
	for name, value := range stored {
		if _, isShown := shown[name]; !isShown {
			settings[name] = value
		}
	}
	for name, value := range r.PrivateSettings {
		if settings[name] = value; isNull(value) {
			delete(settings, name)
		}
	}
	return settings
}

func orEmpty(m map[string]json.RawMessage) map[string]json.RawMessage {
	if m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}

// mayReplace keeps who is let in for one connector from changing whose it is: the secret and
// the organization are for those with a key for all.
func mayReplace(who operator, conn *connector, req *connectorBody) error {
	if who.may("") {
		return nil
	}
	if req.Secret != nil {
		return newProblem("forbidden", "The secret is changed in Hull, or with a key for all connectors.").at("/secret", "is to be left out")
	}
	if o := conn.credentials().Organization; req.Organization != o {
		return newProblem("forbidden", "The organization is changed with a key for all connectors.").at("/organization", "is to stay as it is")
	}
	return nil
}
