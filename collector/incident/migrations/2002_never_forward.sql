-- Alerts of which nothing may leave the house, as their rule says (custom.vonglau.forward: never). Kept with
-- the alert: the rule may be changed or deleted before somebody asks to forward.
ALTER TABLE incident_alert ADD COLUMN never_forward BIGINT NOT NULL DEFAULT 0;
