# Sourced by the scripts here: a directory for a run, and an end to the processes in
# pids and to the directory when the script ends.
work=$(mktemp -d)
pids=
stop() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  for pid in $pids; do wait "$pid" 2>/dev/null || true; done
  pids=
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
