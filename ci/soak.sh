#!/usr/bin/env bash
# Soaks hullbeam: for the time given (default 30m) everything happens at once, on two nodes
# with a Redis that is restarted all along, and on a node with the embedded store. Nothing
# may grow, and nothing be lost (docs/bench.md). Then, for the second time given (default
# 10m; 0: not at all), a cluster lives through faults by chance, and 10,000 streams leave a
# node that stops: without the race detector, since the nodes never have it, and it knows no
# 10,000 pages. Meanwhile streams are idle for ten minutes behind nginx, HAProxy and Caddy,
# with every time-out as it is shipped.
#
#   ci/soak.sh [soak [faults]]
#
# Results and plot stay in a directory that is named at the end (HULLBEAM_BENCH_OUT chooses
# it).
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh
duration=${1:-30m}
faults=${2:-10m}
every=110    # seconds between restarts of Redis
views=150000 # of each node, before
out=${HULLBEAM_BENCH_OUT:-$(mktemp -d)}
mkdir -p "$out"
. bench/run.sh
go build -o "$work/hullbeam" .

secret=$(random)
admin_key=$(random)
connector_secret=$(random)
openssl genrsa -out "$work/hull.pem" 2048 2>"$work/err"
openssl rsa -in "$work/hull.pem" -pubout -out "$work/hull.pub" 2>"$work/err"

# Streams are closed for their age and tokens expire within minutes, so that what happens in
# hours elsewhere happens here. All pages come from the same few addresses, which limits are
# for. Nobody listens at port 9: no Hull is asked for users.
cat >"$work/config.yaml" <<YAML
connectors:
  - id: soak
    organization: soak.hullapp.io
    secret: $connector_secret
    private_settings:
      whitelisted_domains: [page.test]
      public_traits: [plan]
      identity_verification: possession
hull: {public_keys: [$work/hull.pub], api_url: "http://127.0.0.1:9"}
stream: {max_age: 2m, drain: 5s, token_ttl: 150s, heartbeat: 5s}
limits: {tokens_per_address: 0, streams_per_address: 0, pages_per_visitor: 0}
YAML

# run_redis starts the Redis of the cluster, which keeps what it was told when it is killed.
run_redis() {
  redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$work/redis" --save '' --appendonly yes >>"$work/log.redis" 2>&1 &
  redis_pid=$!
  pids="$pids $redis_pid"
}
awake() { [ "$(redis-cli -p "$redis_port" PING)" = PONG ]; } # and not loading

# run_node starts a node, and tells its URL.
run_node() { # name, address of Redis or nothing
  local port
  port=$(free_port)
  mkdir "$work/$1"
  (
    cd "$work/$1"
    SECRET=$secret ADMIN_KEY=$admin_key REDIS_URL=$2 PORT='' exec "$work/hullbeam" serve --config "$work/config.yaml" --listen "127.0.0.1:$port"
  ) >"$out/$1.log" 2>&1 &
  pids="$! $pids" # Redis goes last
  until_true ready "$port"
  url=http://127.0.0.1:$port
}

# restart has Redis stop and come back seconds later: told to, and killed, in turns.
signal=KILL
restart() {
  [ $signal = KILL ] && signal=TERM || signal=KILL
  echo "down Redis SIG$signal" >>"$out/marks"
  sleep 1 # bench knows before it happens
  kill -"$signal" "$redis_pid"
  wait "$redis_pid" || true
  pids=${pids% "$redis_pid"}
  sleep $((2 + RANDOM % 5))
  run_redis
  until_true awake
  echo "up Redis" >>"$out/marks"
}

# soak is run in the background, and becomes bench.
soak() { # name, URLs, further arguments
  local name=$1 urls=$2
  shift 2
  HULLBEAM_ADMIN_KEY=$admin_key HULLBEAM_CONNECTOR_SECRET=$connector_secret \
    exec "$work/hullbeam" bench soak --url "$urls" --connector soak --organization soak.hullapp.io --key "$work/hull.pem" \
    --origin https://page.test --duration "$duration" --json "$out/$name.json" "$@" >"$out/$name.txt" 2>"$out/$name.progress"
}

: >"$out/marks"
redis_port=$(free_port)
mkdir "$work/redis"
run_redis
until_true awake
run_node a "redis://127.0.0.1:$redis_port"
cluster=$url
run_node b "redis://127.0.0.1:$redis_port"
cluster=$cluster,$url
run_node embedded ''
embedded_url=$url
echo "nodes: $cluster, $embedded_url; results: $out" >&2

# What is bounded grows until it is full: the pages of history.db that the store has in memory
# (32 MiB), the views that each node remembers. It is filled first.
fill() { # URL
  HULLBEAM_ADMIN_KEY=$admin_key "$work/hullbeam" bench views --url "$1" --connector soak --origin https://page.test \
    --count "$views" --visitors 5000 --data-dir "$work/embedded/data" >"$out/filled.txt" 2>&1 || { cat "$out/filled.txt" >&2; return 1; }
}
for url in ${cluster//,/ } "$embedded_url"; do fill "$url"; done

failed=
soak embedded "$embedded_url" --visitors 150 --rate 30 --views 5 &
embedded=$!
soak cluster "$cluster" --mark-file "$out/marks" &
soaked=$!
pids="$embedded $soaked $pids"
soaking() { kill -0 "$soaked" 2>/dev/null; }
while soaking; do
  for _ in $(seq "$every"); do
    sleep 1
    soaking || break 2
  done
  restart
done
wait "$soaked" || failed=1
wait "$embedded" || failed=1
pids=${pids#"$embedded $soaked "}
stop
cat "$out/cluster.txt" "$out/embedded.txt"
[ -z "$failed" ] || tail -n 3 "$out"/*.progress >&2
"$work/hullbeam" bench plot "$out/cluster.json" "$out/embedded.json" --out "$out/soak.svg" || failed=1
echo "Results: $out" >&2
if [ "$faults" != 0 ]; then
  go test -count 1 -timeout 20m -v -run Idle ./deploy/proxies -idle 10m >"$out/idle.txt" 2>&1 &
  idle=$!
  pids=$idle
  HULLBEAM_SOAK=$faults go test -count 1 -timeout 0 -v ./clustertest || failed=1
  wait "$idle" || failed=1
  grep -E '^ *(---|ok|FAIL)|_test.go' "$out/idle.txt" || failed=1
  pids=
fi
[ -z "$failed" ]
