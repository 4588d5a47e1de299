-- The information system (hệ thống thông tin) that alerts and incidents are of, by its id in the register, as
-- the agent says (vonglau.system.id). Of an incident: that of its first alert that has one.
ALTER TABLE incident_alert ADD COLUMN system TEXT;
ALTER TABLE incident ADD COLUMN system TEXT;
CREATE INDEX incident_by_system ON incident (system, detected_at, id);
