#!/usr/bin/env bash
# How the code reads: format, vet, modern idioms, staticcheck, gosec and the like; and the snippet and the
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
analyze=$(mktemp)
trap 'rm "$analyze"' EXIT
go -C ci/analyze build -o "$analyze" .
go vet -vettool="$analyze" ./... # gosec, bodyclose, errorlint
go tool -modfile=ci/tools.mod staticcheck ./...
ci/snippet.sh --check
ci/admin.sh --check
