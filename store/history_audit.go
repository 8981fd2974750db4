package store

import (
	"context"
	"database/sql/driver"
)

// Audit implements [Audits].
func (h *history) Audit(ctx context.Context, e AuditEntry) error {
	return h.record(ctx, "writing to the audit log", 1, func(w *conn) error {
		connector, err := w.makeConnectorKey(e.ConnectorID)
		if err != nil {
			return err
		}
		_, err = w.exec(`INSERT INTO audit (connector, at, operator, address, request, action, target, result)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			connector, e.At.UnixMicro(), e.Operator, e.Address, e.RequestID, e.Action, e.Target, e.Result)
		return err
	})
}

var auditLog = list{letter: 'a', keys: 2, n: 9, query: `SELECT operator, address, request, action, target, result, at, at, key FROM audit
	WHERE connector = ? AND (at, key) < (?, ?) ORDER BY at DESC, key DESC LIMIT ?`}

// AuditLog implements [Audits].
func (h *history) AuditLog(ctx context.Context, connectorID, cursor string, limit int) (entries []AuditEntry, next string, err error) {
	at, err := auditLog.place(cursor)
	if err != nil {
		return nil, "", err
	}
	err = h.of(ctx, "reading the audit log", connectorID, func(c *conn, connector int64) error {
		next, err = auditLog.read(c, at, limit, func(row []driver.Value) {
			entries = append(entries, AuditEntry{
				ConnectorID: connectorID, At: fromMicro(row[6]),
				Operator: row[0].(string), Address: row[1].(string), RequestID: row[2].(string),
				Action: row[3].(string), Target: row[4].(string), Result: row[5].(string),
			})
		}, connector)
		return err
	})
	return entries, next, err
}
