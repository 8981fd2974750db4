#!/usr/bin/env bash
# Installs the Debian packages that the tests need and that are missing.
set -euo pipefail
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # the race detector
command -v curl >/dev/null || missing+=(curl)         # the printed curl lines
# Redis of the tests' own: they start the processes themselves, on free ports.
command -v redis-server >/dev/null || missing+=(redis-server)
command -v nginx >/dev/null || missing+=(nginx)             # deploy/compose, before nodes of its own
[ ${#missing[@]} -eq 0 ] && exit 0
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
