#!/usr/bin/env bash
# Builds the one vonglau-agent that runs on every x86-64 Linux since CentOS 7: linked against glibc
# 2.17, with OpenSSL, zlib, zstd and librdkafka inside. Prints its size and the newest glibc symbol
# it asks for, and fails when that is newer than 2.17.
#
#   deploy/build-portable.sh [--out FILE]
#
#   --out FILE         where the stripped program goes (default: dist/vonglau-agent in the target folder)
#   VONGLAU_CACHE      where downloads go (default ~/.cache/vonglau)
#   CARGO_TARGET_DIR   where the build goes (default: a folder in the cache)
#
# Needs cargo, python3 with venv, perl and make (OpenSSL's build) and binutils; no root and no
# container: the compiler and glibc's stubs come from the PyPI packages ziglang and cargo-zigbuild.
# The first build takes about ten minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
out=''
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a file} && shift ;;
    -h | --help)
      sed -n '2,15p' "$0" | cut -c3-
      exit 0
      ;;
    *)
      echo "unknown option $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done

# The glibc of CentOS 7 (2014), the oldest host that is still met.
glibc=2.17
target=x86_64-unknown-linux-gnu
cache=${VONGLAU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vonglau}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target-portable}
log_dir=$cache/logs
mkdir -p "$log_dir" "$cache/portable/bin"
# shellcheck source=deploy/lib/common.sh
. deploy/lib/common.sh
finish() {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2> /dev/null || true; done
}
trap finish EXIT
trap 'exit 130' INT TERM

need cargo "install Rust with rustup (https://rustup.rs)"
need python3 "install python3 and python3-venv"
need perl "OpenSSL is built with it; install perl"
need make "install make"
need objdump "install binutils"

venv=$cache/portable/python
step "fetching zig and cargo-zigbuild" \
  bash -c '. deploy/lib/common.sh; python_tools "$@"' _ "$venv" ziglang==0.17.1 cargo-zigbuild==0.24.1

# Compilers by name for the C code: librdkafka's configure would else ask the host's compiler, find
# C11 threads, and the link would fail on thrd_* (glibc 2.28).
for pair in zcc:cc zcxx:c++ zar:ar zranlib:ranlib; do
  tool=${pair#*:} options=''
  case $tool in cc | c++) options=" -target x86_64-linux-gnu.$glibc" ;; esac
  printf '#!/bin/sh\nexec "%s/bin/python3" -m ziglang %s%s "$@"\n' "$venv" "$tool" "$options" > "$cache/portable/bin/${pair%:*}"
  chmod +x "$cache/portable/bin/${pair%:*}"
done
export PATH=$cache/portable/bin:$venv/bin:$PATH
export CC=zcc CXX=zcxx AR=zar RANLIB=zranlib
# librdkafka's version script names symbols of parts that are switched off; lld calls that an error.
export LDFLAGS=-Wl,--undefined-version
# Paths of the machine it was built on are nobody's business, and change what is built.
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$root=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"

step "building vonglau-agent against glibc $glibc" \
  cargo zigbuild --locked --profile dist -p agent-daemon --features portable --target "$target.$glibc"

built=$CARGO_TARGET_DIR/$target/dist/vonglau-agent
out=${out:-$CARGO_TARGET_DIR/dist/vonglau-agent}
mkdir -p "$(dirname "$out")"
objcopy --strip-all "$built" "$out"
newest=$(objdump -T "$out" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
newest=${newest#GLIBC_}
libraries=$(objdump -p "$out" | awk '/NEEDED/ { printf "%s ", $2 }')
printf '{"name":"agent-portable","bytes":%s,"glibc":"%s","libraries":"%s","file":"%s"}\n' \
  "$(stat -c %s "$out")" "$newest" "${libraries% }" "$out"
if [ "$(printf '%s\n%s\n' "$newest" "$glibc" | sort -V | tail -n 1)" != "$glibc" ]; then
  die "the program asks for glibc $newest, newer than $glibc"
fi
"$out" --version > /dev/null || die "the program does not start on this host"
