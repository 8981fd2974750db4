package main

import (
	"io"
	"log/slog"

	"hullbeam/api"
	"hullbeam/hull"
	"hullbeam/store"
	"hullbeam/stream"
)

// Config is the whole configuration: config.yaml, then the environment, then
// flags. Its groups are the packages' own.
type Config struct {
	// Listen is the address that browsers and Hull reach. PORT, when set, takes
	// its port from there and listens on all addresses. Default 127.0.0.1:8082.
	Listen string `mapstructure:"listen"`
	// PublicURL is the address that browsers use, http(s)://host[:port] without
	// a path. Default "": of a loopback Listen that, else what each page asked.
	PublicURL string `mapstructure:"public_url"`
	// Secret seals tokens, and secrets at rest: the first seals, all open. At
	// least 32 characters each. Without one Hullbeam runs in development mode,
	// for this machine alone. Default none.
	Secret []string `mapstructure:"secret"`
	// RedisURL is the Redis that nodes share: store.RedisConfig.URL. Refused
	// without a secret. Default "": the embedded store.
	RedisURL string `mapstructure:"redis_url"`
	// AdminKey lets operators see and change everything: keys of at least 20 characters
	// each, or their hashes, sha256:HEX. Default none.
	AdminKey []string `mapstructure:"admin_key"`
	// OperatorKeys let operators see one connector, or all (*), or change it too, each by a
	// key's hash: SCOPE:CONNECTOR:sha256:HEX, with the scope read or write. Default none.
	OperatorKeys []string `mapstructure:"operator_keys"`
	// AdminListen is an address for operators' routes and /metrics, which are
	// then not on Listen. Default "".
	AdminListen string `mapstructure:"admin_listen"`
	// TrustedProxies are the addresses and networks of proxies whose
	// X-Forwarded-For is believed. Default none.
	TrustedProxies []string `mapstructure:"trusted_proxies"`

	// DataDir is the directory of the embedded store, and in development mode of
	// the keys that were made. It is made when it is not there. Default ./data.
	DataDir string `mapstructure:"data_dir"`

	TLS        TLSConfig     `mapstructure:"tls"`
	Admin      api.Admin     `mapstructure:"admin"`
	Log        LogConfig     `mapstructure:"log"`
	Store      store.Config  `mapstructure:"store"`
	Redis      RedisConfig   `mapstructure:"redis"`
	Hull       HullConfig    `mapstructure:"hull"`
	Identity   api.Identity  `mapstructure:"identity"`
	Stream     stream.Config `mapstructure:"stream"`
	History    HistoryConfig `mapstructure:"history"`
	Visitors   api.Visitors  `mapstructure:"visitors"`
	Offers     api.Offers    `mapstructure:"offers"`
	Limits     api.Limits    `mapstructure:"limits"`
	Tracing    TracingConfig `mapstructure:"tracing"`
	Connectors []Connector   `mapstructure:"connectors"`
}

// LogConfig says what is logged, and how.
type LogConfig struct {
	// Level is the least that is logged: debug, info, warn or error. Default info.
	Level string `mapstructure:"level"`
	// Format is text or json. Default text.
	Format string `mapstructure:"format"`
}

// RedisConfig is everything about a store that nodes share.
type RedisConfig struct {
	store.RedisConfig `mapstructure:",squash"`
	api.Cluster       `mapstructure:",squash"`
}

// HistoryConfig is everything about what is remembered of visitors.
type HistoryConfig struct {
	store.HistoryConfig `mapstructure:",squash"`
	api.History         `mapstructure:",squash"`
}

// HullConfig is everything about Hull.
type HullConfig struct {
	api.Hull            `mapstructure:",squash"`
	hull.VerifyConfig   `mapstructure:",squash"`
	hull.ClientConfig   `mapstructure:",squash"`
	hull.FirehoseConfig `mapstructure:",squash"`
}

// Connector is a connector that is put in at start when it is unknown, or when
// its text here has changed since it was. Hull and operators replace it.
type Connector struct {
	// ID is the connector's id in Hull: 1 to 64 of A-Za-z0-9_-.
	ID string `mapstructure:"id" json:"id"`
	// Organization is the connector's, such as acme.hullapp.io. Without one Hull
	// is never asked.
	Organization string `mapstructure:"organization" json:"organization"`
	// Secret is the connector's secret in Hull. Without one its notifications
	// are refused.
	Secret string `mapstructure:"secret" json:"secret"`
	// Settings are the public ones, as Hull sends them.
	Settings map[string]any `mapstructure:"settings" json:"settings"`
	// PrivateSettings are the others, as Hull sends them.
	PrivateSettings map[string]any `mapstructure:"private_settings" json:"private_settings"`
}

// DefaultConfig is what holds when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Listen:  "127.0.0.1:8082",
		DataDir: "./data",
		Admin:   api.DefaultAdmin(),
		Log:     LogConfig{Level: "info", Format: "text"},
		Store:   store.DefaultConfig(),
		Redis:   RedisConfig{store.DefaultRedisConfig(), api.DefaultCluster()},
		Hull: HullConfig{
			Hull: api.DefaultHull(), VerifyConfig: hull.DefaultVerifyConfig(), ClientConfig: hull.DefaultClientConfig(),
			FirehoseConfig: hull.DefaultFirehoseConfig(),
		},
		Identity: api.DefaultIdentity(),
		Stream:   stream.DefaultConfig(),
		History:  HistoryConfig{store.DefaultHistoryConfig(), api.DefaultHistory()},
		Visitors: api.DefaultVisitors(),
		Offers:   api.DefaultOffers(),
		Limits:   api.DefaultLimits(),
		Tracing:  DefaultTracingConfig(),
	}
}

// Development tells that Hullbeam runs for its developer: there is no secret.
func (c Config) Development() bool { return len(c.Secret) == 0 }

// logger writes to w as configured.
func (l LogConfig) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(l.Level)) // Validate has seen it
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
