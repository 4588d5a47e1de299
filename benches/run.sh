#!/usr/bin/env bash
# Measures sets of figures and prints one JSON line for each figure.
#
#   benches/run.sh --list        name the sets
#   benches/run.sh NAME [NAME…]  measure them (release build; starts the servers they need)
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${VONGLAU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vonglau}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
log_dir=$cache/logs
mkdir -p "$log_dir"
# shellcheck source=deploy/lib/common.sh
. deploy/lib/common.sh

# Sets with a peer beside us live in a workspace of their own and are built only when asked for.
own=() rivals=() list=
for name in "$@"; do
  if [ "$name" = --list ]; then
    list=1
  elif grep -q "^$name " benches/rivals/sets.txt; then
    rivals+=("$name")
  else
    own+=("$name")
  fi
done
if [ -n "$list" ] || [ $# -eq 0 ]; then
  step "building (release)" cargo build --release --locked --bin vonglau-bench
  "$CARGO_TARGET_DIR/release/vonglau-bench" --list
  cat benches/rivals/sets.txt
  exit 0
fi

if [ ${#rivals[@]} -gt 0 ]; then
  # The peer declares a newer Rust than it needs. A folder of its own: no build waits for this one.
  step "building the rivals (release)" env CARGO_TARGET_DIR="$CARGO_TARGET_DIR/rivals" \
    cargo build --release --locked --ignore-rust-version --manifest-path benches/rivals/Cargo.toml
  "$CARGO_TARGET_DIR/rivals/release/vonglau-rivals" "${rivals[@]}"
fi
[ ${#own[@]} -gt 0 ] || exit 0

# Some sets are measured inside the bench itself; the others run the programs.
bins=(--bin vonglau-bench)
for name in "${own[@]}"; do
  case $name in
    correlate | agent-stages | agent-redact) ;;
    agent-* | idle-cost | integrity | many-files) bins+=(--bin vonglau-agent) ;;
    *) bins=(--bins) && break ;;
  esac
done
step "building (release)" cargo build --release --locked "${bins[@]}"
export VONGLAU_BIN_DIR=$CARGO_TARGET_DIR/release
scratch=$(mktemp -d "${TMPDIR:-/tmp}/vonglau-bench.XXXXXX")
broker=''
finish() {
  [ -n "$broker" ] && { kill "$broker" 2> /dev/null || true; wait "$broker" 2> /dev/null || true; }
  rm -rf "$scratch"
}
trap finish EXIT
case " ${own[*]} " in
  *" standalone "*)
    export VONGLAU_CHDB_LIB=${VONGLAU_CHDB_LIB:-$cache/chdb/libchdb.so}
    step "fetching the embedded ClickHouse" deploy/lib/fetch-chdb.sh "$VONGLAU_CHDB_LIB"
    ;;
esac
case " ${own[*]} " in
  *" faults-kafka "*)
    step "fetching Apache Kafka" tests/lib/kafka.sh fetch "$cache/kafka"
    export VONGLAU_TEST_KAFKA=$cache/kafka
    ;;
esac
case " ${own[*]} " in
  *" agent-rivals "*)
    if tests/lib/rsyslog.sh "$cache/rsyslog" > "$log_dir/bench-rsyslog.log" 2>&1; then
      export VONGLAU_RSYSLOG=$cache/rsyslog/root
    else
      note "rsyslog is not measured: $(tail -n 1 "$log_dir/bench-rsyslog.log")"
    fi
    ;;
esac
case " ${own[*]} " in
  *" agent-kafka "* | *" agent-rivals "*)
    if [ -z "${KAFKA_BOOTSTRAP:-}" ]; then
      step "fetching Apache Kafka" tests/lib/kafka.sh fetch "$cache/kafka"
      port=$(tests/lib/kafka.sh free-port)
      KAFKA_AUTO_CREATE=true tests/lib/kafka.sh run "$cache/kafka" "$scratch/kafka" "$port" > "$log_dir/bench-kafka.log" 2>&1 &
      broker=$!
      export KAFKA_BOOTSTRAP=127.0.0.1:$port
      until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do
        kill -0 "$broker" || die "Kafka did not start; see $log_dir/bench-kafka.log"
        sleep 0.2
      done
    fi
    ;;
esac
"$VONGLAU_BIN_DIR/vonglau-bench" "${own[@]}"
