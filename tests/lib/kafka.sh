#!/usr/bin/env bash
# One real Apache Kafka broker (KRaft, one node) on loopback, for tests.
#
#   kafka.sh fetch LIBS            put the broker's jars into LIBS (Maven Central; once)
#   kafka.sh run LIBS DIR PORT     format DIR on first use and run the broker in the foreground
#                                  (controller on PORT+1); DIR kept between runs = data kept;
#                                  KAFKA_AUTO_CREATE=true lets an agent alone make its topics;
#                                  KAFKA_EXTRA names a file of properties that go before ours
#   kafka.sh free-port             print a port P such that P and P+1 are free
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

fetch() {
  local libs=$1
  [ -e "$libs/.complete" ] && return 0
  mkdir -p "$libs"
  local work
  work=$(mktemp -d)
  cp "$here/kafka-pom.xml" "$work/pom.xml"
  (cd "$work" && mvn -q -B -ntp -Dstyle.color=never dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/libs")
  cp "$work"/libs/*.jar "$libs/"
  rm -rf "$work"
  touch "$libs/.complete"
}

run() {
  local libs=$1 dir=$2 port=$3
  mkdir -p "$dir"
  cat > "$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
num.partitions=2
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=${KAFKA_AUTO_CREATE:-false}
message.max.bytes=2097152
EOF
  [ -z "${KAFKA_EXTRA:-}" ] || cat "$KAFKA_EXTRA" >> "$dir/server.properties"
  cat > "$dir/log4j2.properties" <<'EOF'
rootLogger.level = WARN
rootLogger.appenderRef.stdout.ref = STDOUT
appender.stdout.type = Console
appender.stdout.name = STDOUT
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d %p %c: %m%n
EOF
  local java_flags=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile="$dir/log4j2.properties" -cp "$libs/*")
  if [ ! -e "$dir/data/meta.properties" ]; then
    local id
    id=$(java "${java_flags[@]}" kafka.tools.StorageTool random-uuid)
    java "${java_flags[@]}" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" > "$dir/format.log" 2>&1
  fi
  exec java -Xms128m -Xmx512m "${java_flags[@]}" kafka.Kafka "$dir/server.properties"
}

free_port() {
  python3 - <<'EOF'
import socket
while True:
    a = socket.socket(); a.bind(("127.0.0.1", 0)); p = a.getsockname()[1]
    b = socket.socket()
    try:
        b.bind(("127.0.0.1", p + 1)); print(p); break
    except (OSError, OverflowError):
        pass
    finally:
        a.close(); b.close()
EOF
}

case "${1:-}" in
  fetch) fetch "$2" ;;
  run) run "$2" "$3" "$4" ;;
  free-port) free_port ;;
  *) sed -n '2,10p' "$0" | cut -c3- >&2; exit 2 ;;
esac
