package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"hullbeam/store"
	"hullbeam/stream"
)

func (n *node) openStore(ctx context.Context) error {
	sealer, err := stream.NewSealer(n.cfg.Secret, "store")
	if err != nil {
		return err
	}
	if n.cfg.RedisURL != "" {
		return n.openRedis(sealer)
	}
	cfg := n.cfg.Store
	cfg.DataDir, cfg.Sealer, cfg.History, cfg.Log = n.cfg.DataDir, sealer, n.cfg.History.HistoryConfig, n.log
	if n.store, err = store.Open(ctx, cfg); err != nil {
		return err
	}
	_, err = n.prepareStore(ctx)
	return err
}

// prepareStore is what the store takes before requests are served. put are the
// connectors that were put in.
func (n *node) prepareStore(ctx context.Context) (put []string, err error) {
	if n.shared != nil { // else a node with another secret would take over the connectors of the others
		if err := n.checkSecret(ctx); err != nil {
			return nil, err
		}
	}
	if put, err = n.putConnectors(ctx); err != nil {
		return put, err
	}
	if err := n.checkSecret(ctx); err != nil {
		return put, err
	}
	return put, n.reseal(ctx)
}

// reseal seals the connectors with the first secret, so that the others can be taken
// away when nothing that they sealed is out any more.
func (n *node) reseal(ctx context.Context) error {
	resealed, err := n.store.Reseal(ctx)
	if err != nil {
		return err
	}
	if resealed > 0 || len(n.cfg.Secret) > 1 {
		n.log.Info("all connectors that can be read are sealed with the first secret", "resealed", resealed)
	}
	return nil
}

// checkSecret refuses a secret that opens none of the connectors kept: all that
// such a node could do is answer 503.
func (n *node) checkSecret(ctx context.Context) error {
	known, err := n.store.Connectors(ctx)
	switch {
	case !errors.Is(err, store.ErrSealed) && !errors.Is(err, store.ErrNewer):
		return err
	case len(known) == 0 && errors.Is(err, store.ErrSealed):
		return fmt.Errorf("secret: it opens no connector in the store; put the old one back, behind a new one to rotate: %w", err)
	}
	n.log.Warn("connectors that cannot be read are not served", "error", err)
	return nil
}

// putConnectors puts the configured connectors in that are unknown, or whose
// text has changed since they were put in.
func (n *node) putConnectors(ctx context.Context) (put []string, err error) {
	for _, c := range n.cfg.Connectors {
		record, err := c.record()
		if err != nil {
			return put, err
		}
		known, err := n.store.Connector(ctx, c.ID)
		switch {
		case err == nil && known.ConfigDigest == record.ConfigDigest:
			continue
		case errors.Is(err, store.ErrNewer):
			continue // a node of a newer version has it
		case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrSealed):
			return put, err
		}
		if _, err := n.store.PutConnector(ctx, record); err != nil {
			return put, fmt.Errorf("putting connector %s in: %w", c.ID, err)
		}
		put = append(put, c.ID)
		n.log.Info("connector put in from the configuration", "connector", c.ID)
	}
	return put, nil
}

// record is a configured connector as the store keeps it.
func (c Connector) record() (store.Connector, error) {
	settings, err := json.Marshal(orEmpty(c.Settings))
	if err != nil {
		return store.Connector{}, fmt.Errorf("connectors: settings of %s: %w", c.ID, err)
	}
	private, err := json.Marshal(orEmpty(c.PrivateSettings))
	if err != nil {
		return store.Connector{}, fmt.Errorf("connectors: private_settings of %s: %w", c.ID, err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return store.Connector{}, fmt.Errorf("connectors: %s: %w", c.ID, err)
	}
	digest := sha256.Sum256(text)
	return store.Connector{
		ID: c.ID, Organization: strings.ToLower(c.Organization), Secret: c.Secret,
		Settings: settings, PrivateSettings: private, ConfigDigest: hex.EncodeToString(digest[:]),
	}, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
