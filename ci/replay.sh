#!/usr/bin/env bash
# Replays the fixtures of testdata/hull over HTTP against servers that run for it on
# loopback, and prints a table: what was sent, what was answered, what was wanted.
# Fails when they differ.
set -euo pipefail
cd "$(dirname "$0")/.."
go run ./ci/replay "$@"
