#!/usr/bin/env bash
# Loads 1, 2 and 3 nodes on one real Redis with the same load, in turns and each
# time on fresh processes, and prints a table (markdown) of medians: what a node,
# and what Redis, takes for a stream, for an update and for a user.
#
#   bench/cluster.sh [runs [streams [rate]]]     default: 3 10000 3000
#
# rate is updates a second that all of them must hold; the best rate is looked for
# besides. Redis keeps nothing on disk, as in production it may: what a disk costs
# is the disk's. The results of bench, and those of Redis in the same form, stay in
# a directory that is named at the end (HULLBEAM_BENCH_OUT chooses it).
# Needs Linux, Debian's redis-server, and some 90 s for each number of nodes and run.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
streams=${2:-10000}
rate=${3:-3000}
duration=15 # seconds at the rate
search=4    # seconds at each rate that is tried
out=${HULLBEAM_BENCH_OUT:-$(mktemp -d)}
mkdir -p "$out"
. bench/run.sh
ulimit -n "$(ulimit -Hn)"
go build -o "$work/hullbeam" .

of_redis() { redis-cli -p "$redis_port" "$@"; }

# sample takes down the time, and what Redis says of itself.
sample() { { printf 'at:%s\n' "$(date +%s.%N)"; of_redis INFO clients memory stats cpu commandstats | tr -d '\r'; } >"$1"; }

# sampling does so each second until it is killed.
sampling() {
  local i=0
  while sleep 1; do sample "$1.$((i += 1))"; done
}

# alone tells that Redis has no client but the one that asks.
alone() { [ "$(value <(of_redis INFO clients | tr -d '\r') connected_clients)" = 1 ]; }

value() { sed -n "s/^$2://p" "$1"; }

start_redis() {
  redis_port=$(free_port)
  rm -rf "$work/redis"
  mkdir "$work/redis"
  redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$work/redis" --save '' --appendonly no >"$work/log.redis" 2>&1 &
  redis_pid=$!
  pids=$redis_pid
  until_true of_redis PING
}

# start_nodes starts so many.
start_nodes() {
  local port node
  urls=
  for node in $(seq "$1"); do
    port=$(free_port)
    SECRET=$secret ADMIN_KEY=$admin_key REDIS_URL=redis://127.0.0.1:$redis_port PORT='' \
      "$work/hullbeam" serve --config "$work/config.yaml" --listen "127.0.0.1:$port" --stream.drain 0s >"$work/log.$node" 2>&1 &
    pids="$! $pids" # Redis goes last
    urls=${urls:+$urls,}http://127.0.0.1:$port
    until_true ready "$port"
  done
}

# stop_nodes leaves Redis as the only one. What nodes follow on behalf of streams
# they would go on to follow for half a minute.
stop_nodes() {
  local pid
  for pid in $pids; do [ "$pid" = "$redis_pid" ] || kill "$pid"; done
  for pid in $pids; do [ "$pid" = "$redis_pid" ] || wait "$pid" || true; done
  pids=$redis_pid
  until_true alone
}

# load runs a scenario, samples Redis meanwhile, and leaves its result in a file.
load() {
  local name=$1 json=$2 sampler
  shift 2
  rm -f "$work/$name".*
  sampling "$work/$name" &
  sampler=$!
  HULLBEAM_ADMIN_KEY=$admin_key "$work/hullbeam" bench "$@" --url "$urls" --connector bench --origin https://page.test --json "$json" >/dev/null 2>"$work/err" ||
    { echo "bench $*:" >&2; cat "$work/err" >&2; }
  date +%s.%N >"$work/$name-end"
  kill "$sampler"
  wait "$sampler" 2>/dev/null || true
}

# others is how much of a core everybody else takes, now that nothing is loaded.
others() {
  local a b
  a=$(awk '/^cpu /{print $2+$3+$4+$7+$8+$9}' /proc/stat)
  sleep 2
  b=$(awk '/^cpu /{print $2+$3+$4+$7+$8+$9}' /proc/stat)
  echo $(((b - a) / 2)) # USER_HZ is 100
}

# window names the first and the last sample of the updates, without the first and
# the last two seconds of them, and how many updates came between the two.
window() {
  awk -F: -v end="$(cat "$work/unicast-end")" -v duration="$duration" -v rate="$rate" '
    $1 == "at" && $2 > end - duration + 2 && $2 < end - 2 {
      if (!first || $2 < first) { first = $2; from = FILENAME }
      if ($2 > last) { last = $2; to = FILENAME }
    }
    END {
      if (last <= first) exit 1
      printf "%s %s %.0f\n", from, to, (last - first) * rate
    }' "$work"/unicast.*
}

# grown prints, as metrics of a result, by how much what Redis counts has grown
# from one sample to another, for each of so many. Commands that a script calls
# count beside the EVALSHA that has called it.
grown() { # prefix, samples from and to, number
  awk -F: -v prefix="$1" -v number="$4" '
    function out(name, unit, by) { printf "{\"name\":\"%s%s\",\"unit\":\"%s\",\"value\":%.4g},\n", prefix, name, unit, by / number }
    { gsub("calls=|,usec=.*", "", $2) }
    FNR == NR { before[$1] = $2; next }
    { by[$1] = $2 - before[$1] }
    END {
      out("cpu", "µs", 1e6 * (by["used_cpu_user"] + by["used_cpu_sys"]))
      out("in", "B", by["total_net_input_bytes"])
      out("out", "B", by["total_net_output_bytes"])
      out("reads", "", by["total_reads_processed"])
      for (key in by)
        if (key ~ /^cmdstat_/ && key !~ /^cmdstat_(info|client|memory|config)/ && by[key] / number >= .001) {
          all += by[key]
          calls[substr(key, 9)] = by[key]
        }
      out("commands", "", all)
      while (1) {
        most = ""
        for (name in calls) if (most == "" || calls[name] > calls[most]) most = name
        if (most == "") break
        out("command " most, "", calls[most])
        delete calls[most]
      }
    }' "$2" "$3"
}

