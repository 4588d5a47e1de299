//! Incident: what people work on, read from its tables.

mod rows;

use rules_event::{Level, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::error::database;
use crate::kept::{KeptBy, kept_by};
use crate::{Alert, CloseReason, Entity, Error, Result, Status, moment};
pub(crate) use rows::{alert_of, damaged, incident_of, moment_of};

/// At most this many alerts are shown with an incident; the total is always counted.
pub const ALERTS_SHOWN_MAX: usize = 200;
/// At most this many event ids are shown with an incident.
pub const EVENTS_SHOWN_MAX: usize = 1000;
/// At most this many links are shown with an incident.
const LINKS_SHOWN_MAX: i64 = 200;

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// UUIDv4, minted once.
    pub id: String,
    /// Human number, such as `INC-2026-000123`; the year is Vietnam's.
    pub number: String,
    /// Grows by one with every change by a person; changes name the revision they were based on.
    pub revision: i64,
    /// Title in English.
    pub title_en: String,
    /// Title in Vietnamese.
    pub title_vi: String,
    /// Highest level of its alerts, unless a person set another.
    #[serde(with = "moment::level")]
    pub severity: Level,
    /// Where it stands.
    pub status: Status,
    /// Who works it.
    pub assignee: Option<String>,
    /// T0: when it was first recorded. Never changes; legal clocks run from it.
    #[serde(with = "moment")]
    pub detected_at: Timestamp,
    /// Time of the first event.
    #[serde(with = "moment")]
    pub occurred_first: Timestamp,
    /// Time of the last event.
    #[serde(with = "moment")]
    pub occurred_last: Timestamp,
    /// ATT&CK techniques of its alerts, sorted.
    pub techniques: Vec<String>,
    /// ATT&CK version of the techniques; may be empty.
    pub attack_version: String,
    /// Group of incident, `N1` to `N9`.
    pub incident_type: Option<String>,
    /// Organisation code of the agency.
    pub organization: Option<String>,
    /// The information system it is of, by its id in the register.
    pub system: Option<String>,
    /// Whom it speaks of.
    pub entity: Entity,
    /// How many alerts.
    pub alert_count: u64,
    /// How many events stand behind them.
    pub event_count: u64,
    /// Whether a person ruled it serious or not; `None` leaves it to the policy.
    pub serious: Option<bool>,
    /// Whether it seriously disrupts a system or threatens public order.
    pub disruption: bool,
    /// Since when there is reasonable ground that personal data is affected.
    #[serde(with = "moment::option")]
    pub personal_data_at: Option<Timestamp>,
    /// A drill; never leaves the house.
    pub exercise: bool,
    /// Why nothing of it may be forwarded, if that is so.
    pub kept_by: Option<KeptBy>,
    /// Why it was closed.
    pub close_reason: Option<CloseReason>,
    /// What was found.
    pub close_note: Option<String>,
    /// When it was closed.
    #[serde(with = "moment::option")]
    pub closed_at: Option<Timestamp>,
    /// Last change by anybody, alerts included.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// Legal deadlines already met.
    pub deadlines_met: Vec<DeadlineMet>,
}

/// A deadline that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineMet {
    /// Id of the deadline in the policy.
    pub id: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// By what: a report id, or the number and date of a letter.
    pub how: String,
}

/// Why two incidents are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// They share a part of their entities.
    Overlaps,
    /// The same entity came back after the other one was closed.
    Follows,
    /// A person said so.
    Related,
    /// The other one covers it.
    DuplicateOf,
}

impl LinkKind {
    pub(crate) const ALL: [Self; 4] =
        [Self::Overlaps, Self::Follows, Self::Related, Self::DuplicateOf];

    /// Returns the word stored and used in APIs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlaps => "overlaps",
            Self::Follows => "follows",
            Self::Related => "related",
            Self::DuplicateOf => "duplicate_of",
        }
    }
}

/// A link as seen from one of its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The incident at the other end.
    pub other_id: String,
    /// Its number.
    pub other_number: String,
    /// Why.
    pub kind: LinkKind,
    /// True when this incident is the later one (`this follows other`), false when the other is.
    pub outgoing: bool,
}

/// An alert as recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// The alert, with the highest count seen.
    #[serde(flatten)]
    pub alert: Alert,
    /// When it was first recorded.
    #[serde(with = "moment")]
    pub recorded_at: Timestamp,
}

/// An incident with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The incident.
    pub incident: Incident,
    /// Its alerts by time, at most [`ALERTS_SHOWN_MAX`]; `incident.alert_count` is the total.
    pub alerts: Vec<AlertRecord>,
    /// Ids of events behind the alerts, at most [`EVENTS_SHOWN_MAX`]; `incident.event_count` is the
    /// total.
    pub event_ids: Vec<String>,
    /// Links to other incidents.
    pub links: Vec<Link>,
}

