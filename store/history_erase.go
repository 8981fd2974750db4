package store

import (
	"context"
	"database/sql/driver"
)

// EraseVisitors implements [Visitors]. A visitor that is not known is noted as erased,
// too: what it did may be on its way.
func (h *history) EraseVisitors(ctx context.Context, connectorID string, of []Person) error {
	return h.record(ctx, "erasing visitors", len(of), func(w *conn) error {
		connector, err := w.makeConnectorKey(connectorID)
		if err != nil {
			return err
		}
		for _, person := range of {
			if err := h.erase(w, connector, person); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *history) erase(w *conn, connector int64, of Person) error {
	persons, err := w.persons(connector, of)
	if err != nil {
		return err
	}
	var visitors, users []string
	if of.UserID != "" {
		users = append(users, of.UserID)
	}
	if known, err := w.visitorKnown(connector, of.Visitor); err != nil {
		return err
	} else if !known && of.Visitor != "" {
		visitors = append(visitors, of.Visitor)
	}
	for _, person := range persons {
		err := w.each(2, func(row []driver.Value) error {
			visitors = append(visitors, row[0].(string))
			if user := text(row[1]); user != "" {
				users = append(users, user)
			}
			return nil
		}, "SELECT v.id, p.user"+visitorTable+"WHERE v.person = ?", person)
		if err != nil {
			return err
		}
		if err := h.erasePerson(w, person); err != nil {
			return err
		}
	}
	for _, visitor := range visitors {
		if _, err := w.exec("INSERT OR REPLACE INTO erased (connector, visitor, at) VALUES (?, ?, ?)",
			connector, visitor, h.now().UnixMicro()); err != nil {
			return err
		}
	}
	return w.eraseOffers(connector, append(users, visitors...))
}

func (c *conn) visitorKnown(connector int64, id string) (bool, error) {
	row, err := c.first(1, "SELECT 1 FROM visitors WHERE connector = ? AND id = ?", connector, id)
	return row != nil, err
}

func (h *history) erasePerson(w *conn, person int64) error {
	delete(h.kept, person)
	for _, query := range []string{
		"DELETE FROM pages WHERE person = ?",
		"DELETE FROM visitors WHERE person = ?",
		"DELETE FROM persons WHERE key = ?",
	} {
		if _, err := w.exec(query, person); err != nil {
			return err
		}
	}
	return nil
}

// eraseOffers forgets the offers about somebody, and what became of others to them.
func (c *conn) eraseOffers(connector int64, names []string) error {
	for _, name := range names {
		var offers []int64
		err := c.each(1, func(row []driver.Value) error {
			offers = append(offers, row[0].(int64))
			return nil
		}, "SELECT offer FROM abouts WHERE connector = ? AND about = ?", connector, name)
		if err != nil {
			return err
		}
		for _, offer := range offers {
			if _, err := c.exec("DELETE FROM deliveries WHERE offer = ?", offer); err != nil {
				return err
			}
			if err := c.deleteOffer(offer); err != nil {
				return err
			}
		}
		if _, err := c.exec("DELETE FROM deliveries WHERE connector = ? AND person = ?", connector, name); err != nil {
			return err
		}
	}
	return nil
}

// deleteOffer deletes an offer that has no deliveries.
func (c *conn) deleteOffer(key int64) error {
	if _, err := c.exec("DELETE FROM abouts WHERE offer = ?", key); err != nil {
		return err
	}
	_, err := c.exec("DELETE FROM offers WHERE key = ?", key)
	return err
}
