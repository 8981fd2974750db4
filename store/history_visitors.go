package store

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

// recentViews is of how many views of a visitor it is known that they came.
const recentViews = 64

// visitor is what has to be known of one to write what it did. Times are microseconds
// since 1970, but for session and latest, which are milliseconds.
type visitor struct {
	key, connector, person int64
	erased                 int64
	first, last            int64
	views                  int64
	session, latest        int64
	emailAt                int64
	recent                 []byte
}

// Record implements [Visitors].
func (h *history) Record(ctx context.Context, visits []Visit) ([]bool, error) {
	news := make([]bool, len(visits))
	err := h.record(ctx, "recording visits", len(visits), func(w *conn) error {
		for i, v := range visits {
			var err error
			if news[i], err = h.visit(w, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return news, nil
}

// visit writes a visit and tells whether it was news.
func (h *history) visit(w *conn, v Visit) (bool, error) {
	r, err := h.visitor(w, v.ConnectorID, v.Visitor, v.At)
	if r == nil || err != nil {
		return false, err
	}
	if v.View != nil && !r.remember(v.View.ID) {
		return false, nil
	}
	if v.Email != "" && v.At.UnixMicro() >= r.emailAt {
		_, err := w.exec("UPDATE visitors SET email = ?, email_at = ? WHERE key = ?", v.Email, v.At.UnixMicro(), r.key)
		if err != nil {
			return false, err
		}
	}
	if v.View == nil {
		return true, r.saw(w)
	}
	return true, h.view(w, r, v)
}

// visitor returns the one of that id as seen at that time, made if need be; nil if it
// was erased since.
func (h *history) visitor(w *conn, connectorID, id string, at time.Time) (*visitor, error) {
	connector, err := w.makeConnectorKey(connectorID)
	if err != nil {
		return nil, err
	}
	us := at.UnixMicro()
	found, err := w.first(10, `SELECT key, person, erased, first_seen, last_seen, views, session, latest_at, email_at, recent
		FROM visitors WHERE connector = ? AND id = ?`, connector, id)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return newVisitor(w, connector, id, us)
	}
	r := &visitor{connector: connector, recent: blob(found[9])}
	for i, field := range []*int64{&r.key, &r.person, &r.erased, &r.first, &r.last, &r.views, &r.session, &r.latest, &r.emailAt} {
		*field = found[i].(int64)
	}
	if us < r.erased {
		return nil, nil
	}
	r.first, r.last = min(r.first, us), max(r.last, us)
	return r, nil
}

func newVisitor(w *conn, connector int64, id string, at int64) (*visitor, error) {
	r := &visitor{connector: connector, first: at, last: at}
	tombstone, err := w.first(1, "SELECT at FROM erased WHERE connector = ? AND visitor = ?", connector, id)
	if err != nil {
		return nil, err
	}
	if tombstone != nil {
		if r.erased = tombstone[0].(int64); at < r.erased {
			return nil, nil
		}
	}
	if r.person, err = w.insert("INSERT INTO persons (connector) VALUES (?)", connector); err != nil {
		return nil, err
	}
	r.key, err = w.insert("INSERT INTO visitors (connector, id, person, erased, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?)",
		connector, id, r.person, r.erased, at, at)
	return r, err
}

// remember notes that a view came, and tells whether it was not noted before.
func (r *visitor) remember(view string) bool {
	f := fnv.New64a()
	f.Write([]byte(view))
	id := f.Sum64()
	for hashes := r.recent; len(hashes) >= 8; hashes = hashes[8:] {
		if binary.LittleEndian.Uint64(hashes) == id {
			return false
		}
	}
	r.recent = binary.LittleEndian.AppendUint64(slices.Clone(r.recent), id)
	r.recent = r.recent[max(0, len(r.recent)-8*recentViews):]
	return true
}

// saw writes when the visitor was seen.
func (r *visitor) saw(w *conn) error {
	_, err := w.exec("UPDATE visitors SET first_seen = ?, last_seen = ? WHERE key = ?", r.first, r.last, r.key)
	return err
}

// view writes a view of the visitor.
func (h *history) view(w *conn, r *visitor, v Visit) error {
	p, at := v.View, v.At.UnixMilli()
	session := at
	if r.latest != 0 && max(r.latest-at, at-r.latest) <= h.cfg.Session.Milliseconds() {
		session = r.session
	}
	r.views++
	_, err := w.exec(`INSERT INTO pages (person, at, visitor, n, session, id, local_time, url, title, referrer)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.person, at, r.key, r.views, session, p.ID, p.LocalTime, p.URL, p.Title, p.Referrer)
	if err != nil {
		return err
	}
	if at < r.latest {
		_, err = w.exec("UPDATE visitors SET first_seen = ?, last_seen = ?, views = ?, recent = ? WHERE key = ?",
			r.first, r.last, r.views, r.recent, r.key)
	} else {
		_, err = w.exec(`UPDATE visitors SET first_seen = ?, last_seen = ?, views = ?, recent = ?, session = ?,
			latest_at = ?, latest_id = ?, local_time = ?, url = ?, title = ?, referrer = ? WHERE key = ?`,
			r.first, r.last, r.views, r.recent, session, at, p.ID, p.LocalTime, p.URL, p.Title, p.Referrer, r.key)
	}
	if err != nil {
		return err
	}
	return h.keep(w, r.person, 1, at)
}

// The columns of a Visitor, in the order in which readVisitor reads them.
const (
	visitorColumns = `v.id, p.user, v.email, v.email_at, v.first_seen, v.last_seen, v.views,
		v.latest_at, v.latest_id, v.local_time, v.session, v.url, v.title, v.referrer, v.key`
	visitorCount = 15
	visitorTable = " FROM visitors v JOIN persons p ON p.key = v.person "
)

func readVisitor(row []driver.Value) Visitor {
	v := Visitor{
		ID:        row[0].(string),
		UserID:    text(row[1]),
		Email:     row[2].(string),
		FirstSeen: fromMicro(row[4]),
		LastSeen:  fromMicro(row[5]),
		Views:     int(row[6].(int64)),
	}
	if v.Email != "" {
		v.EmailAt = fromMicro(row[3])
	}
	if at := row[7].(int64); at != 0 {
		v.Latest = PageView{
			ID: row[8].(string), Visitor: v.ID, At: fromMilli(at), LocalTime: row[9].(string),
			Session: sessionName(row[10].(int64), row[14].(int64)),
			URL:     row[11].(string), Title: row[12].(string), Referrer: row[13].(string),
		}
	}
	return v
}

// sessionName is unique among those of a person, whose visitors may begin at once.
func sessionName(start, visitor int64) string {
	return "s_" + strconv.FormatInt(start, 36) + "_" + strconv.FormatInt(visitor, 36)
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// text is the value of a column that may be NULL.
func text(v driver.Value) string {
	s, _ := v.(string)
	return s
}

// Visitors implements [Visitors].
func (h *history) Visitors(ctx context.Context, connectorID string, visitors []string) ([]Visitor, error) {
	var found []Visitor
	err := h.of(ctx, "reading visitors", connectorID, func(c *conn, connector int64) error {
		for _, id := range visitors {
			row, err := c.first(visitorCount, "SELECT "+visitorColumns+visitorTable+"WHERE v.connector = ? AND v.id = ?", connector, id)
			if err != nil {
				return err
			}
			if row != nil {
				found = append(found, readVisitor(row))
			}
		}
		return nil
	})
	return found, err
}

// VisitorsOf implements [Visitors].
func (h *history) VisitorsOf(ctx context.Context, connectorID, userID string) ([]Visitor, error) {
	var found []Visitor
	err := h.of(ctx, "reading a user's visitors", connectorID, func(c *conn, connector int64) error {
		return c.each(visitorCount, func(row []driver.Value) error {
			found = append(found, readVisitor(row))
			return nil
		}, "SELECT "+visitorColumns+visitorTable+`WHERE p.connector = ? AND p.user = ?
			ORDER BY v.last_seen DESC, v.key DESC LIMIT 100`, connector, userID)
	})
	return found, err
}

var recentVisitors = list{letter: 'v', keys: 2, n: visitorCount + 2,
	query: "SELECT " + visitorColumns + ", v.last_seen, v.key" + visitorTable + `
		WHERE v.connector = ? AND (v.last_seen, v.key) < (?, ?) ORDER BY v.last_seen DESC, v.key DESC LIMIT ?`}

// RecentVisitors implements [Visitors].
func (h *history) RecentVisitors(ctx context.Context, connectorID, cursor string, limit int) (visitors []Visitor, next string, err error) {
	at, err := recentVisitors.place(cursor)
	if err != nil {
		return nil, "", err
	}
	err = h.of(ctx, "reading recent visitors", connectorID, func(c *conn, connector int64) error {
		next, err = recentVisitors.read(c, at, limit, func(row []driver.Value) {
			visitors = append(visitors, readVisitor(row))
		}, connector)
		return err
	})
	return visitors, next, err
}

// of calls do for reading what there is of a connector, if there is anything.
func (h *history) of(ctx context.Context, doing, connectorID string, do func(c *conn, connector int64) error) error {
	return h.file.read(ctx, doing, func(c *conn) error {
		return c.reading(func() error {
			connector, ok, err := c.connectorKey(connectorID)
			if !ok || err != nil {
				return err
			}
			return do(c, connector)
		})
	})
}

// makeConnectorKey returns the key of the connector with that id, made if need be.
func (c *conn) makeConnectorKey(id string) (int64, error) {
	key, ok, err := c.connectorKey(id)
	if ok || err != nil {
		return key, err
	}
	return c.insert("INSERT INTO connector_keys (id) VALUES (?)", id)
}

// insert inserts a row and returns its key.
func (c *conn) insert(query string, args ...driver.Value) (int64, error) {
	result, err := c.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}
