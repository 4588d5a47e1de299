//! Growth: new incidents, stored alerts, and what an alert adds to its incident.

use std::collections::BTreeSet;
use std::time::Duration;

use rules_event::{Level, Timestamp};
use sqlx::{Row, SqliteConnection};

use super::{AGENTS_MAX, EVENT_IDS_MAX, TECHNIQUES_MAX};
use crate::error::database;
use crate::group::Pair;
use crate::incident::{AlertRecord, incident_of};
use crate::{Actor, Alert, Incident, Result, Status, fold, journal};

/// Name space of incident ids (UUIDv5).
const INCIDENTS: uuid::Uuid = uuid::Uuid::from_bytes(*b"vonglau/incident");

/// Vietnam is seven hours ahead of UTC all year; the year of a number is Vietnam's.
const VIETNAM_OFFSET: Duration = Duration::from_secs(7 * 60 * 60);

/// Creates an incident without alerts; [`grow`] adds the first.
pub(super) async fn create(
    tx: &mut SqliteConnection,
    alert: &Alert,
    now: Timestamp,
) -> Result<String> {
    let doing = database("create an incident");
    let year =
        jiff::Timestamp::from_nanosecond(i128::from(now.saturating_add(VIETNAM_OFFSET).as_nanos()))
            .map_or(1970, |moment| i64::from(moment.to_zoned(jiff::tz::TimeZone::UTC).year()));
    let counter: i64 = sqlx::query_scalar(
        "INSERT INTO incident_number (year, last) VALUES ($1, 1) \
         ON CONFLICT (year) DO UPDATE SET last = incident_number.last + 1 RETURNING last",
    )
    .bind(year)
    .fetch_one(&mut *tx)
    .await
    .map_err(&doing)?;
    // An alert opens at most one incident, so the id can be derived from it: a transaction that is
    // done again after a crash makes the same incident, and rows elsewhere that name it stay right.
    let id = uuid::Uuid::new_v5(&INCIDENTS, alert.id.as_bytes()).to_string();
    let number = format!("INC-{year}-{counter:06}");
    sqlx::query(
        "INSERT INTO incident (id, number, revision, title_en, title_vi, severity, status, \
         detected_at, occurred_first, occurred_last, techniques, attack_version, incident_type, \
         organization, system, alert_count, event_count, updated_at, search_text) \
         VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, '[]', $10, $11, $12, $13, 0, 0, $7, '')",
    )
    .bind(&id)
    .bind(&number)
    .bind(&alert.title)
    .bind(&alert.title_vi)
    .bind(i64::from(alert.level.rank()))
    .bind(Status::New.as_str())
    .bind(now.as_nanos())
    .bind(alert.first.as_nanos())
    .bind(alert.last.as_nanos())
    .bind(&alert.attack_version)
    .bind(&alert.incident_type)
    .bind(&alert.organization)
    .bind(&alert.system)
    .execute(tx)
    .await
    .map_err(&doing)?;
    Ok(id)
}

/// Inserts the alert, or replaces a stored one by the merged state.
pub(super) async fn store(
    tx: &mut SqliteConnection,
    incident: &str,
    alert: &Alert,
    now: Timestamp,
) -> Result<()> {
    let entity = serde_json::json!(alert.entity).to_string();
    sqlx::query(
        "INSERT INTO incident_alert (id, incident_id, rule_id, title, title_vi, level, techniques, \
         attack_version, entity, first_at, last_at, count, event_ids, agents, organization, \
         incident_type, runbook_vi, runbook_en, summary, recorded_at, updated_at, never_forward, \
         system) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $20, $21, $22) \
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, title_vi = excluded.title_vi, \
         level = excluded.level, techniques = excluded.techniques, first_at = excluded.first_at, \
         last_at = excluded.last_at, count = excluded.count, event_ids = excluded.event_ids, \
         agents = excluded.agents, summary = excluded.summary, updated_at = excluded.updated_at, \
         never_forward = excluded.never_forward",
    )
    .bind(&alert.id)
    .bind(incident)
    .bind(&alert.rule_id)
    .bind(&alert.title)
    .bind(&alert.title_vi)
    .bind(i64::from(alert.level.rank()))
    .bind(serde_json::json!(alert.techniques).to_string())
    .bind(&alert.attack_version)
    .bind(entity)
    .bind(alert.first.as_nanos())
    .bind(alert.last.as_nanos())
    .bind(i64::try_from(alert.count).unwrap_or(i64::MAX))
    .bind(serde_json::json!(alert.event_ids).to_string())
    .bind(serde_json::json!(alert.agents).to_string())
    .bind(&alert.organization)
    .bind(&alert.incident_type)
    .bind(&alert.runbook_vi)
    .bind(&alert.runbook_en)
    .bind(&alert.summary)
    .bind(now.as_nanos())
    .bind(i64::from(alert.never_forward))
    .bind(&alert.system)
    .execute(tx)
    .await
    .map_err(database("store an alert"))?;
    Ok(())
}

