package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

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

// LoadConfig reads path ("" is config.yaml when it is there), then environ, then
// the flags that were set. The error names the source, the key and the range.
// warnings name variables that nothing reads.
func LoadConfig(path string, environ []string, flags *pflag.FlagSet) (c Config, warnings []string, err error) {
	v := viper.New()
	keys := configKeys()
	file, err := readConfigFile(v, path)
	if err != nil {
		return Config{}, nil, err
	}
	sources := map[string]string{} // of the values that did not come from the file
	env := environment(environ)
	if _, ok := env["PORT"]; ok {
		env["HULLBEAM_LISTEN"] = ":" + env["PORT"]
	}
	for _, key := range keys {
		name := envName(key)
		if value, ok := env[name]; ok {
			v.Set(key, value)
			sources[key] = name
			delete(env, name)
		}
		if f := flags.Lookup(flagName(key)); f != nil && f.Changed {
			v.Set(key, f.Value.String())
			sources[key] = "--" + f.Name
		}
	}
	for name := range env {
		if strings.HasPrefix(name, "HULLBEAM_") {
			warnings = append(warnings, name+" is set, but there is no such setting")
		}
	}
	slices.Sort(warnings)
	c = DefaultConfig()
	if err := unmarshal(v, &c); err != nil {
		return Config{}, nil, usage(inSource(err, file, sources))
	}
	c.Redis.URL = c.RedisURL
	if c.Hull.PublicKeys, err = readKeys(c.Hull.PublicKeys); err != nil {
		return Config{}, nil, usage(inSource(err, file, sources))
	}
	if err := c.readPort(env); err != nil {
		return Config{}, nil, usage(err)
	}
	if err := c.refuseProduction(env); err != nil {
		return Config{}, nil, usage(err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, nil, usage(inSource(err, file, sources))
	}
	return c, warnings, nil
}

// readKeys turns paths into the texts in them.
func readKeys(keys []string) ([]string, error) {
	texts := make([]string, 0, len(keys))
	for _, key := range keys {
		if !strings.Contains(key, "-----BEGIN") {
			text, err := os.ReadFile(key)
			if err != nil {
				return nil, fmt.Errorf("hull.public_keys: %w", err)
			}
			key = string(text)
		}
		texts = append(texts, key)
	}
	return texts, nil
}

// readPort refuses PORT in development mode, which listens to this machine
// alone: whoever sets PORT is about to run a server.
func (c Config) readPort(env map[string]string) error {
	port, ok := env["PORT"]
	if !ok {
		return nil
	}
	if !isPort(port) {
		return fmt.Errorf("PORT: %q is out of range: 0 to 65535", port)
	}
	if c.Development() {
		return errors.New("PORT: without a secret Hullbeam is in development mode, for this machine alone: set SECRET too")
	}
	return nil
}

// readConfigFile reads the file and returns its name, "" when there is none.
func readConfigFile(v *viper.Viper, path string) (string, error) {
	name := path
	if name == "" {
		name = "config.yaml"
	}
	v.SetConfigFile(name)
	v.SetConfigType("yaml")
	switch err := v.ReadInConfig(); {
	case err == nil:
		return name, nil
	case path == "" && errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, fs.ErrNotExist):
		return "", usage(fmt.Errorf("%s: no such file", name))
	default:
		return "", usage(fmt.Errorf("%s: %w", name, err))
	}
}

// unmarshal refuses keys that Config does not have.
func unmarshal(v *viper.Viper, c *Config) error {
	return v.Unmarshal(c, func(d *mapstructure.DecoderConfig) {
		d.ErrorUnused = true
		d.DecodeHook = mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(),
			splitList,
			refuseLoose,
		)
	})
}

// splitList reads a list from a variable or a flag: separated by commas. A PEM
// text has none.
func splitList(from, to reflect.Type, value any) (any, error) {
	if from.Kind() != reflect.String || to != reflect.TypeFor[[]string]() {
		return value, nil
	}
	var list []string
	for item := range strings.SplitSeq(value.(string), ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}

// refuseLoose refuses what the decoder would bend: a duration without a unit is
// nanoseconds to it, and a fraction a whole number.
func refuseLoose(from, to reflect.Type, value any) (any, error) {
	whole := to.Kind() == reflect.Int || to.Kind() == reflect.Int64
	switch f, isFloat := value.(float64); {
	case to == reflect.TypeFor[time.Duration]() && from != to:
		return nil, fmt.Errorf("%v is no duration: give it a unit, such as 15s", value)
	case whole && isFloat && f != math.Trunc(f):
		return nil, fmt.Errorf("%v is no whole number", value)
	}
	return value, nil
}

// inSource says where the value that err is about came from.
func inSource(err error, file string, sources map[string]string) error {
	text := tidy(err)
	for key, source := range sources {
		if strings.HasPrefix(text, key+":") || strings.Contains(text, "'"+key+"'") {
			return fmt.Errorf("%s: %s", source, text)
		}
	}
	if file == "" {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %s", file, text)
}

// tidy makes one line of what the decoder says.
func tidy(err error) string {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.Trim(line, " *\t"); line != "" && !strings.HasSuffix(line, "error(s):") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" {
			env[name] = value
		}
	}
	return env
}
