package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzConfig reads a value of each key from the environment, and a file. What is taken is
// valid, and shown masked; what is refused is named by its source and key, and of a secret
// nothing is repeated.
func FuzzConfig(f *testing.F) {
	keys := configKeys()
	const good = "0123456789abcdef0123456789abcdef"
	for i, key := range keys {
		for _, value := range []string{good, "", "1", "15s", "a,b", "-----BEGIN", "http://u:" + good + "@h/"} {
			f.Add(byte(i), value, key+": "+value)
		}
	}
	f.Add(byte(0), "", "secret: [short]\nconnectors: [{id: a b, secret: "+good+"}]")
	f.Add(byte(0), "", "secret: {a: [*x]}\n\tconnectors: 5")
	f.Fuzz(func(t *testing.T, n byte, value, text string) {
		key := keys[int(n)%len(keys)]
		if strings.ContainsRune(value, 0) || strings.Contains(value+text, "/dev/") {
			return // no variable has the one; the other may never be read to its end
		}
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := LoadConfig(path, []string{envName(key) + "=" + value}, noFlags())
		said := ""
		if err != nil {
			said = err.Error()
		} else if err := c.Validate(); err != nil {
			t.Errorf("what is taken is refused: %v", err)
		} else if shown, err := c.masked(); err != nil {
			t.Error(err)
		} else {
			said = string(shown)
		}
		isSecret := key == "secret" || key == "admin_key" || key == "operator_keys"
		if isSecret && len(value) >= 8 && !strings.Contains(text, value) && strings.Contains(said, value) {
			t.Errorf("%s is repeated: %s", key, said)
		}
	})
}