/// Merges a new state of a known alert into it.
pub(super) async fn update(
    tx: &mut SqliteConnection,
    incident: &str,
    stored: &AlertRecord,
    new: Alert,
    now: Timestamp,
) -> Result<()> {
    let old = &stored.alert;
    let mut merged = if new.count >= old.count { new.clone() } else { old.clone() };
    merged.count = old.count.max(new.count);
    merged.level = old.level.max(new.level);
    merged.first = old.first.min(new.first);
    merged.last = old.last.max(new.last);
    merged.event_ids = union(&old.event_ids, &new.event_ids, EVENT_IDS_MAX);
    merged.agents = union(&old.agents, &new.agents, AGENTS_MAX);
    merged.techniques = union(&old.techniques, &new.techniques, TECHNIQUES_MAX);
    // What was once kept back stays so, whatever became of its rule.
    merged.never_forward = old.never_forward || new.never_forward;
    // What an alert was grouped and reported by does not change under it.
    merged.entity = old.entity.clone();
    merged.rule_id.clone_from(&old.rule_id);
    merged.attack_version.clone_from(&old.attack_version);
    merged.organization.clone_from(&old.organization);
    merged.system.clone_from(&old.system);
    merged.incident_type.clone_from(&old.incident_type);
    merged.runbook_vi.clone_from(&old.runbook_vi);
    merged.runbook_en.clone_from(&old.runbook_en);
    if merged == *old {
        return Ok(());
    }
    store(tx, incident, &merged, now).await?;
    grow(tx, incident, &merged, &BTreeSet::new(), merged.count - old.count, 0, now).await
}

fn union(old: &[String], new: &[String], max: usize) -> Vec<String> {
    let mut all = old.to_vec();
    for text in new {
        if all.len() >= max {
            break;
        }
        if !all.contains(text) {
            all.push(text.clone());
        }
    }
    all
}

/// Lets an incident take in an alert, or the growth of one. The revision stays: it guards what
/// people change, and an attack that goes on must not lock them out.
pub(super) async fn grow(
    tx: &mut SqliteConnection,
    id: &str,
    alert: &Alert,
    pairs: &BTreeSet<Pair>,
    events: u64,
    alerts: i64,
    now: Timestamp,
) -> Result<()> {
    let doing = database("add an alert to an incident");
    let row = sqlx::query("SELECT * FROM incident WHERE id = $1")
        .bind(id)
        .fetch_one(&mut *tx)
        .await
        .map_err(&doing)?;
    let by_person = |column: &str| row.get::<i64, _>(column) != 0;
    let (severity_fixed, title_fixed) =
        (by_person("severity_by_person"), by_person("title_by_person"));
    let mut incident = incident_of(&row)?;
    let raised = alert.level > incident.severity && !severity_fixed;
    if raised {
        raise(tx, &incident, alert.level, now).await?;
        incident.severity = alert.level;
        if !title_fixed {
            incident.title_en.clone_from(&alert.title);
            incident.title_vi.clone_from(&alert.title_vi);
        }
    }
    incident.system = incident.system.or_else(|| alert.system.clone());
    incident.occurred_first = incident.occurred_first.min(alert.first);
    incident.occurred_last = incident.occurred_last.max(alert.last);
    incident.techniques = union(&incident.techniques, &alert.techniques, TECHNIQUES_MAX);
    incident.techniques.sort();
    for (field, value) in pairs {
        sqlx::query(
            "INSERT INTO incident_entity (incident_id, field, value, last_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (incident_id, field, value) DO NOTHING",
        )
        .bind(id)
        .bind(field)
        .bind(value)
        .bind(incident.occurred_last.as_nanos())
        .execute(&mut *tx)
        .await
        .map_err(&doing)?;
    }
    sqlx::query("UPDATE incident_entity SET last_at = $2 WHERE incident_id = $1 AND last_at < $2")
        .bind(id)
        .bind(incident.occurred_last.as_nanos())
        .execute(&mut *tx)
        .await
        .map_err(&doing)?;
    incident.entity = crate::incident::entity(tx, id).await?;
    sqlx::query(
        "UPDATE incident SET severity = $2, title_en = $3, title_vi = $4, occurred_first = $5, \
         occurred_last = $6, techniques = $7, alert_count = alert_count + $8, \
         event_count = event_count + $9, incident_type = COALESCE(incident_type, $10), \
         organization = COALESCE(organization, $11), system = $15, updated_at = $12, search_text = $13, \
         attack_version = CASE WHEN attack_version = '' THEN $14 ELSE attack_version END \
         WHERE id = $1",
    )
    .bind(id)
    .bind(i64::from(incident.severity.rank()))
    .bind(&incident.title_en)
    .bind(&incident.title_vi)
    .bind(incident.occurred_first.as_nanos())
    .bind(incident.occurred_last.as_nanos())
    .bind(serde_json::json!(incident.techniques).to_string())
    .bind(alerts)
    .bind(i64::try_from(events).unwrap_or(i64::MAX))
    .bind(&alert.incident_type)
    .bind(&alert.organization)
    .bind(now.as_nanos())
    .bind(search_text(&incident))
    .bind(&alert.attack_version)
    .bind(&incident.system)
    .execute(&mut *tx)
    .await
    .map_err(&doing)?;
    Ok(())
}

async fn raise(
    tx: &mut SqliteConnection,
    incident: &Incident,
    to: Level,
    now: Timestamp,
) -> Result<()> {
    let facts = serde_json::json!({ "from": incident.severity.as_str(), "to": to.as_str() });
    let actor = Actor::system();
    journal::append(tx, Some(&incident.id), now, &actor, "severity_raised", &facts).await?;
    Ok(())
}

/// What the search box looks into, folded.
pub(crate) fn search_text(incident: &Incident) -> String {
    let mut text = format!("{} {} {}", incident.number, incident.title_vi, incident.title_en);
    for (_, value) in incident.entity.pairs() {
        text.push(' ');
        text.push_str(&value);
    }
    if let Some(system) = &incident.system {
        text.push(' ');
        text.push_str(system);
    }
    for technique in &incident.techniques {
        text.push(' ');
        text.push_str(technique);
    }
    fold(&text)
}
