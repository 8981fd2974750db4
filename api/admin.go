package api

import (
	"fmt"
	"time"
)

// Admin says how operators sign in to the pages at /admin/.
type Admin struct {
	// SessionTTL is how long a session lasts. 1m to 720h; default 12h.
	SessionTTL time.Duration `mapstructure:"session_ttl"`
}

// DefaultAdmin is what holds when nothing is configured.
func DefaultAdmin() Admin { return Admin{SessionTTL: 12 * time.Hour} }

// Validate names the first key whose value is out of its range.
func (a Admin) Validate() error {
	if a.SessionTTL < time.Minute || a.SessionTTL > 720*time.Hour {
		return fmt.Errorf("admin.session_ttl: %v is out of range: 1m to 720h", a.SessionTTL)
	}
	return nil
}