# measure loads so many nodes and leaves what came of it in $out.
measure() { # nodes, run
  local name=$1.$2 from to updates user busy held
  start_redis
  start_nodes "$1"
  busy=$(others)
  sample "$work/began"
  load hold "$out/hold.$name.json" hold --streams "$((streams / 5)),$streams" --hold 4s
  sample "$work/opened"
  held=$(for f in "$work"/hold.*; do echo "$(value "$f" pubsub_channels) $(value "$f" used_memory)"; done | sort -n | tail -1)
  stop_nodes
  sample "$work/before"
  start_nodes "$1"
  load unicast "$out/unicast.$name.json" unicast --via users --streams "$streams" --rate "$rate" --duration "${duration}s"
  stop_nodes
  sample "$work/after"
  read -r from to updates < <(window)
  user=$(of_redis MEMORY USAGE "$(of_redis --scan --pattern 'hb:u:*' | sed -n 1p)")
  {
    echo '{"scenario":"redis","metrics":['
    echo "{\"name\":\"others\",\"unit\":\"% of a core\",\"value\":$busy},"
    grown 'update: ' "$from" "$to" "$updates"
    grown 'opening: ' "$work/began" "$work/opened" "$streams"
    echo "{\"name\":\"stream memory\",\"unit\":\"B\",\"value\":$(((${held#* } - $(value "$work/began" used_memory)) / streams))},"
    echo "{\"name\":\"user memory\",\"unit\":\"B\",\"value\":$((($(value "$work/after" used_memory) - $(value "$work/before" used_memory)) / streams))},"
    echo "{\"name\":\"user record\",\"unit\":\"B\",\"value\":$user},"
    echo "{\"name\":\"user keys\",\"value\":$(($(of_redis DBSIZE) / streams))}"
    echo ']}'
  } >"$out/redis.$name.json"
  start_nodes "$1"
  load search "$out/search.$name.json" unicast --via users --streams "$streams" --rate "$((2 * rate))" --duration "${search}s" --search
  stop
}

secret=$(random)
admin_key=$(random)
cat >"$work/config.yaml" <<'YAML'
connectors:
  - id: bench
    private_settings:
      whitelisted_domains: [page.test]
      public_traits: [plan]
      identity_verification: possession
limits: {tokens_per_address: 0, streams_per_address: 0, offers_per_operator: 0}
YAML
for run in $(seq "$runs"); do
  for nodes in 1 2 3; do
    echo "run $run, nodes $nodes; load average $(cut -d' ' -f1-3 /proc/loadavg)" >&2
    measure "$nodes" "$run"
  done
done

# medians are rows of a table: what it is called, then a cell for each number of nodes.
medians() { # of which results
  local columns=() nodes
  for nodes in 1 2 3; do
    columns+=("$nodes=$(printf '%s\n' "$out/$1.$nodes".*.json | paste -sd,)")
  done
  "$work/hullbeam" bench table "${columns[@]}" | tail -n +2 | sed -E 's/ {2,}/ | /g; s/ *\| *$//'
}

# rows picks some of them.
rows() { # of which results, then pairs of a name and what it is called in the table
  local all name
  all=$(medians "$1")
  shift
  while [ $# -gt 0 ]; do
    name=$(grep -F "$1 (" <<<"$all" | head -1) || true
    [ -n "$name" ] && echo "| $2 | ${name#* | } |"
    shift 2
  done
}

echo "$streams streams, each of a user of its own; requests of 100 updates of 256 B and more (\`--via users\`); medians of $runs,"
echo "with the least and the most. $(nproc) CPUs for nodes, Redis and load generator together: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)."
echo
echo "| nodes | 1 | 2 | 3 |"
echo "| --- | --- | --- | --- |"
rows search best_rate 'best rate with nothing lost and p99 < 100 ms, updates/s'
rows unicast delivery_p50 "p50 at $rate updates/s, ms" delivery_p99 'p99, ms' lost 'lost, streams' \
  server_cpu_per_message 'CPU of all nodes an update, µs'
rows redis 'update: cpu' 'CPU of Redis an update, µs' 'update: commands' 'commands an update, with those that the script calls'
medians redis | sed -n 's/^update: command \(.*\) () | \(.*\)/| \&nbsp; `\1` | \2 |/p'
rows redis 'update: reads' 'reads from sockets an update' 'update: in' 'into Redis an update, B' 'update: out' 'out of Redis an update, B' \
  'user memory' 'memory of Redis a user, B' 'user record' "— of it the record (\`MEMORY USAGE\`), B" 'user keys' 'keys a user' \
  'stream memory' 'memory of Redis a stream, B' 'opening: cpu' 'CPU of Redis an opening, µs' \
  'opening: commands' 'commands an opening'
medians redis | sed -n 's/^opening: command \(.*\) () | \(.*\)/| \&nbsp; `\1` | \2 |/p'
rows hold rss_per_stream_slope 'RSS of its node a stream, B' rss_base 'RSS of all nodes before, MiB' opens_per_s 'openings/s'
rows redis others 'everybody else on the machine before, % of a core'
echo
echo "Results: $out" >&2
