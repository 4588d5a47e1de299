-- The console's own tables. Times are milliseconds since 1970 in UTC; flags are 0 or 1.

CREATE TABLE console_user (
    name          TEXT   NOT NULL PRIMARY KEY,
    display_name  TEXT   NOT NULL,
    role          TEXT   NOT NULL CHECK (role IN ('analyst', 'lead', 'auditor', 'admin')),
    password_hash TEXT   NOT NULL,
    disabled      BIGINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at    BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL
);

-- API tokens and browser sessions. Only the SHA-256 of the secret is kept.
CREATE TABLE console_credential (
    hash       TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('token', 'session')),
    user_name  TEXT   NOT NULL REFERENCES console_user (name) ON DELETE CASCADE,
    address    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX console_credential_user ON console_credential (user_name, created_at);
CREATE INDEX console_credential_expiry ON console_credential (expires_at);

-- Who read personal data and who changed what. Rows are only ever added; each holds the hash of the
-- row before it, so an altered or removed row shows.
CREATE TABLE console_audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    user_name  TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    prev       TEXT   NOT NULL,
    hash       TEXT   NOT NULL
);
CREATE INDEX console_audit_user ON console_audit (user_name, seq);
