#!/usr/bin/env bash
# From a fresh clone to an incident on screen: builds, installs what it needs, starts standalone on
# loopback, watches this host's logs, replays a sample attack through the real agent.
#
#   deploy/quickstart.sh [--once] [--clean] [--port PORT] [--profile release|dev]
#
#   --once      approve the incident, deliver it to a local TAXII 2.1 server, print the report, exit 0
#   --clean     remove everything this script ever wrote, and stop
#   --port      where the page is served (default 8480; 0 takes a free one)
#   --profile   cargo profile (default release)
#   VONGLAU_QUICKSTART_DIR   the one folder it writes to (default .quickstart in the checkout)
#   VONGLAU_CACHE, CARGO_TARGET_DIR   used when set, so that downloads and builds can be shared
set -euo pipefail
# Logs of this host are copied here, and secrets made: nobody else's business.
umask 077
cd "$(dirname "$0")/.."
root=$PWD
home=${VONGLAU_QUICKSTART_DIR:-$root/.quickstart}
once='' port=8480 profile=release
while [ $# -gt 0 ]; do
  case $1 in
    --once) once=1 ;;
    --clean)
      rm -rf "$home"
      echo "removed $home"
      exit 0
      ;;
    --port) port=${2:?--port needs a number} && shift ;;
    --profile) profile=${2:?--profile needs release or dev} && shift ;;
    -h | --help)
      sed -n '2,14p' "$0" | cut -c3-
      exit 0
      ;;
    *)
      echo "unknown option $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done

cache=${VONGLAU_CACHE:-$home/cache}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
log_dir=$home/logs
mkdir -p "$log_dir" "$cache"
# shellcheck source=deploy/lib/common.sh
. deploy/lib/common.sh

