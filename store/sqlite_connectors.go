package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
)

// secrets is what of a connector is sealed, with its id as context, so that one
// connector's secrets cannot be put in the place of another's.
type secrets struct {
	Secret          string `json:"secret"`
	PrivateSettings []byte `json:"private_settings"`
	// Deleted: there is nothing else, and the connector is not there any more.
	Deleted bool `json:"deleted,omitempty"`
}

// The columns of a Connector, in the order in which connector reads them.
const connectorColumns = "id, organization, settings, sealed, updated_at, config_digest, segments"

func (s *SQLite) connector(row []driver.Value) (Connector, error) {
	c := Connector{
		ID:           row[0].(string),
		Organization: row[1].(string),
		Settings:     blob(row[2]),
		UpdatedAt:    fromMicro(row[4]),
		ConfigDigest: row[5].(string),
		Segments:     blob(row[6]),
	}
	opened, err := openSecrets(s.sealer, c.ID, blob(row[3]))
	if err != nil {
		return Connector{}, err
	}
	if opened.Deleted {
		return Connector{}, ErrDeleted
	}
	c.Secret, c.PrivateSettings = opened.Secret, opened.PrivateSettings
	return c, nil
}

// Connector implements [Store].
func (s *SQLite) Connector(ctx context.Context, id string) (Connector, error) {
	var c Connector
	err := s.read(ctx, "connector "+id, func(db *conn) error {
		found, err := db.first(7, "SELECT "+connectorColumns+" FROM connectors WHERE id = ?", id)
		if err != nil {
			return err
		}
		if found == nil {
			return ErrNotFound
		}
		c, err = s.connector(found)
		return err
	})
	return c, err
}

// Connectors implements [Store].
func (s *SQLite) Connectors(ctx context.Context) ([]Connector, error) {
	var connectors []Connector
	var sealed []error
	err := s.read(ctx, "reading the connectors", func(db *conn) error {
		return db.each(7, func(row []driver.Value) error {
			c, err := s.connector(row)
			if errors.Is(err, ErrDeleted) {
				return nil
			} else if err != nil {
				sealed = append(sealed, fmt.Errorf("connector %s: %w", row[0], err))
				return nil
			}
			connectors = append(connectors, c)
			return nil
		}, "SELECT "+connectorColumns+" FROM connectors ORDER BY id")
	})
	if err != nil {
		return nil, err
	}
	return connectors, errors.Join(sealed...)
}

// PutConnector implements [Store].
func (s *SQLite) PutConnector(ctx context.Context, c Connector) (stored bool, err error) {
	return s.putConnector(ctx, c, secrets{c.Secret, c.PrivateSettings, false})
}

// DeleteConnector implements [Store].
func (s *SQLite) DeleteConnector(ctx context.Context, id string) error {
	_, err := s.putConnector(ctx, Connector{ID: id}, secrets{Deleted: true})
	return err
}

func (s *SQLite) putConnector(ctx context.Context, c Connector, secret secrets) (stored bool, err error) {
	plaintext, err := json.Marshal(secret)
	if err != nil {
		return false, err
	}
	sealed := s.sealer.Seal(plaintext, []byte(c.ID))
	err = s.write(ctx, "writing connector "+c.ID, func(w *conn) error {
		updatedAt := unknown
		found, err := w.first(1, "SELECT updated_at FROM connectors WHERE id = ?", c.ID)
		if err != nil {
			return err
		}
		if found != nil {
			updatedAt = found[0].(int64)
		}
		updatedAt, stale := settle(c.UpdatedAt, updatedAt, s.now())
		if stale {
			return nil
		}
		stored = true
		_, err = w.exec("INSERT INTO connectors ("+connectorColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET organization = excluded.organization, settings = excluded.settings,
				sealed = excluded.sealed, updated_at = excluded.updated_at, segments = excluded.segments,
				config_digest = ifnull(nullif(excluded.config_digest, ''), config_digest)`,
			c.ID, c.Organization, c.Settings, sealed, updatedAt, c.ConfigDigest, c.Segments)
		return err
	})
	return stored && err == nil, err
}
