-- One row per accepted batch: the claim that the ledger holds the events table to.
CREATE TABLE IF NOT EXISTS batches
(
    agent_id        LowCardinality(String),
    lane            LowCardinality(String),
    epoch           UInt64,
    seq             UInt64 CODEC(Delta(8), ZSTD(1)),
    prev            String CODEC(ZSTD(1)),
    hash            String CODEC(ZSTD(1)),
    events          UInt32,
    raw_bytes       UInt32,
    value_bytes     UInt32,
    topic           LowCardinality(String),
    kafka_partition Int32,
    kafka_offset    Int64 CODEC(Delta(8), ZSTD(1)),
    received_at     DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    sealed_at       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    first_at        DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    last_at         DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(received_at, 'UTC')
ORDER BY (agent_id, lane, epoch, seq)
SETTINGS non_replicated_deduplication_window = 10000;
