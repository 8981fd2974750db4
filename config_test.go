package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func noFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	addConfigFlags(flags)
	return flags
}

// The secrets that the predecessors had when none was given.
func TestA14NoDefaultSecrets(t *testing.T) {
	if c := DefaultConfig(); len(c.Secret)+len(c.AdminKey)+len(c.Connectors) > 0 {
		t.Errorf("secrets, keys or connectors by default: %+v", c)
	}
	for _, environ := range [][]string{{"SECRET=1234"}, {"SECRET=" + strings.Repeat("x", 31)}, {"PORT=8082"}, {"HULLBEAM_LISTEN=0.0.0.0:8082"}, {"HULLBEAM_PUBLIC_URL=https://beam.example"}} {
		c, _, err := LoadConfig("", environ, noFlags())
		if err == nil {
			t.Errorf("%s is taken: %+v", environ, c)
		}
	}
}

// A number is no time, and 60000 neither a minute nor sixteen hours.
func TestE5TimesHaveUnits(t *testing.T) {
	for _, text := range []string{"stream: {heartbeat: 15}", "hull: {signature_max_age: 60000}", `redis: {user_ttl: "60000"}`} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadConfig(file, nil, noFlags()); err == nil || !strings.Contains(err.Error(), "unit") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