finish() {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2> /dev/null || true; done
  wait 2> /dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

need cargo "install Rust with rustup (https://rustup.rs)"
need npm "install Node.js 20 or newer"
packages gcc g++ make pkg-config libssl-dev zlib1g-dev
chdb=$cache/chdb/libchdb.so
step "fetching the embedded ClickHouse (178 MB, once)" deploy/lib/fetch-chdb.sh "$chdb"
if [ -n "$once" ]; then
  packages python3 python3-venv
  step "fetching a TAXII 2.1 server" \
    bash -c '. deploy/lib/common.sh; python_tools "$@"' _ "$cache/python" medallion==3.0.0
fi
flags=(--profile "$profile")
step "building Vọng Lâu ($profile; minutes the first time, seconds after)" \
  cargo build --locked "${flags[@]}" --bins
bin=$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")

# A run of its own each time: yesterday's incidents do not answer for today's.
run=$home/run
rm -rf "$run"
mkdir -p "$run/logs"
started=$(date +%s)

taxii=
if [ -n "$once" ]; then
  collection=91a7b528-80eb-42ed-a74d-c6fbd5a26116
  taxii_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  taxii_password=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
  cat > "$run/taxii-data.json" << EOF
{"/discovery": {"title": "local centre", "default": "http://127.0.0.1:$taxii_port/centre/", "api_roots": ["http://127.0.0.1:$taxii_port/centre/"]},
 "centre": {"information": {"title": "local centre", "versions": ["application/taxii+json;version=2.1"], "max_content_length": 9765625},
  "status": [],
  "collections": [{"id": "$collection", "title": "incidents", "can_read": true, "can_write": true,
   "media_types": ["application/stix+json;version=2.1"], "manifest": [], "objects": [], "responses": []}]}}
EOF
  cat > "$run/taxii.json" << EOF
{"backend": {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": "$run/taxii-data.json"},
 "users": {"soc": "$taxii_password"}, "taxii": {"max_page_size": 100}}
EOF
  printf '%s' "$taxii_password" > "$run/taxii-password"
  "$cache/python/bin/medallion" --host 127.0.0.1 --port "$taxii_port" "$run/taxii.json" > "$log_dir/taxii.log" 2>&1 &
  children+=($!)
  taxii="[forward.taxii]
url = \"http://127.0.0.1:$taxii_port/taxii2/\"
collection = \"$collection\"
user = \"soc\"
password_file = \"$run/taxii-password\""
fi

cat > "$run/collector.toml" << EOF
state_dir = "$run/state"
[api]
listen = "127.0.0.1:$port"
[engine]
library = "$chdb"
[standalone]
watch = ["$run/logs/*.log"]
organization = "000.00.00.H99"
[forward.reporter]
name = "Quickstart"
organ_id = "000.00.00.H99"
$taxii
EOF

: > "$log_dir/collector.log"
mkfifo "$run/ready"
"$bin/vonglau-collector" standalone --config "$run/collector.toml" > "$run/ready" 2> "$log_dir/collector.log" &
collector=$!
children+=("$collector")
ready=
read -r -t 120 ready < "$run/ready" || {
  tail -n 20 "$log_dir/collector.log" >&2
  die "the collector did not start; the whole log is $log_dir/collector.log"
}
api=http://$(printf '%s' "$ready" | sed 's/.*"api":"\([^"]*\)".*/\1/')
password=$(cat "$run/state/admin-password")
say "the collector is up at $api ($(($(date +%s) - started)) s)"

deploy/sample/generate.sh "$run/logs"
say "replaying a sample: an SSH brute force that succeeds, and a web shell upload ($(cat "$run"/logs/*.log | wc -l) lines)"

export VONGLAU_SERVER=$api HOME="$run"
printf '%s' "$password" | "$bin/vonglau" login --name admin --password-file - > /dev/null
vonglau=$bin/vonglau

# wait_for SECONDS TEXT COMMAND…: until the command succeeds.
wait_for() {
  local limit=$1 text=$2 start=$SECONDS
  shift 2
  until "$@" > /dev/null 2>&1; do
    [ $((SECONDS - start)) -lt "$limit" ] || die "$text: not within $limit s; see $log_dir/collector.log"
    kill -0 "$collector" 2> /dev/null || die "the collector ended; see $log_dir/collector.log"
    sleep 0.2
  done
}
has_incident() { "$vonglau" incidents list --json | grep -q "$1"; }
wait_for 60 "the brute force that succeeded becomes an incident" has_incident 203.0.113.
wait_for 60 "the web shell becomes an incident" has_incident 198.51.100.
settled() {
  local now
  now=$("$vonglau" ledger --json | tr -d ' \n')
  [ "$now" = "${before:-}" ] || { before=$now; return 1; }
}
wait_for 60 "everything that was read is stored" settled
say "incidents within $(($(date +%s) - started)) s of the start"
echo
"$vonglau" incidents list
echo
first=$("$vonglau" incidents list --json | tr -d '\n' | grep -o 'INC-[0-9]*-[0-9]*' | tail -n 1)
"$vonglau" incidents show "$first"
echo

if [ -z "$once" ]; then
  say "page:     $api"
  say "login:    admin / $password"
  say "try:      VONGLAU_SERVER=$api HOME=$run $vonglau events search --limit 5"
  say "stop with Ctrl-C; $0 --clean removes $home"
  wait "$collector"
  exit 0
fi

# Who asks for a report may not approve it: two people, as in a real SOC.
printf 'quickstart-analyst-pass' | "$bin/vonglau-collector" user add --config "$run/collector.toml" analyst --role analyst --password-file - > /dev/null
mkdir -p "$run/analyst"
printf 'quickstart-analyst-pass' | HOME="$run/analyst" "$vonglau" login --name analyst --password-file - > /dev/null
report=$(HOME="$run/analyst" "$vonglau" forward request "$first" --json | tr -d '\n' | sed 's/.*"id": *"\([^"]*\)".*/\1/')
"$vonglau" forward approve "$report" > /dev/null
delivered() { "$vonglau" forward status "$report" --json | grep -q '"delivered"'; }
wait_for 60 "the report of $first is delivered" delivered
"$vonglau" forward status "$report"
echo
"$vonglau" ledger
say "done: incident raised, approved by a second person, delivered, receipt stored ($(($(date +%s) - started)) s)"
