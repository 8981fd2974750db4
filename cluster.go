package main

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"hullbeam/store"
	"hullbeam/stream"
)

// openRedis makes the store that nodes share. It does not wait for Redis.
func (n *node) openRedis(sealer store.Sealer) error {
	logging.Disable() // what the client has to say comes back as errors, too
	cfg := n.cfg.Redis.RedisConfig
	cfg.Publish, cfg.Sealer, cfg.History = true, sealer, n.cfg.History.HistoryConfig
	s, err := store.OpenRedis(cfg)
	if err != nil {
		return err
	}
	n.store, n.shared = s, s
	return nil
}

// busTimeout bounds a round trip of the bus: what is sent after an interruption
// waits for it.
const busTimeout = time.Second

// redisBus returns what makes the bus to the other nodes.
func (n *node) redisBus() (func(stream.Listener) stream.Bus, error) {
	cfg := n.cfg.Redis.RedisConfig
	cfg.Timeout = min(cfg.Timeout, busTimeout)
	client, err := store.RedisClient(cfg)
	if err != nil {
		return nil, err
	}
	return func(l stream.Listener) stream.Bus {
		bus := stream.NewRedisBus(stream.BusConfig{
			Client: client, Listener: l, Log: n.log, Linger: time.Second, Names: cfg,
		})
		n.busMetrics = bus.Metrics()
		return bus
	}, nil
}

// prepareRedis does what the store takes as soon as Redis is in reach. Until then
// the node is not ready.
func (n *node) prepareRedis(ctx context.Context) error {
	const again, sayAgain = 250 * time.Millisecond, time.Minute
	var put []string
	var said time.Time
	for {
		some, err := n.prepareStore(ctx)
		if put = append(put, some...); err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		if time.Since(said) > sayAgain { // the reason may be another one by now
			said = time.Now()
			n.log.Warn("waiting for Redis: the node is not ready until it answers", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
	}
	n.api.Prepared(put...)
	n.log.Info("Redis is in reach")
	warnings, err := n.shared.Warnings(ctx)
	for _, w := range warnings {
		n.log.Warn(w)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Warn("the settings of Redis cannot be looked at", "error", err)
	}
	return nil
}
