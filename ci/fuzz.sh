#!/usr/bin/env bash
# Runs every fuzz target for the time given (default 1m), or those of the packages
# named behind it. An input that fails is kept in the package's testdata/fuzz and
# goes into the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-1m}
shift || true
built=$(mktemp -d)
trap 'rm -r "$built"' EXIT
known=$(go env GOCACHE)/fuzz # where go test -fuzz keeps what it has found, too
while read -r package dir; do
  targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | awk '{print $2}') || continue
  go test -c -fuzz . -o "$built/fuzz.test" "$package" # once for all of its targets
  for target in $targets; do
    echo "$package $target"
    (cd "$dir" && "$built/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$each" -test.fuzzcachedir "$known/$package")
  done
done < <(go list -f '{{.ImportPath}} {{.Dir}}' "${@:-./...}")
