#!/usr/bin/env bash
# How the code reads: format, vet, modern idioms, staticcheck; and the snippet and the
# admin pages: their types, and that what is embedded is what the sources make.
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
ci/snippet.sh --check
ci/admin.sh --check