/// Returns an incident by its id or its number.
///
/// # Errors
/// [`Error::NotFound`], or the database.
pub async fn get(db: &SqlitePool, id: &str) -> Result<Incident> {
    let mut connection = db.acquire().await.map_err(database("get an incident"))?;
    read(&mut connection, id).await
}

/// Returns an incident with its alerts, events and links, by its id or its number.
///
/// # Errors
/// [`Error::NotFound`], or the database.
pub async fn detail(db: &SqlitePool, id: &str) -> Result<Detail> {
    let doing = database("get the evidence of an incident");
    let mut tx = db.begin().await.map_err(&doing)?;
    let incident = read(&mut tx, id).await?;
    let rows = sqlx::query(
        "SELECT * FROM incident_alert WHERE incident_id = $1 ORDER BY first_at, id LIMIT $2",
    )
    .bind(&incident.id)
    .bind(i64::try_from(ALERTS_SHOWN_MAX).unwrap_or(i64::MAX))
    .fetch_all(&mut *tx)
    .await
    .map_err(&doing)?;
    let alerts = rows.iter().map(alert_of).collect::<Result<Vec<_>>>()?;
    let mut event_ids: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for event in alerts.iter().flat_map(|record| &record.alert.event_ids) {
        if event_ids.len() == EVENTS_SHOWN_MAX {
            break;
        }
        if seen.insert(event.as_str()) {
            event_ids.push(event.clone());
        }
    }
    let links = links(&mut tx, &incident.id).await?;
    Ok(Detail { alerts, event_ids, links, incident })
}

/// Reads one incident with its entity, why it may not be forwarded, and the deadlines it met.
pub(crate) async fn read(connection: &mut SqliteConnection, id: &str) -> Result<Incident> {
    let row = sqlx::query("SELECT * FROM incident WHERE id = $1 OR number = $1")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(database("get an incident"))?;
    let row = row.ok_or_else(|| Error::NotFound { id: id.chars().take(64).collect() })?;
    complete(connection, incident_of(&row)?).await
}

/// Adds what lies in other tables.
pub(crate) async fn complete(
    connection: &mut SqliteConnection,
    mut incident: Incident,
) -> Result<Incident> {
    incident.entity = entity(connection, &incident.id).await?;
    incident.kept_by = kept_by(connection, &incident.id).await?;
    let met = sqlx::query(
        "SELECT deadline_id, at, how FROM incident_deadline_met WHERE incident_id = $1 ORDER BY at",
    )
    .bind(&incident.id)
    .fetch_all(connection)
    .await
    .map_err(database("get the deadlines of an incident"))?;
    incident.deadlines_met = met
        .iter()
        .map(|row| DeadlineMet { id: row.get(0), at: moment_of(row, 1), how: row.get(2) })
        .collect();
    Ok(incident)
}

pub(crate) async fn entity(connection: &mut SqliteConnection, id: &str) -> Result<Entity> {
    let pairs: Vec<(String, String)> =
        sqlx::query_as("SELECT field, value FROM incident_entity WHERE incident_id = $1")
            .bind(id)
            .fetch_all(connection)
            .await
            .map_err(database("get the entity of an incident"))?;
    Ok(Entity::from_group(&pairs))
}

async fn links(connection: &mut SqliteConnection, id: &str) -> Result<Vec<Link>> {
    let rows = sqlx::query(
        "SELECT i.id, i.number, l.kind, 1 AS outgoing FROM incident_link l \
         JOIN incident i ON i.id = l.other_id WHERE l.incident_id = $1 \
         UNION ALL \
         SELECT i.id, i.number, l.kind, 0 AS outgoing FROM incident_link l \
         JOIN incident i ON i.id = l.incident_id WHERE l.other_id = $1 \
         ORDER BY 2 LIMIT $2",
    )
    .bind(id)
    .bind(LINKS_SHOWN_MAX)
    .fetch_all(connection)
    .await
    .map_err(database("get the links of an incident"))?;
    rows.iter()
        .map(|row| {
            let kind: String = row.get(2);
            let kind = LinkKind::ALL.into_iter().find(|known| known.as_str() == kind);
            Ok(Link {
                other_id: row.get(0),
                other_number: row.get(1),
                kind: kind.ok_or_else(|| damaged(format!("a link of incident {id}")))?,
                outgoing: row.get::<i64, _>(3) != 0,
            })
        })
        .collect()
}
