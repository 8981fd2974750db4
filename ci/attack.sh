#!/usr/bin/env bash
# Attacks a server, and prints what became of each attack: one that it builds and starts,
# or with --url http://127.0.0.1:8082 one that runs (docs/attacks.md).
set -euo pipefail
cd "$(dirname "$0")/.."
case " $* " in
*" --url"*) exec go run ./ci/attack "$@" ;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/hullbeam" .
go run ./ci/attack --hullbeam "$dir/hullbeam" "$@"
