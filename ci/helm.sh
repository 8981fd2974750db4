#!/usr/bin/env bash
# Lints the Helm chart with Helm's own packages, which take two minutes of a processor to compile, once.
set -euo pipefail
cd "$(dirname "$0")/.."
go -C ci/helm run . ../../deploy/helm/hullbeam
