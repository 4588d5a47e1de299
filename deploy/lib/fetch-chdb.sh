#!/bin/sh
# Fetches the embedded ClickHouse library that vonglau-engine loads:
#   deploy/lib/fetch-chdb.sh DEST
# DEST is a directory (libchdb.so goes into it) or a path ending in .so. Needs npm, tar, sha256sum and
# about 1.4 GB of free space (178 MB package, 566 MB library) while it works. A second run only checks.
# Without network: put the package file beforehand and name it in VONGLAU_CHDB_PACKAGE.
set -eu

PACKAGE='@chdb/lib-linux-x64-gnu@26.7.3-stable.1'
PACKAGE_SHA256='c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad'
# Written beside the library when it is complete; names the package it came from.
MARK_TEXT="$PACKAGE sha256:$PACKAGE_SHA256"

fail() {
    printf 'fetch-chdb: %s\n' "$1" >&2
    exit "${2:-1}"
}

case "${1-}" in
    '' | -h | --help)
        sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    *.so) target=$1 ;;
    *) target=${1%/}/libchdb.so ;;
esac
[ $# -eq 1 ] || fail 'give exactly one argument, the destination' 2

[ "$(uname -sm)" = 'Linux x86_64' ] ||
    fail "the library is for Linux x86_64, and this is $(uname -sm); run a ClickHouse server instead"

mark=$target.package
if [ -s "$target" ] && [ "$(cat "$mark" 2>/dev/null)" = "$MARK_TEXT size:$(wc -c <"$target" | tr -d ' ')" ]; then
    printf 'fetch-chdb: %s is already there\n' "$target" >&2
    printf '%s\n' "$target"
    exit 0
fi

for tool in tar sha256sum; do
    command -v "$tool" >/dev/null || fail "the program $tool is missing; install it" 4
done
directory=$(dirname "$target")
mkdir -p "$directory" || fail "cannot make the directory $directory; choose another destination" 3
# Beside the target, so that the last step is a rename within one file system.
work=$(mktemp -d "$directory/.fetch-chdb.XXXXXX") ||
    fail "cannot write to $directory; choose another destination" 3
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ -n "${VONGLAU_CHDB_PACKAGE-}" ]; then
    archive=$VONGLAU_CHDB_PACKAGE
    [ -r "$archive" ] || fail "cannot read VONGLAU_CHDB_PACKAGE=$archive" 3
else
    command -v npm >/dev/null ||
        fail 'the program npm is missing; install it, or set VONGLAU_CHDB_PACKAGE to the package file' 4
    printf 'fetch-chdb: fetching %s (178 MB)\n' "$PACKAGE" >&2
    name=$(cd "$work" && npm pack --silent --ignore-scripts "$PACKAGE" | tail -n 1) || name=
    archive=$work/$name
    [ -f "$archive" ] ||
        fail "npm cannot fetch $PACKAGE; check the network and the registry (npm config get registry)" 4
fi

printf '%s  %s\n' "$PACKAGE_SHA256" "$archive" | sha256sum --check --status - ||
    fail "$archive does not have the expected checksum $PACKAGE_SHA256; it is damaged or not the package"

tar -xzf "$archive" -C "$work" package/libchdb.so ||
    fail "cannot unpack $archive; is there 600 MB of free space in $directory?"
library=$work/package/libchdb.so
chmod 0755 "$library"
printf '%s size:%s\n' "$MARK_TEXT" "$(wc -c <"$library" | tr -d ' ')" >"$work/mark"
sync "$library" 2>/dev/null || sync
# The library first: a mark without it would be a lie, the reverse is only a second fetch.
mv -f "$library" "$target"
mv -f "$work/mark" "$mark"
printf 'fetch-chdb: %s is ready\n' "$target" >&2
printf '%s\n' "$target"
