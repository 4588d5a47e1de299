//! Applying an answer: receipts and outcomes, stored together with the move they cause.

mod store;

use std::collections::HashMap;
use std::time::Duration;

use collector_incident::{Actor, Policy, journal, meet_deadline};
use rules_event::Timestamp;
use rules_service::backoff::Backoff;
use serde_json::json;
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{Action, Outcome};
use crate::database::begin;
use crate::draft::must_not_be_kept;
use crate::error::database;
use crate::report::read;
use crate::taxii::{Answer, StatusResource, Trouble};
use crate::{Error, Report, ReportState, Result, outbox};
use store::{problem, set};

/// A doubled delay is the same for ever from here on.
const DOUBLINGS_MAX: u64 = 20;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The next step can be taken at once.
    GoOn,
    /// The next step has to wait. `remedy` says what a person must do first.
    Wait { remedy: Option<String> },
    /// The report has come to its end in this state.
    Ended(ReportState),
}

/// Marks a report as being sent, before the first byte leaves. `false`: it may not leave any more.
pub(crate) async fn begin_sending(db: &SqlitePool, id: &str, now: Timestamp) -> Result<bool> {
    let mut tx = begin(db).await?;
    let report = read(&mut tx, id).await?;
    if !matches!(report.state, ReportState::Approved | ReportState::Sending) {
        return Ok(false);
    }
    let drill: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM incident WHERE id = $1 AND exercise = 1")
            .bind(&report.incident_id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(database("look whether an incident is a drill"))?;
    let kept = must_not_be_kept(&mut tx, &report.incident_id).await;
    let stops = match (drill, kept) {
        (Some(_), _) => Some("the incident was made a drill; drills never leave".to_owned()),
        (None, Err(error @ Error::Kept { .. })) => Some(error.to_string()),
        (None, kept) => kept.map(|()| None)?,
    };
    let ready = stops.is_none();
    let state = if ready { ReportState::Sending } else { ReportState::Rejected };
    if report.state != state {
        set(&mut tx, id, state, now).await?;
        let action = if ready { "report_sending" } else { "report_rejected" };
        if let Some(stops) = &stops {
            problem(&mut tx, id, Some(stops)).await?;
        }
        let facts = json!({ "report": id, "digest": report.digest });
        let (incident, actor) = (Some(report.incident_id.as_str()), Actor::system());
        journal::append(&mut tx, incident, now, &actor, action, &facts).await?;
    }
    tx.commit().await.map_err(database("commit a state of a report"))?;
    Ok(ready)
}

/// Stores what came of an action.
pub(crate) async fn apply(
    db: &SqlitePool,
    policy: Option<&Policy>,
    id: &str,
    action: &Action,
    outcome: Outcome,
    backoff: (Duration, Duration),
    now: Timestamp,
) -> Result<Applied> {
    let mut tx = begin(db).await?;
    let report = read(&mut tx, id).await?;
    let mut step = Step { tx: &mut tx, report, backoff, now };
    let applied = match (action, outcome) {
        (Action::Finish, _) => step.finish(policy).await?,
        (Action::Push { first, .. }, Outcome::TooLarge) => step.too_large(*first, None).await?,
        (Action::Push { first, .. }, Outcome::Trouble(Trouble::TooLarge(answer))) => {
            step.too_large(*first, Some(answer)).await?
        }
        (
            Action::Push { first, .. } | Action::Poll { first, .. },
            Outcome::Status(status, answer),
        ) => {
            let request = if matches!(action, Action::Push { .. }) { "push" } else { "poll" };
            step.status(*first, request, &status, &answer).await?
        }
        (Action::Poll { first, .. }, Outcome::Trouble(Trouble::Absent(answer))) => {
            step.status_gone(*first, &answer).await?
        }
        (Action::Confirm { first, ordinal, .. }, Outcome::Held(held, answer)) => {
            step.held(*first, *ordinal, held, &answer).await?
        }
        (Action::Push { first, .. }, Outcome::Trouble(Trouble::Refused { answer, problem })) => {
            step.refused(*first, &answer, &problem).await?
        }
        (_, Outcome::Trouble(trouble)) => step.wait(trouble).await?,
        (_, Outcome::Nothing | Outcome::TooLarge | Outcome::Status(..) | Outcome::Held(..)) => {
            Applied::GoOn
        }
    };
    tx.commit().await.map_err(database("commit a step of a report"))?;
    Ok(applied)
}

struct Step<'a> {
    tx: &'a mut SqliteConnection,
    report: Report,
    backoff: (Duration, Duration),
    now: Timestamp,
}

