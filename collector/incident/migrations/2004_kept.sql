-- The alerts because of which an incident is never forwarded: few, and asked for with every incident shown.
CREATE INDEX incident_alert_kept ON incident_alert (incident_id, first_at, id) WHERE never_forward = 1;
