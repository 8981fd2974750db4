package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// connectorRecord is what of a connector's record no script reads.
type connectorRecord struct {
	Organization string `json:"organization"`
	Settings     []byte `json:"settings"`
	Sealed       []byte `json:"sealed"` // secrets
	Segments     []byte `json:"segments,omitempty"`
}

// Connector implements [Store].
func (s *Redis) Connector(ctx context.Context, id string) (Connector, error) {
	doing := "connector " + id
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return Connector{}, err
	}
	defer leave()
	var record string
	err = s.do(ctx, doing, func(ctx context.Context) (err error) {
		record, err = s.client.HGet(ctx, s.cfg.connectorsKey(), id).Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return Connector{}, err
	}
	if record == "" {
		return Connector{}, fmt.Errorf("%s: %w", doing, ErrNotFound)
	}
	c, err := s.connector(id, record)
	if err != nil {
		return Connector{}, fmt.Errorf("%s: %w", doing, err)
	}
	return c, nil
}

// Connectors implements [Store].
func (s *Redis) Connectors(ctx context.Context) ([]Connector, error) {
	const doing = "reading the connectors"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return nil, err
	}
	defer leave()
	var records map[string]string
	err = s.do(ctx, doing, func(ctx context.Context) (err error) {
		records, err = s.client.HGetAll(ctx, s.cfg.connectorsKey()).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	var connectors []Connector
	var sealed []error
	for id, record := range records {
		c, err := s.connector(id, record)
		switch {
		case errors.Is(err, ErrDeleted):
		case errors.Is(err, ErrSealed), errors.Is(err, ErrNewer):
			sealed = append(sealed, fmt.Errorf("connector %s: %w", id, err))
		case err != nil:
			return nil, fmt.Errorf("connector %s: %w", id, err)
		default:
			connectors = append(connectors, c)
		}
	}
	slices.SortFunc(connectors, func(a, b Connector) int { return cmp.Compare(a.ID, b.ID) })
	return connectors, errors.Join(sealed...)
}

// connector reads a record.
func (s *Redis) connector(id, data string) (Connector, error) {
	head, record, err := splitConnector(data)
	if err != nil {
		return Connector{}, err
	}
	opened, err := openSecrets(s.sealer, id, record.Sealed)
	if err != nil {
		return Connector{}, err
	}
	if opened.Deleted {
		return Connector{}, ErrDeleted
	}
	return Connector{
		ID: id, Organization: record.Organization, Secret: opened.Secret, PrivateSettings: opened.PrivateSettings,
		Settings: record.Settings, UpdatedAt: decodeTime(head[1:9]), ConfigDigest: head[connectorHead:], Segments: record.Segments,
	}, nil
}

const connectorHead = 13 // bytes before the digest

// splitConnector reads a record: format, time of the update, length of the digest and
// the digest, which are the head; the rest in JSON.
func splitConnector(data string) (head string, record connectorRecord, err error) {
	if err := checkFormat(data); err != nil {
		return "", record, err
	}
	if len(data) < connectorHead {
		return "", record, errDamaged
	}
	size := binary.BigEndian.Uint32([]byte(data[9:connectorHead]))
	if uint64(size) > uint64(len(data)-connectorHead) {
		return "", record, errDamaged
	}
	head = data[:connectorHead+int(size)]
	if err := json.Unmarshal([]byte(data[len(head):]), &record); err != nil {
		return "", record, errDamaged
	}
	return head, record, nil
}

// PutConnector implements [Store].
func (s *Redis) PutConnector(ctx context.Context, c Connector) (stored bool, err error) {
	return s.putConnector(ctx, "writing connector "+c.ID, c, false, "")
}

// DeleteConnector implements [Store].
func (s *Redis) DeleteConnector(ctx context.Context, id string) error {
	_, err := s.putConnector(ctx, "deleting connector "+id, Connector{ID: id}, true, "")
	return err
}

// putConnector is [Redis.PutConnector], and with mode "restore" [Redis.RestoreConnector].
func (s *Redis) putConnector(ctx context.Context, doing string, c Connector, deleted bool, mode string) (stored bool, err error) {
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return false, err
	}
	defer leave()
	plaintext, err := json.Marshal(secrets{c.Secret, c.PrivateSettings, deleted})
	if err != nil {
		return false, err
	}
	rest, err := json.Marshal(connectorRecord{c.Organization, c.Settings, s.sealer.Seal(plaintext, []byte(c.ID)), c.Segments})
	if err != nil {
		return false, err
	}
	put := &call{
		script: connectorScript, key: s.cfg.connectorsKey(),
		args: []any{c.ID, encodeTime(c.UpdatedAt), c.ConfigDigest, rest, s.clock(), mode},
	}
	if err := s.run(ctx, doing, []*call{put}); err != nil {
		return false, err
	}
	switch status, err := put.cmd.Int(); {
	case err != nil:
		return false, s.failed(ctx, doing, err)
	case status == 2:
		return false, fmt.Errorf("%s: what is stored was %w", doing, ErrNewer)
	default:
		return status == 1, s.replicated(ctx, doing, []string{put.key})
	}
}
