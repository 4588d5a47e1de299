-- Reports to the centre: drafts, approval, the outbox with the exact bytes, and receipts.
-- Moments are nanoseconds since 1970 in UTC; lists and maps are JSON texts.

CREATE TABLE report (
    id           TEXT PRIMARY KEY,
    incident_id  TEXT NOT NULL REFERENCES incident (id),
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    revision     BIGINT NOT NULL,
    author       TEXT NOT NULL,
    editors      TEXT NOT NULL,
    approver     TEXT,
    tlp          TEXT NOT NULL,
    draft        TEXT NOT NULL,
    digest       TEXT NOT NULL, -- SHA-256 of all objects in order: what the approver approved
    objects      BIGINT NOT NULL,
    redactions   BIGINT NOT NULL,
    place        BIGINT, -- order of approval; reports of one incident leave in this order
    attempts     BIGINT NOT NULL DEFAULT 0,
    next_at      BIGINT NOT NULL DEFAULT 0,
    problem      TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    approved_at  BIGINT,
    delivered_at BIGINT
);
CREATE INDEX report_by_state ON report (state, next_at);
CREATE INDEX report_by_incident ON report (incident_id, place);

CREATE TABLE report_object (
    report_id TEXT NOT NULL REFERENCES report (id),
    ordinal   BIGINT NOT NULL,
    object_id TEXT NOT NULL,
    version   TEXT NOT NULL, -- "modified", or empty for objects that have none
    bytes     BLOB NOT NULL,
    outcome   TEXT NOT NULL DEFAULT 'waiting',
    message   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (report_id, ordinal)
);

-- One row per envelope: objects first_object up to, not including, until_object.
CREATE TABLE report_part (
    report_id    TEXT NOT NULL REFERENCES report (id),
    first_object BIGINT NOT NULL,
    until_object BIGINT NOT NULL,
    body         BLOB NOT NULL, -- exactly what is POSTed, on every try
    digest       TEXT NOT NULL,
    state        TEXT NOT NULL,
    status_id    TEXT,
    PRIMARY KEY (report_id, first_object)
);

-- Answers of the centre that changed something. Append-only.
CREATE TABLE report_receipt (
    report_id    TEXT NOT NULL REFERENCES report (id),
    number       BIGINT NOT NULL,
    first_object BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    request      TEXT NOT NULL,
    http_status  BIGINT NOT NULL,
    status_id    TEXT,
    server_date  TEXT,
    body_digest  TEXT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (report_id, number)
);

-- STIX ids, minted once, with the last version of what they name.
CREATE TABLE report_stix (
    name      TEXT PRIMARY KEY,
    object_id TEXT NOT NULL,
    created   TEXT NOT NULL,
    modified  TEXT NOT NULL,
    digest    TEXT NOT NULL
);
