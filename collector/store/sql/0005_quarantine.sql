-- What was received and not accepted, with the reason; nothing is thrown away unseen.
CREATE TABLE IF NOT EXISTS quarantine
(
    received_at     DateTime64(9, 'UTC'),
    reason          LowCardinality(String),
    detail          String CODEC(ZSTD(1)),
    key             String,
    agent_id        String,
    lane            LowCardinality(String),
    epoch           UInt64,
    seq             UInt64,
    topic           LowCardinality(String),
    kafka_partition Int32,
    kafka_offset    Int64,
    headers         Array(Tuple(String, String)) CODEC(ZSTD(1)),
    value           String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at, 'UTC')
ORDER BY (key, lane, epoch, seq, topic, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000;
