#!/usr/bin/env bash
# Builds the page snippet, static/ship, into static/dist, which the binary embeds, and
# prints how large it is, as gzip -9 makes it. With --check it builds nothing: it fails
# when what is there is not what the sources make, or when types are wrong.
# Fails when the core or all of it is too large.
set -euo pipefail
cd "$(dirname "$0")/.."
core_limit=6144 all_limit=12288
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
testdata/browser/node_modules/.bin/tsc -p static/ship

# Builds static/ship/NAME.ts: esbuild makes one file of it, and terser a smaller one.
build() {
  go tool -modfile=ci/tools.mod esbuild "static/ship/$1.ts" "${@:2}" --bundle --minify --charset=utf8 --target=es2021 --tsconfig-raw={} \
    --mangle-props='[^_]_$' --log-level=warning |
    testdata/browser/node_modules/.bin/terser --compress passes=3,ecma=2020 --mangle
}
# Builds a part, whose name has its hash, and prints that.
part() {
  build "$@" --format=esm >"$out/part"
  local name
  name=$1-$(sha256sum "$out/part" | head -c 8 | tr a-f A-F).js
  mkdir -p "$out/ship"
  mv "$out/part" "$out/ship/$name"
  echo "$name"
}
banner=$(part banner)
more=$(part more "--define:BANNER=\"$banner\"")
build ship --format=iife "--define:MORE=\"$more\"" >"$out/ship.js"
cp static/ship/types.ts "$out/ship.d.ts"

all=0
for file in "$out"/ship.js "$out"/ship/*.js; do
  size=$(gzip -9 -n -c "$file" | wc -c)
  all=$((all + size))
  printf '%6d bytes gzip  %s\n' "$size" "${file#"$out/"}"
  if [ "$file" = "$out/ship.js" ] && [ "$size" -gt $core_limit ]; then
    echo "ship.js is above $core_limit bytes" >&2
    exit 1
  fi
done
printf '%6d bytes gzip  in all\n' "$all"
if [ "$all" -gt $all_limit ]; then
  echo "all of it is above $all_limit bytes" >&2
  exit 1
fi
if [ "${1:-}" != --check ]; then
  rm -rf static/dist
  cp -r "$out" static/dist
elif ! diff -r "$out" static/dist; then
  echo 'static/dist is not what static/ship makes: run make snippet' >&2
  exit 1
fi
