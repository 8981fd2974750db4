package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// openSecrets opens what a connector's secrets were sealed to.
func openSecrets(sealer Sealer, id string, sealed []byte) (secrets, error) {
	plaintext, err := sealer.Open(sealed, []byte(id))
	if err != nil {
		return secrets{}, fmt.Errorf("its secrets are %w: %v: put the old one back, as second entry of `secret`, or put the connector in again",
			ErrSealed, err)
	}
	var opened secrets
	if err := json.Unmarshal(plaintext, &opened); err != nil {
		return secrets{}, fmt.Errorf("its secrets: %w", err)
	}
	return opened, nil
}

// resealed seals anew what the first secret did not seal. ok is false when there is
// nothing to do, or nothing that can be done.
func resealed(sealer Sealer, id string, sealed []byte) (anew []byte, ok bool) {
	if sealer.IsFirst(sealed, []byte(id)) {
		return nil, false
	}
	plaintext, err := sealer.Open(sealed, []byte(id))
	if err != nil {
		return nil, false
	}
	return sealer.Seal(plaintext, []byte(id)), true
}

// Reseal implements [Store].
func (s *SQLite) Reseal(ctx context.Context) (count int, err error) {
	err = s.write(ctx, "sealing the connectors anew", func(w *conn) error {
		changed := map[string][]byte{}
		err := w.each(2, func(row []driver.Value) error {
			id := row[0].(string)
			if anew, ok := resealed(s.sealer, id, blob(row[1])); ok {
				changed[id] = anew
			}
			return nil
		}, "SELECT id, sealed FROM connectors")
		for id, anew := range changed {
			if err == nil {
				_, err = w.exec("UPDATE connectors SET sealed = ? WHERE id = ?", anew, id)
			}
		}
		count = len(changed)
		return err
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// Reseal implements [Store]. What another node has written since it was read is looked at
// again, for its first secret may be another.
func (s *Redis) Reseal(ctx context.Context) (count int, err error) {
	const doing = "sealing the connectors anew"
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return 0, err
	}
	defer leave()
	for again := true; again; {
		again = false
		var records map[string]string
		err := s.do(ctx, doing, func(ctx context.Context) (err error) {
			records, err = s.client.HGetAll(ctx, s.cfg.connectorsKey()).Result()
			return err
		})
		if err != nil {
			return count, err
		}
		for id, record := range records {
			anew, ok, err := s.resealedRecord(id, record)
			if err != nil {
				return count, err
			}
			if !ok {
				continue
			}
			swapped, err := s.swapConnector(ctx, doing, id, record, anew)
			if err != nil {
				return count, err
			}
			if swapped {
				count++
			} else {
				again = true
			}
		}
	}
	if count > 0 {
		return count, s.replicated(ctx, doing, []string{s.cfg.connectorsKey()})
	}
	return 0, nil
}

// resealedRecord is a connector's record with its secrets sealed anew; ok is false when
// it can stay, or has to.
func (s *Redis) resealedRecord(id, data string) (anew string, ok bool, err error) {
	head, record, err := splitConnector(data)
	if errors.Is(err, ErrNewer) {
		return "", false, nil
	} else if err != nil {
		return "", false, fmt.Errorf("connector %s: %w", id, err)
	}
	if record.Sealed, ok = resealed(s.sealer, id, record.Sealed); !ok {
		return "", false, nil
	}
	rest, err := json.Marshal(record)
	return head + string(rest), err == nil, err
}

// swapConnector puts one record in the place of another, unless that is not there any more.
func (s *Redis) swapConnector(ctx context.Context, doing, id, from, to string) (swapped bool, err error) {
	swap := &call{script: swapScript, key: s.cfg.connectorsKey(), args: []any{id, from, to}}
	if err := s.run(ctx, doing, []*call{swap}); err != nil {
		return false, err
	}
	if swapped, err = swap.cmd.Bool(); err != nil && !errors.Is(err, redis.Nil) {
		return false, s.failed(ctx, doing, err)
	}
	return swapped, nil
}
