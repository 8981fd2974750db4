#!/usr/bin/env bash
# Tests of the page snippet and the admin pages: their pure parts in node, the rest in
# Chromium before a real hullbeam. Arguments go to go test.
set -euo pipefail
cd "$(dirname "$0")/.."
testdata/browser/node_modules/.bin/tsc -p static/ship/tsconfig.test.json
testdata/browser/node_modules/.bin/tsc -p static/admin/tsconfig.test.json
built=$(mktemp -d)
trap 'rm -r "$built"' EXIT
go tool -modfile=ci/tools.mod esbuild static/ship/*.test.ts static/admin/*.test.ts --bundle --platform=node --outdir="$built" --log-level=warning
node --test "$built"
go test -count 1 -timeout 8m -parallel 4 "$@" ./shiptest # count: the hullbeam that it builds may be another
