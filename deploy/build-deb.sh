#!/usr/bin/env bash
# Packs the portable vonglau-agent into a Debian package: program, unit, sample configuration, man page,
# completions, a user of its own. The service is not started: it needs a configuration first.
#
#   deploy/build-deb.sh [--agent FILE] [--out DIR]
#
#   --agent FILE   the program (default: built by deploy/build-portable.sh)
#   --out DIR      where the package goes (default: the current folder)
#
# Needs dpkg-deb.
set -euo pipefail
start=$PWD
cd "$(dirname "$0")/.."
agent='' out=$start
while [ $# -gt 0 ]; do
  case $1 in
    --agent) agent=$(realpath -- "${2:?--agent needs a file}") && shift ;;
    --out) out=$(realpath -- "${2:?--out needs a folder}") && shift ;;
    -h | --help)
      sed -n '2,11p' "$0" | cut -c3-
      exit 0
      ;;
    *)
      echo "unknown option $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done
# shellcheck source=deploy/lib/common.sh
. deploy/lib/common.sh
need dpkg-deb "install dpkg"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/vonglau-deb.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
if [ -z "$agent" ]; then
  agent=$scratch/vonglau-agent
  deploy/build-portable.sh --out "$agent"
fi
version=$("$agent" --version | cut -d' ' -f2)
root=$scratch/root
install -D -m 0755 "$agent" "$root/usr/bin/vonglau-agent"
install -D -m 0644 deploy/systemd/vonglau-agent.service "$root/lib/systemd/system/vonglau-agent.service"
install -D -m 0640 deploy/config/agent.toml "$root/etc/vonglau/agent.toml"
mkdir -p "$root/usr/share/man/man8" "$root/usr/share/bash-completion/completions" "$root/DEBIAN"
"$agent" man | gzip -9n > "$root/usr/share/man/man8/vonglau-agent.8.gz"
"$agent" completions bash > "$root/usr/share/bash-completion/completions/vonglau-agent"

cat > "$root/DEBIAN/control" << CONTROL
Package: vonglau-agent
Version: $version
Section: admin
Priority: optional
Architecture: amd64
Depends: libc6 (>= 2.17)
Recommends: systemd
Maintainer: Vong Lau <agent@vonglau.invalid>
Installed-Size: $(du -sk "$root" | cut -f1)
Description: reads logs, detects attacks, ships every event
 Follows log files and the journal through every kind of rotation, detects
 with Sigma rules, and ships signed, compressed batches to a collector over
 Kafka. Loses no line, also over kill -9, power cuts and days offline.
CONTROL
echo /etc/vonglau/agent.toml > "$root/DEBIAN/conffiles"
cat > "$root/DEBIAN/postinst" << 'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent passwd vonglau-agent > /dev/null ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vonglau-agent
  chgrp vonglau-agent /etc/vonglau/agent.toml
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # An upgrade goes on with the new program; a first installation waits for its configuration.
    [ -z "$2" ] || systemctl try-restart vonglau-agent.service
  fi
fi
POSTINST
cat > "$root/DEBIAN/prerm" << 'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --no-reload disable --now vonglau-agent.service
fi
PRERM
cat > "$root/DEBIAN/postrm" << 'POSTRM'
#!/bin/sh
set -e
# Key and spool stay when the package is removed: they may hold lines nobody has yet. Purging removes them.
if [ "$1" = purge ]; then
  rm -rf /var/lib/vonglau-agent
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
POSTRM
chmod 0755 "$root"/DEBIAN/{postinst,prerm,postrm}
package=$out/vonglau-agent_${version}_amd64.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" > /dev/null
printf '{"name":"agent-deb","bytes":%s,"file":"%s"}\n' "$(stat -c %s "$package")" "$package"
