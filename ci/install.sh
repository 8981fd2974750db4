#!/usr/bin/env bash
# Installs what the tests need and is missing: Debian packages, and by npm the mock of
# Hull that testdata/minihull has a lock for.
set -euo pipefail
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # the race detector
command -v curl >/dev/null || missing+=(curl)         # the printed curl lines
# Redis of the tests' own: they start the processes themselves, on free ports.
command -v redis-server >/dev/null || missing+=(redis-server)
command -v nginx >/dev/null || missing+=(nginx)             # deploy/compose, before nodes of its own
command -v node >/dev/null || missing+=(nodejs) # testdata/minihull
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
cd "$(dirname "$0")/../testdata/minihull"
# npm keeps a copy of the lock in what it has installed.
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci
