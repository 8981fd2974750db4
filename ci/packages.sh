#!/usr/bin/env bash
# Checks the files that Hullbeam is shipped by, as far as it goes without what they are for: Dockerfile,
# Compose and the YAML beside it, the systemd unit. ci/helm.sh checks the chart.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=testdata/packages/node_modules/.bin
"$bin/dockerfile-utils" lint Dockerfile
"$bin/dclint" -c deploy/compose/.dclintrc --max-warnings 0 deploy/compose
yamllint --strict -c .yamllint.yaml config.yaml deploy

# The program need not be installed here.
unit=$(mktemp -d)
trap 'rm -rf "$unit"' EXIT
sed 's#=/usr/local/bin/hullbeam #=/bin/true #' deploy/systemd/hullbeam.service >"$unit/hullbeam.service"
said=$(systemd-analyze verify --man=no "$unit/hullbeam.service" 2>&1) # which succeeds with keys that it does not know
if [ -n "$said" ]; then
  echo "$said" >&2
  exit 1
fi
# In tenths, of 10: what is left is that it has the network.
systemd-analyze security --offline=true --threshold=13 --no-pager "$unit/hullbeam.service" >"$unit/report" || {
  cat "$unit/report" >&2
  exit 1
}
