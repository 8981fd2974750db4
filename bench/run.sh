# Sourced by the scripts here and ci/soak.sh: a directory for a run, an end to the processes
# in pids and to the directory when the script ends, and what starts processes.
work=$(mktemp -d)
pids=
stop() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  for pid in $pids; do wait "$pid" 2>/dev/null || true; done
  pids=
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# free_port is one that nobody listens on, below those that the system gives out.
free_port() {
  local port
  while port=$((10000 + RANDOM % 20000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

# until_true waits for a command to succeed, 20 s at most.
until_true() {
  for _ in $(seq 200); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "not in 20 s: $*" >&2
  cat "$work"/log.* >&2
  return 1
}

random() { head -c 30 /dev/urandom | base64; }
ready() { curl -fs "http://127.0.0.1:$1/readyz"; }
