#!/usr/bin/env bash
# Everything that must hold: lint, the tests with the race detector, and fuzz
# targets for some seconds. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh
go build -race ./... & # beside lint: compiling SQLite keeps one core busy for long, and the other idle
race=$!
ci/lint.sh
wait "$race"
go test -race -timeout 10m $(go list ./... | grep -vE '/(clustertest|shiptest)$')
ci/shiptest.sh # the page snippet, in node and in Chromium
ci/replay.sh # the fixtures, over HTTP
go test -race -timeout 5m -skip Cluster ./api -redis # the same on Redis
go test -race -timeout 5m ./clustertest # by itself: it measures how long things take
# Those of the command, api, store and stream, whose seeds have run above, would have SQLite compiled once more: make fuzz.
ci/fuzz.sh 2s ./hull/... ./bench/... ./stream/streamtest
echo 'Known vulnerabilities were not looked for, which needs their database: make vulncheck, before each release.'
