#!/usr/bin/env bash
# How the code reads: format, vet, modern idioms, staticcheck, gosec and the like; the snippet and the admin
# pages: their types, and that what is embedded is what the sources make; the dashboard, the files of
# packages, and the API's description.
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
ci/dashboard.sh
ci/packages.sh
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
said=$(testdata/redocly/node_modules/.bin/redocly lint static/openapi.yaml --config testdata/redocly/redocly.yaml 2>&1) || { echo "$said"; exit 1; }
