#!/usr/bin/env bash
# Everything that must hold: lint, the tests with the race detector, and each
# fuzz target for some seconds. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh
ci/lint.sh
go test -race -timeout 10m ./...
ci/fuzz.sh 3s
