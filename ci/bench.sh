#!/usr/bin/env bash
# Runs every benchmark; docs/performance.md says what each shows. Arguments go to
# go test, such as -bench Publish -count 10 for benchstat.
set -euo pipefail
cd "$(dirname "$0")/.."
go test -run '^$' -bench . -benchmem "$@" ./...
