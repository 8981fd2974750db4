#!/usr/bin/env bash
# Builds the binary of a release, as the Dockerfile does: ci/build.sh FILE. VERSION and
# COMMIT are what it calls itself, GOOS and GOARCH what it is for. The same sources and
# the same Go make the same bytes, wherever they lie.
set -euo pipefail
cd "$(dirname "$0")/.."
CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false \
  -ldflags "-s -w -X main.version=${VERSION:-} -X main.commit=${COMMIT:-}" -o "$1" .
