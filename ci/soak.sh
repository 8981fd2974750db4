#!/usr/bin/env bash
# Has the cluster live through faults by chance for the time given (default 10m),
# and 10,000 streams leave a node that stops. Without the race detector: the
# nodes never have it, and it knows no 10,000 pages.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh
export HULLBEAM_SOAK=${1:-10m}
go test -count 1 -timeout 0 -v ./clustertest
