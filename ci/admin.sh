#!/usr/bin/env bash
# Builds the admin pages, static/admin, into static/admin/dist, which the binary embeds.
# With --check it builds nothing: it fails when what is there is not what the sources
# make, or when types are wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
testdata/browser/node_modules/.bin/tsc -p static/admin

cp static/admin/index.html "$out"
cp static/install/files/logo.svg "$out"
# Builds a file of static/admin, whose name gets its hash, and names that in index.html.
build() {
  go tool -modfile=ci/tools.mod esbuild "static/admin/$1" --bundle --minify --charset=utf8 --target=es2022 --format=esm \
    --legal-comments=none --log-level=warning >"$out/built"
  local name
  name=admin-$(sha256sum "$out/built" | head -c 8 | tr a-f A-F).$2
  mv "$out/built" "$out/$name"
  sed -i "s/admin\\.$2/$name/" "$out/index.html"
  printf '%6d bytes gzip  %s\n' "$(gzip -9 -n -c "$out/$name" | wc -c)" "$name"
}
build admin.tsx js
build admin.css css
# What the licenses of others in the bundle ask for.
for package in eventsource-parser preact uplot; do
  printf '%s\n\n' "$package"
  cat "static/admin/node_modules/$package/LICENSE"
  printf '\n\n'
done >"$out/licenses.txt"

if [ "${1:-}" != --check ]; then
  rm -rf static/admin/dist
  cp -r "$out" static/admin/dist
elif ! diff -rq "$out" static/admin/dist; then
  echo 'static/admin/dist is not what static/admin makes: run make admin' >&2
  exit 1
fi
