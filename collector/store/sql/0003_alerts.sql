-- Alerts as they stood at each update; the newest version of an id is the alert.
CREATE TABLE IF NOT EXISTS alerts
(
    id           String,
    version      UInt64,
    rule_id      LowCardinality(String),
    title        String,
    title_vi     String,
    level        UInt8,
    techniques   Array(LowCardinality(String)),
    source_ip    String,
    user_name    String,
    host         LowCardinality(String),
    organization LowCardinality(String),
    agents       Array(LowCardinality(String)),
    event_ids    Array(String),
    events       UInt64,
    first_at     DateTime64(9, 'UTC'),
    last_at      DateTime64(9, 'UTC'),
    raised_at    DateTime64(9, 'UTC'),
    incident     String,
    summary      String
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(raised_at, 'UTC')
ORDER BY (raised_at, id, version)
SETTINGS non_replicated_deduplication_window = 10000;
