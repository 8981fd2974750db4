#!/usr/bin/env bash
# Everything that must hold: lint, the tests with the race detector, and fuzz
# targets for some seconds. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh
# What is built without the race detector is built as ci/build.sh does: packages are compiled once for all of it.
export GOFLAGS="${GOFLAGS:-} -trimpath" CGO_ENABLED=0
race() { CGO_ENABLED=1 go "$1" -race "${@:2}"; }

# Linters keep one core busy, and most tests wait more than they compute: so they run beside each
# other. What each says comes when all are done, and every failure is seen.
logs=$(mktemp -d)
names=() pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$logs"' EXIT
beside() {
  "$@" >"$logs/${#pids[@]}" 2>&1 &
  pids+=($!) names+=("$*")
}
finish() {
  local i failed=0
  for i in "${!pids[@]}"; do
    wait "${pids[i]}" || { failed=1 && echo "FAILED: ${names[i]}"; }
    cat "$logs/$i"
  done
  names=() pids=()
  return "$failed"
}
beside ci/lint.sh
race build ./... # once, for all that follow
beside race test -timeout 12m $(go list ./... | grep -vE '/(api|clustertest|shiptest)$')
beside race test -timeout 12m -run '^Test[A-L]' ./api
beside race test -timeout 12m -skip '^Test[A-L]' ./api
beside race test -timeout 12m -skip 'Cluster|SeriesBudget' ./api -redis # the same on Redis
beside ci/helm.sh
finish
ci/shiptest.sh # the page snippet, in node and in Chromium
ci/replay.sh # the fixtures, over HTTP
race test -timeout 5m ./clustertest # by itself: it measures how long things take
# Those of the command, api, store and stream, whose seeds have run above, would have SQLite compiled once more: make fuzz.
ci/fuzz.sh 2s ./hull/... ./bench/... ./doctor ./stream/streamtest
echo 'Known vulnerabilities were not looked for, which needs their database: make vulncheck, before each release.'
