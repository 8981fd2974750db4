package store

import (
	"context"
	"time"
)

// Audits is the memory of what operators have done, without secrets. An entry is kept for
// HistoryConfig.AuditRetention.
type Audits interface {
	// Audit writes an entry.
	Audit(ctx context.Context, e AuditEntry) error

	// AuditLog returns a connector's entries, the latest first, as RecentVisitors does. A
	// connector of "" has those that concern none.
	AuditLog(ctx context.Context, connectorID, cursor string, limit int) (entries []AuditEntry, next string, err error)
}

// AuditEntry is something that an operator did.
type AuditEntry struct {
	ConnectorID string
	At          time.Time // UTC
	Operator    string    // who: key:… or hull:…
	Address     string    // from where
	RequestID   string
	Action      string // such as offer.send
	Target      string // to whom or what
	Result      string // ok, or the code of the problem
}
