#!/usr/bin/env bash
# Looks for known vulnerabilities in what Hullbeam calls, at each release. It needs the
# database of the Go project, over the network, or a copy of it: ci/vulncheck.sh -db
# file:///DIR. It fails when it cannot be reached: nothing was checked then.
set -euo pipefail
cd "$(dirname "$0")/.."
go tool -modfile=ci/tools.mod govulncheck "$@" ./...
