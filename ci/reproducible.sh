#!/usr/bin/env bash
# Builds the release twice, from copies of what is committed that lie in different places,
# with caches of their own, and compares: the binaries, and the page snippet and admin
# pages with what is committed of them. Takes some minutes: everything is compiled twice.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh
ci/snippet.sh --check
ci/admin.sh --check
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
commit=$(git rev-parse HEAD)
export COMMIT=$commit # which a release tells
for copy in a another/place; do
  mkdir -p "$out/$copy"
  git archive "$commit" | tar -x -C "$out/$copy"
  GOCACHE="$out/cache" "$out/$copy/ci/build.sh" "$out/$(basename "$copy").bin"
  rm -rf "$out/cache"
done
sha256sum "$out"/*.bin
cmp "$out/a.bin" "$out/place.bin"
