#!/usr/bin/env bash
# Prints the software bill of materials of the binary that ci/build.sh makes, CycloneDX
# in JSON.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
ci/build.sh "$out/hullbeam"
go run ./ci/sbom "$out/hullbeam" static/admin/package-lock.json
