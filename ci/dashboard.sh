#!/usr/bin/env bash
# Checks that the dashboard is what Grafana says that a dashboard is, by the types that Grafana publishes.
set -euo pipefail
cd "$(dirname "$0")/../testdata/grafana"
{
  printf 'import type { Checked } from "./types";\n\nexport const dashboard: Checked = '
  cat ../../deploy/grafana/dashboard.json
} >dashboard.ts
node_modules/.bin/tsc -p .
