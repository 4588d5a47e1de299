-- Signs of life. The whole heartbeat is kept as JSON; what lists are made of stands in columns.
CREATE TABLE IF NOT EXISTS heartbeats
(
    agent_id     LowCardinality(String),
    received_at  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    sent_at      DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    epoch        UInt64,
    seq          UInt64,
    host         LowCardinality(String),
    organization LowCardinality(String),
    version      LowCardinality(String),
    document     String CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY toDate(received_at, 'UTC')
ORDER BY (agent_id, received_at)
TTL toDateTime(received_at, 'UTC') + INTERVAL 35 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
