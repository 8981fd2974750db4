#!/usr/bin/env bash
# Tests of the page snippet: its pure parts in node, all of it in Chromium before a real
# hullbeam. Arguments go to go test.
set -euo pipefail
cd "$(dirname "$0")/.."
testdata/browser/node_modules/.bin/tsc -p static/ship/tsconfig.test.json
built=$(mktemp -d)
trap 'rm -r "$built"' EXIT
go tool -modfile=ci/tools.mod esbuild static/ship/*.test.ts --bundle --platform=node --outdir="$built" --log-level=warning
node --test "$built"
go test -count 1 -timeout 8m -parallel 4 "$@" ./shiptest # count: the hullbeam that it builds may be another
