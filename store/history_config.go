package store

import (
	"errors"
	"fmt"
	"time"
)

// HistoryConfig says how much is remembered of visitors and operators. The keys are those
// of config.yaml.
type HistoryConfig struct {
	// Retention (history.retention) is how long a page view is kept, a visitor after the
	// last of them, and an offer after it has expired. 1h to 87600h; default 720h.
	Retention time.Duration `mapstructure:"retention"`
	// ViewsPerVisitor (history.views_per_visitor) bounds the page views that are kept of a
	// person: the latest. 10 to 100000; default 2000.
	ViewsPerVisitor int `mapstructure:"views_per_visitor"`
	// Session (history.session) is how long a visitor may rest in a session. 1m to 24h;
	// default 30m.
	Session time.Duration `mapstructure:"session"`
	// AuditRetention (history.audit_retention) is how long it is known what operators did.
	// 24h to 87600h; default 8760h.
	AuditRetention time.Duration `mapstructure:"audit_retention"`
}

// DefaultHistoryConfig returns the defaults.
func DefaultHistoryConfig() HistoryConfig {
	return HistoryConfig{Retention: 720 * time.Hour, ViewsPerVisitor: 2000, Session: 30 * time.Minute, AuditRetention: 8760 * time.Hour}
}

// Validate returns an error that names each key whose value is out of range.
func (c HistoryConfig) Validate() error {
	var errs []error
	for _, d := range []struct {
		key              string
		value, low, high time.Duration
	}{
		{"retention", c.Retention, time.Hour, 87600 * time.Hour},
		{"session", c.Session, time.Minute, 24 * time.Hour},
		{"audit_retention", c.AuditRetention, 24 * time.Hour, 87600 * time.Hour},
	} {
		if d.value < d.low || d.value > d.high {
			errs = append(errs, fmt.Errorf("history.%s: %v is not between %v and %v", d.key, d.value, d.low, d.high))
		}
	}
	if c.ViewsPerVisitor < 10 || c.ViewsPerVisitor > 100_000 {
		errs = append(errs, fmt.Errorf("history.views_per_visitor: %d is out of range: 10 to 100000", c.ViewsPerVisitor))
	}
	return errors.Join(errs...)
}
