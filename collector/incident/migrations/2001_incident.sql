-- Incidents, the alerts they group, and the journal of what people did to them.
-- Moments are nanoseconds since 1970 in UTC; truth values are 0 and 1; lists are JSON texts.

CREATE TABLE incident (
    id                 TEXT PRIMARY KEY,
    number             TEXT NOT NULL UNIQUE,
    revision           BIGINT NOT NULL,
    title_en           TEXT NOT NULL,
    title_vi           TEXT NOT NULL,
    title_by_person    BIGINT NOT NULL DEFAULT 0,
    severity           BIGINT NOT NULL,
    severity_by_person BIGINT NOT NULL DEFAULT 0,
    status             TEXT NOT NULL,
    assignee           TEXT,
    detected_at        BIGINT NOT NULL,
    occurred_first     BIGINT NOT NULL,
    occurred_last      BIGINT NOT NULL,
    techniques         TEXT NOT NULL,
    attack_version     TEXT NOT NULL,
    incident_type      TEXT,
    organization       TEXT,
    alert_count        BIGINT NOT NULL,
    event_count        BIGINT NOT NULL,
    serious            BIGINT,
    disruption         BIGINT NOT NULL DEFAULT 0,
    personal_data_at   BIGINT,
    exercise           BIGINT NOT NULL DEFAULT 0,
    close_reason       TEXT,
    close_note         TEXT,
    closed_at          BIGINT,
    updated_at         BIGINT NOT NULL,
    search_text        TEXT NOT NULL
);
CREATE INDEX incident_by_detection ON incident (detected_at, id);
CREATE INDEX incident_by_status ON incident (status, detected_at, id);

CREATE TABLE incident_number (
    year BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE incident_alert (
    id             TEXT PRIMARY KEY,
    incident_id    TEXT NOT NULL REFERENCES incident (id),
    rule_id        TEXT NOT NULL,
    title          TEXT NOT NULL,
    title_vi       TEXT NOT NULL,
    level          BIGINT NOT NULL,
    techniques     TEXT NOT NULL,
    attack_version TEXT NOT NULL,
    entity         TEXT NOT NULL,
    first_at       BIGINT NOT NULL,
    last_at        BIGINT NOT NULL,
    count          BIGINT NOT NULL,
    event_ids      TEXT NOT NULL,
    agents         TEXT NOT NULL,
    organization   TEXT,
    incident_type  TEXT,
    runbook_vi     TEXT,
    runbook_en     TEXT,
    summary        TEXT NOT NULL,
    recorded_at    BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
CREATE INDEX incident_alert_by_incident ON incident_alert (incident_id, first_at, id);
CREATE INDEX incident_alert_by_rule ON incident_alert (rule_id, incident_id);

CREATE TABLE incident_entity (
    incident_id TEXT NOT NULL REFERENCES incident (id),
    field       TEXT NOT NULL,
    value       TEXT NOT NULL,
    last_at     BIGINT NOT NULL, -- the incident's occurred_last, so that old incidents cost nothing to pass over
    PRIMARY KEY (incident_id, field, value)
);
CREATE INDEX incident_entity_by_value ON incident_entity (field, value, last_at);

-- One row per pair and kind, from the later incident to the earlier one.
CREATE TABLE incident_link (
    incident_id TEXT NOT NULL REFERENCES incident (id),
    other_id    TEXT NOT NULL REFERENCES incident (id),
    kind        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (incident_id, other_id, kind)
);
CREATE INDEX incident_link_by_other ON incident_link (other_id, incident_id);

CREATE TABLE incident_deadline_met (
    incident_id TEXT NOT NULL REFERENCES incident (id),
    deadline_id TEXT NOT NULL,
    at          BIGINT NOT NULL,
    how         TEXT NOT NULL,
    PRIMARY KEY (incident_id, deadline_id)
);

-- Append-only; every row carries the hash of the row before it.
CREATE TABLE journal (
    seq         BIGINT PRIMARY KEY,
    incident_id TEXT,
    at          BIGINT NOT NULL,
    who         TEXT NOT NULL,
    role        TEXT NOT NULL,
    address     TEXT NOT NULL,
    action      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    prev        TEXT NOT NULL,
    hash        TEXT NOT NULL
);
CREATE INDEX journal_by_incident ON journal (incident_id, seq);
