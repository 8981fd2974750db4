package hull

import (
	"encoding/json"
	"time"
)

// ConnectorState is what Hull says of a connector. Settings and PrivateSettings
// are objects, parts of the text that was parsed; one that is nil was absent
// or null, and says nothing.
type ConnectorState struct {
	ID              string // that of the configuration, or empty
	Settings        json.RawMessage
	PrivateSettings json.RawMessage
	UpdatedAt       time.Time // zero: absent or unreadable
}

// HasSettings tells whether c says anything of the connector's settings.
func (c *ConnectorState) HasSettings() bool {
	return c != nil && (c.Settings != nil || c.PrivateSettings != nil)
}

// connectorAmong is the connector of that id in the messages of ship:update,
// which Hull says beside the envelope's own (docs/hull-protocol.md 2.9); nil when
// it is not there.
func connectorAmong(messages []byte, id string) *ConnectorState {
	for raw := range elements(messages) {
		if c, err := parseConnector(raw); err == nil && c != nil && c.ID == id {
			return c
		}
	}
	return nil
}

// parseConnector returns nil when Hull does not say.
func parseConnector(raw []byte) (*ConnectorState, error) {
	if isNone(raw) {
		return nil, nil
	}
	if kindOf(raw) != '{' {
		return nil, ErrInvalidNotification.Because("connector is not an object")
	}
	var id, settings, private, updatedAt []byte
	for name, value := range members(raw) {
		switch string(name) {
		case "id":
			id = value
		case "settings":
			settings = value
		case "private_settings":
			private = value
		case "updated_at":
			updatedAt = value
		}
	}
	switch {
	case !isNone(id) && kindOf(id) != '"':
		return nil, ErrInvalidNotification.Because("connector.id is not a string")
	case !isNone(settings) && kindOf(settings) != '{':
		return nil, ErrInvalidNotification.Because("connector.settings is not an object")
	case !isNone(private) && kindOf(private) != '{':
		return nil, ErrInvalidNotification.Because("connector.private_settings is not an object")
	}
	return &ConnectorState{
		ID:              textOrNone(id),
		Settings:        only('{', settings),
		PrivateSettings: only('{', private),
		UpdatedAt:       parseTime(updatedAt),
	}, nil
}

// ParseConnector reads what Hull's REST API says of a connector (GET app). Its
// errors are ErrInvalidNotification with a reason.
func ParseConnector(app []byte) (*ConnectorState, error) {
	app, err := readJSON(app, DefaultDepth)
	if err != nil {
		return nil, ErrInvalidNotification.Because("connector: " + err.Error())
	}
	c, err := parseConnector(app)
	if err == nil && c == nil {
		err = ErrInvalidNotification.Because("no connector")
	}
	return c, err
}
