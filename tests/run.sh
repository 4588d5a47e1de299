#!/usr/bin/env bash
# Runs everything that must hold: formatting, lints, tidy, unit, integration and end-to-end tests
# against real servers on loopback, which it installs, starts and stops.
#
#   tests/run.sh [--quick] [-- ARGUMENTS FOR cargo test]
#
#   --quick            only what needs no server (fmt, clippy, unit tests)
#   KAFKA_BOOTSTRAP    host:port of a broker to use instead of starting one
#   CLICKHOUSE_URL     a ClickHouse server to use instead of the embedded engine
#   VONGLAU_CACHE      where downloads and builds go (default ~/.cache/vonglau)
#   VONGLAU_TEST_DATA  folder of real logs (default ../shared/data beside the checkout)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

quick=
[ "${1:-}" = --quick ] && { quick=1; shift; }
[ "${1:-}" = -- ] && shift

cache=${VONGLAU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vonglau}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
log_dir=$cache/logs
mkdir -p "$log_dir"
# shellcheck source=deploy/lib/common.sh
. deploy/lib/common.sh

scratch=$(mktemp -d "${TMPDIR:-/tmp}/vonglau-tests.XXXXXX")
finish() {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2> /dev/null || true; done
  wait 2> /dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

need cargo "install Rust with rustup (https://rustup.rs)"
packages gcc g++ make pkg-config libssl-dev openssl zlib1g-dev

missing=()
export VONGLAU_TEST_DATA=${VONGLAU_TEST_DATA:-$root/../shared/data}
[ -d "$VONGLAU_TEST_DATA" ] || missing+=("real logs: $VONGLAU_TEST_DATA is not there")

if [ -z "$quick" ]; then
  need npm "install Node.js 20 or newer"
  packages python3 python3-venv shellcheck
  export VONGLAU_CHDB_LIB=$cache/chdb/libchdb.so
  step "fetching the embedded ClickHouse" deploy/lib/fetch-chdb.sh "$VONGLAU_CHDB_LIB"
  step "fetching the TAXII server and the STIX validator" \
    bash -c '. deploy/lib/common.sh; python_tools "$@"' _ "$cache/python" medallion==3.0.0 stix2-validator==3.2.0
  export VONGLAU_TEST_MEDALLION=$cache/python/bin/medallion
  export VONGLAU_TEST_STIX_VALIDATOR=$cache/python/bin/stix2_validator
  packages chromium
  step "fetching the browser driver" npm install --silent --no-audit --no-fund --prefix "$cache/browser" playwright-core@1.64.1
  export VONGLAU_TEST_BROWSER=/usr/bin/chromium NODE_PATH=$cache/browser/node_modules
  command -v java > /dev/null || packages default-jre-headless
  command -v mvn > /dev/null || packages maven
  if tests/lib/kafka.sh fetch "$cache/kafka" > "$log_dir/kafka-fetch.log" 2>&1; then
    export VONGLAU_TEST_KAFKA=$cache/kafka
  else
    missing+=("Apache Kafka: Maven Central does not give it; see $log_dir/kafka-fetch.log")
  fi
  if tests/lib/rsyslog.sh "$cache/rsyslog" > "$log_dir/rsyslog-fetch.log" 2>&1; then
    export VONGLAU_RSYSLOG=$cache/rsyslog/root
  else
    missing+=("rsyslog: $(tail -n 1 "$log_dir/rsyslog-fetch.log")")
  fi
fi

step "checking formatting" cargo fmt --check
step "lints (clippy)" cargo clippy --workspace --all-targets --locked -- -D warnings
step "building the programs" cargo build --workspace --bins --locked
# Names of their own for what was just built: one test runs cargo, which replaces its files.
export VONGLAU_BIN_DIR=$CARGO_TARGET_DIR/debug/under-test
mkdir -p "$VONGLAU_BIN_DIR"
for program in vonglau vonglau-agent vonglau-collector vonglau-engine vonglau-rules; do
  ln -f "$CARGO_TARGET_DIR/debug/$program" "$VONGLAU_BIN_DIR/$program"
done
export VONGLAU_TEST_ENGINE=$VONGLAU_BIN_DIR/vonglau-engine
if [ -z "$quick" ]; then
  step "checking shell scripts" shellcheck -x -P SCRIPTDIR -S warning deploy/*.sh deploy/lib/*.sh deploy/sample/*.sh tests/*.sh tests/lib/*.sh tests/fuzz/*.sh benches/*.sh .ci/run
fi
step "checking the shipped rules" "$VONGLAU_BIN_DIR/vonglau-rules" test rules/pack

if [ -z "$quick" ] && [ -z "${KAFKA_BOOTSTRAP:-}" ] && [ -n "${VONGLAU_TEST_KAFKA:-}" ]; then
  port=$(tests/lib/kafka.sh free-port)
  tests/lib/kafka.sh run "$VONGLAU_TEST_KAFKA" "$scratch/kafka" "$port" > "$log_dir/kafka.log" 2>&1 &
  children+=($!)
  for _ in $(seq 240); do
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break
    kill -0 "${children[-1]}" 2> /dev/null || die "Kafka did not start; see $log_dir/kafka.log"
    sleep 0.25
  done
  (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || die "Kafka is not up after 60 s; see $log_dir/kafka.log"
  export KAFKA_BOOTSTRAP=127.0.0.1:$port
  say "Apache Kafka is up on $KAFKA_BOOTSTRAP"
fi

out=$log_dir/tests.log
say "tests"
status=0
cargo test --workspace --locked --no-fail-fast "$@" -- --show-output > "$out" 2>&1 || status=$?
grep -E '^(     Running|   Doc-tests|test result|test .*FAILED|ledger:|measured:)|^error' "$out" || true

passed=$(awk '/^test result:/ {n += $4} END {print n + 0}' "$out")
failed=$(awk '/^test result:/ {n += $6} END {print n + 0}' "$out")
grep -hoE '^skipped: .*' "$out" | sort | uniq -c > "$scratch/skips" || true
skipped=$(awk '{n += $1} END {print n + 0}' "$scratch/skips")
if [ "$status" -ne 0 ]; then
  # Reads to the end, so that a long list does not end the script before its summary.
  sed -n '/^failures:$/,$p' "$out" | awk 'NR <= 400'
fi
for reason in "${missing[@]}"; do echo "skipped for want of $reason"; done
[ -s "$scratch/skips" ] && sed 's/^/  /' "$scratch/skips"
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
