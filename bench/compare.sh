#!/usr/bin/env bash
# Loads Hullbeam, the floor (bench/floor) and, if it is installed (Debian: nginx
# and libnginx-mod-nchan), nchan with the same generator, in turns and each on a
# fresh process, and prints a table of medians. Arguments: how many runs
# (default 3), and the scenarios (default: hold fanout paced churn).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
shift || true
scenarios=${*:-hold fanout paced churn}
. bench/run.sh
go build -o "$work/hullbeam" .
go build -o "$work/floor" ./bench/floor
servers="hullbeam floor"
modules=/usr/lib/nginx/modules
command -v nginx >/dev/null && [ -e $modules/ngx_nchan_module.so ] && servers="$servers nchan"

# start leaves the server in pids and what bench needs to load it in load.
start() {
  rm -rf "$work/data"
  mkdir -p "$work/data"
  case $1 in
  hullbeam)
    "$work/hullbeam" serve --listen 127.0.0.1:9031 --data-dir "$work/data" \
      --limits.tokens-per-address 0 --limits.streams-per-address 0 --limits.offers-per-operator 0 --hull.api-url http://127.0.0.1:9 >"$work/log" 2>&1 &
    pids=$! # nobody listens at port 9: the pretend Hull would look each visitor up
    load=(--url http://127.0.0.1:9031 --data-dir "$work/data")
    [ "$scenario" = churn ] && load+=(--token-once) # the others have no token
    ;;
  floor)
    "$work/floor" -listen 127.0.0.1:9032 >"$work/log" 2>&1 &
    pids=$!
    load=(--url http://127.0.0.1:9032 --stream-path '/s?topic={topic}' --publish-path '/pub?topic={topic}')
    ;;
  nchan)
    cat >"$work/nginx.conf" <<NGINX
load_module $modules/ngx_nchan_module.so;
daemon off;
pid $work/nginx.pid;
error_log $work/log error;
worker_processes 2;
worker_rlimit_nofile 20000;
events { worker_connections 19900; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path $work/data/1; proxy_temp_path $work/data/2; fastcgi_temp_path $work/data/3;
  uwsgi_temp_path $work/data/4; scgi_temp_path $work/data/5;
  nchan_shared_memory_size 512M;
  server {
    listen 127.0.0.1:9033 backlog=4096;
    location = /s { nchan_subscriber eventsource; nchan_channel_id \$arg_topic; nchan_subscriber_first_message newest; }
    location = /pub { nchan_publisher http; nchan_channel_id \$arg_topic; nchan_store_messages off; }
  }
}
NGINX
    nginx -c "$work/nginx.conf" &
    pids=$!
    load=(--url http://127.0.0.1:9033 --stream-path '/s?topic={topic}' --publish-path '/pub?topic={topic}')
    ;;
  esac
  sleep 2
  load+=(--pid "$(echo $pids $(pgrep -P "$pids" || true) | tr ' ' ',')")
}

for scenario in $scenarios; do
  case $scenario in
  hold) what=(hold --streams 2000,10000,18000 --hold 9s) ;;
  fanout) what=(fanout --streams 10000 --messages 50 --size 256) ;;
  paced) what=(fanout --streams 10000 --messages 20 --size 256 --interval 300ms) ;;
  churn) what=(churn --rate 2000 --duration 10s) ;;
  *) echo "no scenario $scenario: hold, fanout, paced, churn" >&2; exit 2 ;;
  esac
  for run in $(seq "$runs"); do
    for server in $servers; do
      start "$server"
      "$work/hullbeam" bench "${what[@]}" "${load[@]}" --json "$work/$scenario.$server.$run.json" >/dev/null 2>"$work/err" ||
        { echo "$scenario of $server:" >&2; cat "$work/err" >&2; }
      stop
    done
  done
  echo
  echo "## $scenario: bench ${what[*]}, median of $runs"
  columns=()
  for server in $servers; do
    files=$(ls "$work/$scenario.$server".*.json | paste -sd,)
    columns+=("$server=$files")
  done
  "$work/hullbeam" bench table "${columns[@]}"
done
