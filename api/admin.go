package api

import (
	"fmt"
	"time"
)

// Admin says how operators sign in to the pages at /admin/.
type Admin struct {
	// SessionTTL is how long a session lasts. 1m to 720h; default 12h.
	SessionTTL time.Duration `mapstructure:"session_ttl"`
	// SignInsPerAddress is how often one address may try to sign in within a minute,
	// with success or without; as many at once. 0: no bound. 0 to 100000; default 20.
	SignInsPerAddress int `mapstructure:"sign_ins_per_address"`
}

// DefaultAdmin is what holds when nothing is configured.
func DefaultAdmin() Admin { return Admin{SessionTTL: 12 * time.Hour, SignInsPerAddress: 20} }

// Validate names the first key whose value is out of its range.
func (a Admin) Validate() error {
	if a.SessionTTL < time.Minute || a.SessionTTL > 720*time.Hour {
		return fmt.Errorf("admin.session_ttl: %v is out of range: 1m to 720h", a.SessionTTL)
	}
	if a.SignInsPerAddress < 0 || a.SignInsPerAddress > 100_000 {
		return fmt.Errorf("admin.sign_ins_per_address: %d is out of range: 0 to 100000", a.SignInsPerAddress)
	}
	return nil
}