impl Step<'_> {
    /// The centre has taken a push, or says how one went.
    async fn status(
        &mut self,
        first: i64,
        request: &str,
        status: &StatusResource,
        answer: &Answer,
    ) -> Result<Applied> {
        if status.status == "pending" {
            if request == "push" {
                self.receipt(first, request, Some(&status.id), answer).await?;
                self.part(first, "accepted", Some(&status.id)).await?;
                self.attempts(0).await?;
            }
            return self.later(None, "the centre is still working on it", None).await;
        }
        self.receipt(first, request, Some(&status.id), answer).await?;
        let refused: HashMap<&str, &str> =
            status.failures.iter().map(|it| (it.id.as_str(), it.message.as_str())).collect();
        let taken: HashMap<&str, &str> =
            status.successes.iter().map(|it| (it.id.as_str(), it.version.as_str())).collect();
        let objects = self.objects(first).await?;
        // The lists are optional (TAXII 2.1, 4.3.1): without them the counts speak, if they are clear.
        let total = u64::try_from(objects.len()).unwrap_or(u64::MAX);
        let all_taken = status.failure_count == 0
            && status.failures.is_empty()
            && status.success_count == total;
        let mut unsure = false;
        for (ordinal, object) in objects {
            let (outcome, message) = match refused.get(object.as_str()) {
                Some(message) => ("unsure", *message),
                None if all_taken || taken.contains_key(object.as_str()) => ("delivered", ""),
                None => ("unsure", "the centre said nothing of it"),
            };
            unsure |= outcome == "unsure";
            self.outcome(ordinal, outcome, message).await?;
        }
        let next = if unsure { "confirming" } else { "done" };
        self.part(first, next, Some(&status.id)).await?;
        self.attempts(0).await?;
        Ok(Applied::GoOn)
    }

    /// The centre has forgotten how a push went: every object is looked up, and what is not there is
    /// pushed again.
    async fn status_gone(&mut self, first: i64, answer: &Answer) -> Result<Applied> {
        self.receipt(first, "poll", None, answer).await?;
        for (ordinal, _) in self.objects(first).await? {
            self.outcome(ordinal, "unsure", "").await?;
        }
        self.part(first, "recheck", None).await?;
        Ok(Applied::GoOn)
    }

    /// The centre holds an object, or does not.
    async fn held(
        &mut self,
        first: i64,
        ordinal: i64,
        held: bool,
        answer: &Answer,
    ) -> Result<Applied> {
        let doing = database("store a confirmation");
        let state: String = sqlx::query_scalar(
            "SELECT state FROM report_part WHERE report_id = $1 AND first_object = $2",
        )
        .bind(&self.report.id)
        .bind(first)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(&doing)?;
        self.receipt(first, "confirm", None, answer).await?;
        if !held && state == "recheck" {
            for (ordinal, _) in self.objects(first).await? {
                self.outcome(ordinal, "waiting", "").await?;
            }
            self.part(first, "waiting", None).await?;
            return self.later(None, "the centre lost a push; it is sent again", None).await;
        }
        let message: String = sqlx::query_scalar(
            "SELECT message FROM report_object WHERE report_id = $1 AND ordinal = $2",
        )
        .bind(&self.report.id)
        .bind(ordinal)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(&doing)?;
        let outcome = if held { "already" } else { "rejected" };
        self.outcome(ordinal, outcome, &message).await?;
        let open: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM report_object o JOIN report_part p ON p.report_id = o.report_id \
             AND o.ordinal >= p.first_object AND o.ordinal < p.until_object \
             WHERE o.report_id = $1 AND p.first_object = $2 AND o.outcome = 'unsure'",
        )
        .bind(&self.report.id)
        .bind(first)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(&doing)?;
        if open == 0 {
            self.part(first, "done", None).await?;
        }
        self.attempts(0).await?;
        Ok(Applied::GoOn)
    }

    async fn too_large(&mut self, first: i64, answer: Option<Answer>) -> Result<Applied> {
        if outbox::split(self.tx, &self.report.id, first).await? {
            return Ok(Applied::GoOn);
        }
        let none = Answer { http: 413, server_date: None, body: Vec::new() };
        let problem = "the centre takes no request as large as this one object";
        self.refused(first, &answer.unwrap_or(none), problem).await
    }

    /// The content is refused: no retry would help.
    async fn refused(&mut self, first: i64, answer: &Answer, why: &str) -> Result<Applied> {
        self.receipt(first, "push", None, answer).await?;
        for (ordinal, _) in self.objects(first).await? {
            self.outcome(ordinal, "rejected", why).await?;
        }
        self.part(first, "done", None).await?;
        problem(self.tx, &self.report.id, Some(why)).await?;
        Ok(Applied::GoOn)
    }

    async fn wait(&mut self, trouble: Trouble) -> Result<Applied> {
        match trouble {
            Trouble::Wait { problem, after, remedy, .. } => {
                self.later(after, &problem, remedy.then(|| problem.clone())).await
            }
            Trouble::Absent(_) => {
                let text = "the collection is gone (404): correct taxii.url or taxii.collection";
                self.later(None, text, Some(text.to_owned())).await
            }
            Trouble::Refused { problem, .. } => {
                self.later(None, &problem, Some(problem.clone())).await
            }
            Trouble::TooLarge(_) => {
                let text = "the centre answers 413 to a question";
                self.later(None, text, Some(text.to_owned())).await
            }
        }
    }

    /// Draws the sum: every object has its word, so the report has its end.
    async fn finish(&mut self, policy: Option<&Policy>) -> Result<Applied> {
        let rows = sqlx::query(
            "SELECT outcome, COUNT(*) FROM report_object WHERE report_id = $1 GROUP BY outcome",
        )
        .bind(&self.report.id)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(database("draw the sum of a report"))?;
        let count = |word: &str| -> i64 {
            rows.iter()
                .filter(|row| row.get::<&str, _>(0) == word)
                .map(|row| row.get::<i64, _>(1))
                .sum()
        };
        let (taken, refused) = (count("delivered") + count("already"), count("rejected"));
        let state = match (taken, refused) {
            (_, 0) => ReportState::Delivered,
            (0, _) => ReportState::Rejected,
            _ => ReportState::Partial,
        };
        let (id, incident) = (self.report.id.clone(), self.report.incident_id.clone());
        let actor = Actor::system();
        if state == ReportState::Delivered {
            sqlx::query("UPDATE report SET delivered_at = $2 WHERE id = $1")
                .bind(&id)
                .bind(self.now.as_nanos())
                .execute(&mut *self.tx)
                .await
                .map_err(database("deliver a report"))?;
            problem(self.tx, &id, None).await?;
            let met = policy.map(|it| it.met_by(self.report.kind.as_str()).collect::<Vec<_>>());
            for deadline in met.unwrap_or_default() {
                let how = format!("report {id}");
                meet_deadline(self.tx, &incident, deadline, &how, &actor, self.now).await?;
            }
        } else if self.report.problem.is_none() {
            let text = format!("the centre refused {refused} of {} objects", taken + refused);
            problem(self.tx, &id, Some(&text)).await?;
        }
        set(self.tx, &id, state, self.now).await?;
        let facts = json!({
            "report": id, "digest": self.report.digest, "taken": taken, "refused": refused,
        });
        let word = format!("report_{state}");
        journal::append(self.tx, Some(&incident), self.now, &actor, &word, &facts).await?;
        Ok(Applied::Ended(state))
    }

    async fn later(
        &mut self,
        after: Option<Duration>,
        text: &str,
        remedy: Option<String>,
    ) -> Result<Applied> {
        let mut backoff = Backoff::new(self.backoff.0, self.backoff.1);
        for _ in 0..self.report.attempts.min(DOUBLINGS_MAX) {
            backoff.next_delay_with(0.0);
        }
        let delay = backoff.next_delay().max(after.unwrap_or_default());
        sqlx::query("UPDATE report SET attempts = $2, next_at = $3, problem = $4 WHERE id = $1")
            .bind(&self.report.id)
            .bind(i64::try_from(self.report.attempts.saturating_add(1)).unwrap_or(i64::MAX))
            .bind(self.now.saturating_add(delay).as_nanos())
            .bind(text)
            .execute(&mut *self.tx)
            .await
            .map_err(database("put a report off"))?;
        Ok(Applied::Wait { remedy })
    }
}
