//! Recording alerts: into an incident that is open, or into a new one; exactly once.

mod grow;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rules_event::Timestamp;
use sqlx::{Row, SqliteConnection};

use crate::error::database;
use crate::group::{Candidate, Pair, Place, place};
use crate::incident::{alert_of, moment_of};
use crate::{Actor, Alert, Result, Status, journal};
use grow::{create, grow, store, update};

pub(crate) use grow::search_text;

/// How alerts are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// An alert joins an incident whose events lie at most this far from its own.
    pub window: Duration,
}

impl Default for Grouping {
    /// 24 hours: an attacker who comes back the next morning is still the same attacker.
    fn default() -> Self {
        Self { window: Duration::from_secs(24 * 60 * 60) }
    }
}

/// What became of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Id of the incident it belongs to.
    pub incident: String,
    /// The incident is new.
    pub created: bool,
    /// The alert was not known before.
    pub new_alert: bool,
}

/// Event ids kept with one alert; its `count` goes on.
const EVENT_IDS_MAX: usize = 100;
/// Agents kept with one alert.
const AGENTS_MAX: usize = 100;
/// Techniques kept with one incident.
const TECHNIQUES_MAX: usize = 64;
/// Pairs of an entity that count; a group of more fields is a mistake in a rule.
const PAIRS_MAX: usize = 16;
/// Incidents looked at per pair: the ones seen last.
const CANDIDATES_PER_PAIR: i64 = 50;
/// Characters kept of one-line texts, which may hold what an attacker typed.
const LINE_CHARS_MAX: usize = 500;
/// Characters kept of longer texts.
const TEXT_CHARS_MAX: usize = 16_384;

/// Records an alert with the default [`Grouping`]; see [`record_alert_with`].
///
/// # Errors
/// The database.
pub async fn record_alert(
    tx: &mut SqliteConnection,
    alert: &Alert,
    now: Timestamp,
) -> Result<Recorded> {
    record_alert_with(tx, alert, now, Grouping::default()).await
}

/// Records an alert in the caller's transaction.
///
/// An id that is known updates its alert: count, times, level and evidence only ever grow, so a
/// replay with an older state changes nothing. A new alert joins an open incident or opens one; one
/// that must not be forwarded joins its like only (see [`crate::kept_by`]).
///
/// # Errors
/// The database.
pub async fn record_alert_with(
    tx: &mut SqliteConnection,
    alert: &Alert,
    now: Timestamp,
    grouping: Grouping,
) -> Result<Recorded> {
    let alert = bounded(alert);
    let known = sqlx::query("SELECT * FROM incident_alert WHERE id = $1")
        .bind(&alert.id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database("look up an alert"))?;
    if let Some(row) = known {
        let incident: String = row.get("incident_id");
        update(tx, &incident, &alert_of(&row)?, alert, now).await?;
        return Ok(Recorded { incident, created: false, new_alert: false });
    }
    let pairs = pairs_of(&alert);
    let found = candidates(tx, &alert, &pairs, grouping).await?;
    let (incident, created) = match place(&pairs, &found) {
        Place::Join(id) => (id, false),
        Place::New(links) => {
            let id = create(tx, &alert, now).await?;
            for (other, kind) in links {
                crate::work::insert_link(tx, &id, &other, kind, now).await?;
            }
            (id, true)
        }
    };
    store(tx, &incident, &alert, now).await?;
    grow(tx, &incident, &alert, &pairs, alert.count, 1, now).await?;
    let action = if created { "created" } else { "alert_added" };
    let facts = serde_json::json!({
        "alert": alert.id, "rule": alert.rule_id, "level": alert.level.as_str(), "entity": alert.entity,
    });
    journal::append(tx, Some(&incident), now, &Actor::system(), action, &facts).await?;
    Ok(Recorded { incident, created, new_alert: true })
}

/// Cuts everything to its bound: titles and entities may hold what an attacker typed.
fn bounded(alert: &Alert) -> Alert {
    let mut alert = alert.clone();
    let cut = |text: &mut String, max: usize| {
        if let Some((at, _)) = text.char_indices().nth(max) {
            text.truncate(at);
        }
    };
    for line in [&mut alert.title, &mut alert.title_vi, &mut alert.attack_version] {
        cut(line, LINE_CHARS_MAX);
    }
    cut(&mut alert.summary, TEXT_CHARS_MAX);
    for text in [&mut alert.runbook_vi, &mut alert.runbook_en].into_iter().flatten() {
        cut(text, TEXT_CHARS_MAX);
    }
    let entity = &mut alert.entity;
    for value in [&mut entity.source_ip, &mut entity.user, &mut entity.host].into_iter().flatten() {
        cut(value, LINE_CHARS_MAX);
    }
    entity.others = std::mem::take(&mut entity.others).into_iter().take(PAIRS_MAX).collect();
    entity.others.values_mut().for_each(|value| cut(value, LINE_CHARS_MAX));
    if alert.title_vi.is_empty() {
        alert.title_vi.clone_from(&alert.title);
    }
    alert.event_ids.truncate(EVENT_IDS_MAX);
    alert.agents.truncate(AGENTS_MAX);
    alert.techniques.truncate(TECHNIQUES_MAX);
    alert
}

/// The pairs an alert is grouped by. One that names nobody is grouped with its own kind, by rule.
fn pairs_of(alert: &Alert) -> BTreeSet<Pair> {
    let mut pairs: BTreeSet<Pair> = alert.entity.pairs().into_iter().take(PAIRS_MAX).collect();
    if pairs.is_empty() {
        pairs.insert((rules_event::field::RULE_ID.to_owned(), alert.rule_id.clone()));
    }
    pairs
}

async fn candidates(
    tx: &mut SqliteConnection,
    alert: &Alert,
    pairs: &BTreeSet<Pair>,
    grouping: Grouping,
) -> Result<Vec<Candidate>> {
    let doing = database("look for incidents of the same entity");
    let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
    for (field, value) in pairs {
        let rows = sqlx::query(
            "SELECT i.id, i.status, e.last_at FROM incident_entity e \
             JOIN incident i ON i.id = e.incident_id \
             WHERE e.field = $1 AND e.value = $2 AND e.last_at >= $3 AND i.occurred_first <= $4 \
             AND EXISTS (SELECT 1 FROM incident_alert a WHERE a.incident_id = i.id \
             AND a.never_forward = 1) = $6 \
             ORDER BY e.last_at DESC LIMIT $5",
        )
        .bind(field)
        .bind(value)
        .bind(alert.first.saturating_sub(grouping.window).as_nanos())
        .bind(alert.last.saturating_add(grouping.window).as_nanos())
        .bind(CANDIDATES_PER_PAIR)
        .bind(alert.never_forward)
        .fetch_all(&mut *tx)
        .await
        .map_err(&doing)?;
        for row in rows {
            let (id, status): (String, String) = (row.get(0), row.get(1));
            found.entry(id.clone()).or_insert_with(|| Candidate {
                open: status != Status::Closed.as_str(),
                last: moment_of(&row, 2).as_nanos(),
                pairs: BTreeSet::new(),
                id,
            });
        }
    }
    for candidate in found.values_mut() {
        let pairs: Vec<Pair> =
            sqlx::query_as("SELECT field, value FROM incident_entity WHERE incident_id = $1")
                .bind(&candidate.id)
                .fetch_all(&mut *tx)
                .await
                .map_err(&doing)?;
        candidate.pairs = pairs.into_iter().collect();
    }
    Ok(found.into_values().collect())
}
