#!/usr/bin/env bash
# Installs what the tests need and is missing: Debian packages, and by npm what
# testdata/minihull, testdata/browser and static/admin have locks for.
set -euo pipefail
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # the race detector
command -v curl >/dev/null || missing+=(curl)         # the printed curl lines
# Redis of the tests' own: they start the processes themselves, on free ports.
command -v redis-server >/dev/null || missing+=(redis-server)
command -v openssl >/dev/null || missing+=(openssl)         # ci/soak.sh, for a key
command -v nginx >/dev/null || missing+=(nginx)             # deploy/compose, before nodes of its own
command -v chromium >/dev/null || missing+=(chromium)       # shiptest
command -v node >/dev/null || missing+=(nodejs)             # testdata/minihull, testdata/browser
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
cd "$(dirname "$0")/.."
for project in testdata/minihull testdata/browser static/admin; do
  # npm keeps a copy of the lock in what it has installed.
  [ "$project/node_modules/.package-lock.json" -nt "$project/package-lock.json" ] || (cd "$project" && npm ci)
done
