#!/usr/bin/env bash
# Installs what the tests need and is missing: Debian packages, and by npm what
# testdata/{minihull,browser,grafana,packages,redocly} and static/admin have locks for.
set -euo pipefail
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)       # the race detector
command -v curl >/dev/null || missing+=(curl)               # the printed curl lines
# Redis of the tests' own: they start the processes themselves, on free ports.
command -v redis-server >/dev/null || missing+=(redis-server)
command -v promtool >/dev/null || missing+=(prometheus)     # deploy/prometheus: it starts its own
command -v sqlite3 >/dev/null || missing+=(sqlite3)         # the backup that docs/recovery.md describes
command -v openssl >/dev/null || missing+=(openssl)         # ci/soak.sh, for a key
command -v zip >/dev/null || missing+=(zip)                 # ci/release.sh
command -v nginx >/dev/null || missing+=(nginx)             # deploy/compose and deploy/proxies, before nodes of their own
command -v haproxy >/dev/null || missing+=(haproxy)         # deploy/proxies
command -v caddy >/dev/null || missing+=(caddy)
command -v chromium >/dev/null || missing+=(chromium)       # shiptest
command -v node >/dev/null || missing+=(nodejs)             # testdata/minihull, testdata/browser
command -v npm >/dev/null || missing+=(npm)
command -v yamllint >/dev/null || missing+=(yamllint)       # ci/packages.sh
command -v systemd-analyze >/dev/null || missing+=(systemd) # ci/packages.sh
command -v python3 >/dev/null || missing+=(python3)         # the documents' Python
if [ ${#missing[@]} -gt 0 ]; then
  # Servers are not to be started by their packages, on ports of somebody else's.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
cd "$(dirname "$0")/.."
for project in testdata/{minihull,browser,grafana,packages,redocly} static/admin; do
  # npm keeps a copy of the lock in what it has installed.
  [ "$project/node_modules/.package-lock.json" -nt "$project/package-lock.json" ] || (cd "$project" && npm ci)
done
