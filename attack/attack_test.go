package attack_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hullbeam/attack"
	"hullbeam/internal/proctest"
)

// Every attack is refused, and nothing has changed: on a server that has Hull's key, and,
// of what comes through Hull's door, on one that would fetch it.
func TestAttacks(t *testing.T) {
	dir := t.TempDir()
	if err := proctest.Build(dir, "hullbeam"); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "hullbeam")
	t.Run("with Hull's key", func(t *testing.T) { testAttacks(t, binary, true, attack.Table()) })
	t.Run("without", func(t *testing.T) { testAttacks(t, binary, false, attack.OnHullsDoor()) })
}

func testAttacks(t *testing.T, binary string, pinned bool, attacks []attack.Attack) {
	t.Parallel()
	server, err := attack.Start(t.Context(), binary, t.TempDir(), pinned)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(server.Log(), "panic") || t.Failed() && os.Getenv("VERBOSE") != "" {
			t.Errorf("the server has said:\n%s", server.Log())
		}
	}()
	if err := server.Target.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range attack.Run(t.Context(), server.Target, attacks) {
		for _, fault := range r.Faults {
			t.Errorf("%s: %s (%s): %s", r.Group, r.Name, r.Refs, fault)
		}
	}
	if err := server.Target.Clean(t.Context()); err != nil {
		t.Error(err)
	}
}
