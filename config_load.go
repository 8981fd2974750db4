package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

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
