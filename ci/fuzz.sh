#!/usr/bin/env bash
# Runs every fuzz target for the time given (default 1m), or those of the packages
# named behind it. An input that fails is kept in the package's testdata/fuzz and
# goes into the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-1m}
shift || true
for dir in $(go list -f '{{.Dir}}' "${@:-./...}"); do
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | awk '{print $2}'); do
    (cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" .)
  done
done
