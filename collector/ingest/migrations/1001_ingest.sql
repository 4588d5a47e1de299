-- Where each partition is to be read on. The truth; what the broker holds is advisory.
CREATE TABLE ingest_position (
    topic       TEXT   NOT NULL,
    topic_id    TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    next_offset BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (topic, topic_id, number)
);

-- The range being written, if any: one row at most. After a crash exactly this range is done again.
CREATE TABLE ingest_intent (
    id   BIGINT PRIMARY KEY CHECK (id = 1),
    body TEXT   NOT NULL
);

-- Head of every chain: the highest batch accepted and its hash.
CREATE TABLE chain (
    agent      TEXT   NOT NULL,
    lane       TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    hash       TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (agent, lane, epoch)
);

-- Every gap ever found, and when it closed.
CREATE TABLE chain_gap (
    agent     TEXT   NOT NULL,
    lane      TEXT   NOT NULL,
    epoch     BIGINT NOT NULL,
    from_seq  BIGINT NOT NULL,
    to_seq    BIGINT NOT NULL,
    missing   BIGINT NOT NULL,
    found_at  BIGINT NOT NULL,
    closed_at BIGINT,
    PRIMARY KEY (agent, lane, epoch, from_seq)
);

-- What is still missing of the open gaps, with the hashes its neighbours vouch for.
CREATE TABLE chain_gap_piece (
    agent      TEXT   NOT NULL,
    lane       TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    from_seq   BIGINT NOT NULL,
    to_seq     BIGINT NOT NULL,
    gap_from   BIGINT NOT NULL,
    prev_hash  TEXT   NOT NULL,
    last_hash  TEXT   NOT NULL,
    PRIMARY KEY (agent, lane, epoch, from_seq)
);

-- Keys we have met or were told of. `status` is in force; `wanted` is what somebody decided, which
-- ingestion puts in force between two ranges.
CREATE TABLE agent (
    key_hex        TEXT   PRIMARY KEY,
    id             TEXT   NOT NULL,
    name           TEXT   NOT NULL DEFAULT '',
    host           TEXT   NOT NULL DEFAULT '',
    organization   TEXT   NOT NULL DEFAULT '',
    status         TEXT   NOT NULL CHECK (status IN ('trusted', 'revoked', 'unknown')),
    wanted         TEXT   NOT NULL CHECK (wanted IN ('trusted', 'revoked', 'unknown')),
    decided_by     TEXT   NOT NULL DEFAULT '',
    decided_at     BIGINT,
    first_seen     BIGINT,
    last_seen      BIGINT,
    quarantined    BIGINT NOT NULL DEFAULT 0,
    release_cursor TEXT
);
CREATE INDEX agent_id ON agent (id);
