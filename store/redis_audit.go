package store

import (
	"context"
	"fmt"
)

// auditKey is of what operators did to a connector, by when they did it.
func (c RedisConfig) auditKey(connectorID string) string { return c.key("a", connectorID, "") }

// Audit implements [Audits]. An entry that is there, written before an error, is not written
// again.
func (s *Redis) Audit(ctx context.Context, e AuditEntry) error {
	const doing = "writing to the audit log"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return err
	}
	defer leave()
	ctx = context.WithoutCancel(ctx) // what has begun is not interrupted
	kept := s.cfg.History.AuditRetention
	note := &call{script: noteScript, key: s.cfg.auditKey(e.ConnectorID), args: []any{
		e.At.UnixMicro(), encodeTopics([]string{e.Operator, e.Address, e.RequestID, e.Action, e.Target, e.Result}),
		kept.Milliseconds(), s.oldest(kept),
	}}
	if err := s.run(ctx, doing, []*call{note}); err != nil {
		return err
	}
	return s.replicated(ctx, doing, []string{note.key})
}

// AuditLog implements [Audits].
func (s *Redis) AuditLog(ctx context.Context, connectorID, cursor string, limit int) ([]AuditEntry, string, error) {
	const doing = "reading the audit log"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	lines := []timeline{{key: s.cfg.auditKey(connectorID)}}
	found, next, err := s.list(ctx, doing, "audit", cursor, lines, s.oldest(s.cfg.History.AuditRetention), listedHead, limit)
	if err != nil {
		return nil, "", err
	}
	entries := make([]AuditEntry, len(found))
	for i, e := range found {
		if entries[i], err = decodeAudit(connectorID, e); err != nil {
			return nil, "", fmt.Errorf("%s: %w", doing, err)
		}
	}
	return entries, next, nil
}

func decodeAudit(connectorID string, e entry) (AuditEntry, error) {
	if err := checkFormat(e.member); err != nil {
		return AuditEntry{}, err
	}
	if len(e.member) < listedHead {
		return AuditEntry{}, errDamaged
	}
	texts, err := decodeTopics([]byte(e.member[listedHead:]))
	if err != nil || len(texts) != 6 {
		return AuditEntry{}, errDamaged
	}
	return AuditEntry{
		ConnectorID: connectorID, At: timeOf(e.at), Operator: texts[0], Address: texts[1], RequestID: texts[2],
		Action: texts[3], Target: texts[4], Result: texts[5],
	}, nil
}
