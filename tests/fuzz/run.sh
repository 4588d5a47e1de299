#!/usr/bin/env bash
# Fuzzes the rule language, the matcher, the decoders, batches as they arrive, and the recovery of damaged spools.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET…]   each target for SECONDS (default 60), one after the other
#   tests/fuzz/run.sh --list                names the targets
#
# Works with stable Rust: no sanitizer, since the crates under test hold no unsafe code. What is
# found new goes to VONGLAU_CACHE/fuzz; the corpus in tests/fuzz/corpus is read, not written.
# An input that fails is left in VONGLAU_CACHE/fuzz/artifacts and the script exits 1.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${VONGLAU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vonglau}
log_dir=$cache/logs
mkdir -p "$log_dir" "$cache/fuzz/artifacts"
# shellcheck source=deploy/lib/common.sh
. deploy/lib/common.sh

targets=(rule_file condition case_file matcher rule_and_event decode spool_recovery auditd redact batch)
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${targets[@]}"
  exit 0
fi
seconds=${1:-60}
[ $# -gt 1 ] && targets=("${@:2}")

need cargo "install Rust with rustup (https://rustup.rs)"
packages g++
# Coverage counters need unstable compiler flags.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=${VONGLAU_FUZZ_TARGET_DIR:-$cache/target/fuzz}
[ -x "$cache/cargo-fuzz/bin/cargo-fuzz" ] \
  || step "building cargo-fuzz" cargo install cargo-fuzz --version 0.13.2 --locked --root "$cache/cargo-fuzz"
export PATH=$cache/cargo-fuzz/bin:$PATH
flags=(--fuzz-dir tests/fuzz --sanitizer none)
step "building the fuzz targets" cargo fuzz build "${flags[@]}"

# Run as built: `cargo fuzz run` would build anew whenever a file changes under it.
programs=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/release

# The words of the language that a target reads.
dictionary() {
  case $1 in
    decode | auditd | redact) echo tests/fuzz/logs.dict ;;
    *) echo tests/fuzz/sigma.dict ;;
  esac
}

# What targets write is gone with them; in memory, where there is a file system of that kind.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$memory/vonglau-fuzz.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

failed=0
for target in "${targets[@]}"; do
  mkdir -p "$cache/fuzz/$target"
  log=$log_dir/fuzz-$target.log
  if "$programs/$target" "$cache/fuzz/$target" "tests/fuzz/corpus/$target" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -dict="$(dictionary "$target")" \
    -artifact_prefix="$cache/fuzz/artifacts/$target-" -print_final_stats=1 > "$log" 2>&1; then
    say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, nothing found"
  else
    tail -n 30 "$log" >&2
    say "$target: FAILED; see $log and $cache/fuzz/artifacts"
    failed=1
  fi
done
exit "$failed"
