//! Change: one change by one person, from the revision they saw to the journal entry.

use rules_event::{Level, Timestamp};
use serde_json::{Value, json};
use sqlx::SqlitePool;

use crate::database::begin;
use crate::error::database;
use crate::incident::read;
use crate::record::search_text;
use crate::{Actor, CloseReason, Error, Incident, Result, journal};

/// One change by one person: opened on the revision they saw, finished with a journal entry.
pub(super) struct Work<'a> {
    tx: sqlx::Transaction<'static, sqlx::Sqlite>,
    pub(super) incident: Incident,
    actor: &'a Actor,
    now: Timestamp,
    pub(super) severity_by_person: bool,
    pub(super) title_by_person: bool,
}

impl<'a> Work<'a> {
    pub(super) async fn begin(
        db: &SqlitePool,
        id: &str,
        revision: i64,
        actor: &'a Actor,
        now: Timestamp,
    ) -> Result<Self> {
        actor.must_work()?;
        let mut tx = begin(db).await?;
        let incident = read(&mut tx, id).await?;
        if incident.revision != revision {
            return Err(Error::Stale {
                id: incident.number,
                expected: revision,
                actual: incident.revision,
            });
        }
        let (severity_by_person, title_by_person) = (false, false);
        Ok(Self { tx, incident, actor, now, severity_by_person, title_by_person })
    }

    pub(super) async fn finish(mut self, action: &str, facts: &Value) -> Result<Incident> {
        let incident = &mut self.incident;
        incident.revision += 1;
        incident.updated_at = self.now;
        sqlx::query(
            "UPDATE incident SET revision = $2, title_en = $3, title_vi = $4, severity = $5, \
             status = $6, assignee = $7, incident_type = $8, organization = $9, serious = $10, \
             disruption = $11, personal_data_at = $12, exercise = $13, close_reason = $14, \
             close_note = $15, closed_at = $16, updated_at = $17, search_text = $18, \
             severity_by_person = CASE WHEN $19 = 1 THEN 1 ELSE severity_by_person END, \
             title_by_person = CASE WHEN $20 = 1 THEN 1 ELSE title_by_person END WHERE id = $1",
        )
        .bind(&incident.id)
        .bind(incident.revision)
        .bind(&incident.title_en)
        .bind(&incident.title_vi)
        .bind(i64::from(incident.severity.rank()))
        .bind(incident.status.as_str())
        .bind(&incident.assignee)
        .bind(&incident.incident_type)
        .bind(&incident.organization)
        .bind(incident.serious.map(i64::from))
        .bind(i64::from(incident.disruption))
        .bind(incident.personal_data_at.map(Timestamp::as_nanos))
        .bind(i64::from(incident.exercise))
        .bind(incident.close_reason.map(CloseReason::as_str))
        .bind(&incident.close_note)
        .bind(incident.closed_at.map(Timestamp::as_nanos))
        .bind(incident.updated_at.as_nanos())
        .bind(search_text(incident))
        .bind(i64::from(self.severity_by_person))
        .bind(i64::from(self.title_by_person))
        .execute(&mut *self.tx)
        .await
        .map_err(database("change an incident"))?;
        let (id, tx) = (Some(self.incident.id.as_str()), &mut self.tx);
        journal::append(tx, id, self.now, self.actor, action, facts).await?;
        self.tx.commit().await.map_err(database("commit a change of an incident"))?;
        Ok(self.incident)
    }
}

pub(super) fn bound(field: &'static str, text: &str, max: usize) -> Result<()> {
    let length = text.chars().count();
    if length <= max {
        return Ok(());
    }
    Err(Error::Invalid { field, problem: format!("{length} characters; the bound is {max}") })
}

pub(super) fn severity(word: Option<&str>) -> Result<Option<Level>> {
    word.map(str::parse).transpose().map_err(|()| Error::Invalid {
        field: "severity",
        problem: "use informational, low, medium, high or critical".into(),
    })
}

pub(super) fn incident_type(group: Option<&str>) -> Result<()> {
    let known = |group: &str| {
        group.strip_prefix('N').is_some_and(|n| matches!(n.as_bytes(), [b'1'..=b'9']))
    };
    if group.is_none_or(known) {
        return Ok(());
    }
    Err(Error::Invalid { field: "incident_type", problem: "use N1 to N9".into() })
}

/// Returns the fields that differ, as `{"field": {"from": …, "to": …}}`.
pub(super) fn difference(before: &Value, after: &Value) -> Value {
    let mut changed = serde_json::Map::new();
    for (name, to) in after.as_object().into_iter().flatten() {
        let from = before.get(name).unwrap_or(&Value::Null);
        if from != to {
            changed.insert(name.clone(), json!({ "from": from, "to": to }));
        }
    }
    Value::Object(changed)
}
