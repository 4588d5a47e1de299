#!/usr/bin/env bash
# Fetches rsyslog with its Kafka output and its TLS from Debian and unpacks it into a folder, without
# installing it.
#
#   tests/lib/rsyslog.sh DIR   exits 1 with a message when that is not possible here
set -euo pipefail
dir=$1
# A folder of an earlier version of this script lacks the last part.
[ -x "$dir/root/usr/sbin/rsyslogd" ] && compgen -G "$dir/root/usr/lib/*/rsyslog/lmnsd_ossl.so" > /dev/null && exit 0
for tool in apt-get dpkg-deb; do
  command -v "$tool" > /dev/null || { echo "no $tool: rsyslog is taken from Debian's packages" >&2; exit 1; }
done
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
# With the libraries that a small system may lack.
apt-get download -q rsyslog rsyslog-kafka rsyslog-openssl libestr0 libfastjson4 librdkafka1 2>&1 || {
  echo "the packages rsyslog, rsyslog-kafka and rsyslog-openssl cannot be had from this system's sources" >&2
  exit 1
}
for package in *.deb; do
  dpkg-deb -x "$package" root.part
done
mv root.part root
