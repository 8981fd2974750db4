#!/usr/bin/env bash
# How the code reads: format, vet, modern idioms, staticcheck.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "gofmt: $unformatted"
  exit 1
fi
go vet ./...
go fix -diff ./...
go tool -modfile=ci/tools.mod staticcheck ./...
