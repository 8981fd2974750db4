package storetest

import (
	"fmt"
	"time"

	"hullbeam/store"
)

// auditLog: what operators did, the latest first, each entry once, for each connector
// apart and for none.
func (s *suite) auditLog() {
	entry := func(connectorID string, n int) store.AuditEntry {
		return store.AuditEntry{ConnectorID: connectorID, At: s.clock.Now().Add(time.Duration(n/3) * time.Second), Operator: "key:1",
			Address: "192.0.2.1", RequestID: fmt.Sprint("r", n), Action: "offer.send", Target: "o", Result: "ok"}
	}
	want := map[string]store.AuditEntry{}
	for n := range 10 {
		e := entry("c", n)
		want[e.RequestID] = e
		for _, e := range []store.AuditEntry{e, entry("d", n)} {
			if err := s.Audit(s.Context(), e); err != nil {
				s.Fatal(err)
			}
		}
	}
	none := entry("", 0)
	if err := s.Audit(s.Context(), none); err != nil {
		s.Fatal(err)
	}
	s.again()
	read := func(connectorID string, limit int) []store.AuditEntry {
		s.Helper()
		return all(s, limit, func(cursor string) ([]store.AuditEntry, string, error) {
			return s.AuditLog(s.Context(), connectorID, cursor, limit)
		})
	}
	for _, limit := range []int{1, 3, 10, 11} {
		got := map[string]store.AuditEntry{}
		entries := read("c", limit)
		for i, e := range entries {
			got[e.RequestID] = e
			if i > 0 && e.At.After(entries[i-1].At) {
				s.Errorf("%d at a time: %s is younger than the one before", limit, e.RequestID)
			}
		}
		s.diff(fmt.Sprint(limit, " at a time"), got, want)
		if len(entries) != len(want) {
			s.Errorf("%d at a time: %d entries, want %d", limit, len(entries), len(want))
		}
	}
	s.diff("of no connector", read("", 10), []store.AuditEntry{none})
	s.diff("of an unknown one", read("unknown", 10), []store.AuditEntry{})
}
