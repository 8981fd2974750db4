package store

import (
	"context"
	"math"
)

// kept is what is kept of a person's views.
type kept struct {
	views  int64
	oldest int64 // persons.oldest; none is older
}

// keptPersons bounds those whose kept is in memory; beyond it, they are counted again.
const keptPersons = 100_000

// keep notes that n views were added to a person, the oldest of them from at, and deletes
// those beyond the bound.
func (h *history) keep(w *conn, person, n, at int64) error {
	k, err := h.keptOf(w, person, n)
	if err != nil {
		return err
	}
	k.views += n
	if at < k.oldest {
		k.oldest = at
		if _, err := w.exec("UPDATE persons SET oldest = ? WHERE key = ?", at, person); err != nil {
			return err
		}
	}
	excess := k.views - int64(h.cfg.ViewsPerVisitor)
	if excess <= 0 {
		return nil
	}
	k.views -= excess
	_, err = w.exec(`DELETE FROM pages WHERE person = ?1 AND (at, visitor, n) <=
		(SELECT at, visitor, n FROM pages WHERE person = ?1 ORDER BY at, visitor, n LIMIT 1 OFFSET ?2)`, person, excess-1)
	return err
}

// keptOf returns what is kept of a person without the n views that were just added.
func (h *history) keptOf(w *conn, person, n int64) (*kept, error) {
	if k, ok := h.kept[person]; ok {
		return k, nil
	}
	row, err := w.first(2, "SELECT (SELECT count(*) FROM pages WHERE person = key), oldest FROM persons WHERE key = ?", person)
	if err != nil {
		return nil, err
	}
	k := &kept{views: row[0].(int64) - n, oldest: math.MaxInt64}
	if oldest, ok := row[1].(int64); ok {
		k.oldest = oldest
	}
	if len(h.kept) >= keptPersons {
		clear(h.kept)
	}
	h.kept[person] = k
	return k, nil
}

// Join implements [Visitors]. To be joined is to be seen.
func (h *history) Join(ctx context.Context, joins []Join) error {
	return h.record(ctx, "joining visitors to users", len(joins), func(w *conn) error {
		for _, j := range joins {
			if err := h.join(w, j); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *history) join(w *conn, j Join) error {
	r, err := h.visitor(w, j.ConnectorID, j.Visitor, j.At)
	if r == nil || err != nil {
		return err
	}
	if err := r.saw(w); err != nil {
		return err
	}
	user, err := makePerson(w, r.connector, j.UserID)
	if user == r.person || err != nil {
		return err
	}
	before := r.person
	if _, err := w.exec("UPDATE visitors SET person = ? WHERE key = ?", user, r.key); err != nil {
		return err
	}
	anonymous, err := w.first(1, "SELECT oldest FROM persons WHERE key = ? AND user IS NULL", before)
	if err != nil {
		return err
	}
	if anonymous != nil {
		if err := h.move(w, before, user, anonymous[0]); err != nil {
			return err
		}
	} else if err := r.forgetFormer(w); err != nil {
		return err
	}
	return h.tidy(w, before)
}

// forgetFormer drops from a visitor what the person whom it was until now has typed and
// looked at last: it is not the next one's, and has to go when the former is erased.
func (r *visitor) forgetFormer(w *conn) error {
	_, err := w.exec(`UPDATE visitors SET email = '', email_at = 0, session = 0, latest_at = 0, latest_id = '', local_time = '',
		url = '', title = '', referrer = '' WHERE key = ?`, r.key)
	return err
}

// move makes the views of an anonymous visitor a user's.
func (h *history) move(w *conn, from, to int64, oldest any) error {
	moved, err := w.exec("UPDATE pages SET person = ? WHERE person = ?", to, from)
	if err != nil {
		return err
	}
	n, err := moved.RowsAffected()
	if n == 0 || err != nil {
		return err
	}
	if _, err := w.exec("UPDATE persons SET oldest = NULL WHERE key = ?", from); err != nil {
		return err
	}
	delete(h.kept, from)
	return h.keep(w, to, n, oldest.(int64))
}

// makePerson returns the key of a user, made if need be.
func makePerson(w *conn, connector int64, userID string) (int64, error) {
	key, err := w.person(connector, userID)
	if key != 0 || err != nil {
		return key, err
	}
	return w.insert("INSERT INTO persons (connector, user) VALUES (?, ?)", connector, userID)
}

// person returns the key of a user; 0: there is none.
func (c *conn) person(connector int64, userID string) (int64, error) {
	row, err := c.first(1, "SELECT key FROM persons WHERE connector = ? AND user = ?", connector, userID)
	if row == nil || err != nil {
		return 0, err
	}
	return row[0].(int64), nil
}

// tidy forgets a person who has neither views nor visitors.
func (h *history) tidy(w *conn, person int64) error {
	gone, err := w.exec(`DELETE FROM persons WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM pages WHERE person = ?1)
		AND NOT EXISTS (SELECT 1 FROM visitors WHERE person = ?1)`, person)
	if err != nil {
		return err
	}
	if n, err := gone.RowsAffected(); n == 0 || err != nil {
		return err
	}
	delete(h.kept, person)
	return nil
}

// persons returns the keys under which a person's views are: a user's, and those of a
// visitor that was not joined yet. A visitor alone is whoever it has been joined to since.
func (c *conn) persons(connector int64, of Person) ([]int64, error) {
	var keys []int64
	if of.UserID != "" {
		key, err := c.person(connector, of.UserID)
		if err != nil {
			return nil, err
		}
		if key != 0 {
			keys = append(keys, key)
		}
	}
	if of.Visitor == "" {
		return keys, nil
	}
	row, err := c.first(2, "SELECT p.key, p.user"+visitorTable+"WHERE v.connector = ? AND v.id = ?", connector, of.Visitor)
	if row == nil || err != nil {
		return keys, err
	}
	if of.UserID == "" || row[1] == nil {
		keys = append(keys, row[0].(int64))
	}
	return keys, nil
}
