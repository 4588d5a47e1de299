//! Steps: the sender as a state machine whose whole state lies in the database.
//!
//! [`plan`] reads what is next, [`perform`] does that one request, [`apply`] stores the answer and
//! moves on, in one transaction. A process killed anywhere between them plans the same step again.
//!
//! ```text
//! part:  waiting ──push──→ accepted ──poll──→ done          every object has its word
//!           ↑                  │   └────────→ confirming    some were refused: already there?
//!           └─── absent ── recheck ←─ status gone           ask for each object itself
//! ```

mod apply;

use sqlx::{Row, SqlitePool};

use crate::Result;
use crate::error::{damaged, database};
use crate::taxii::{Answer, Session, StatusResource, Taxii, Trouble};

pub(crate) use apply::{Applied, apply, begin_sending};

/// The next thing to do for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// POST a part.
    Push { first: i64, body: Vec<u8>, single: bool },
    /// Ask how a POST went.
    Poll { first: i64, status_id: String },
    /// Look whether the centre holds an object.
    Confirm { first: i64, ordinal: i64, id: String, version: String },
    /// Every part is done: draw the sum.
    Finish,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Status(StatusResource, Answer),
    Held(bool, Answer),
    /// Nothing was asked, or the body is larger than the server said it takes.
    Nothing,
    TooLarge,
    Trouble(Trouble),
}

/// Reads the next thing to do.
pub(crate) async fn plan(db: &SqlitePool, report: &str) -> Result<Action> {
    let doing = database("plan the next step of a report");
    let mut tx = db.begin().await.map_err(&doing)?;
    let part = sqlx::query(
        "SELECT first_object, until_object, body, state, status_id FROM report_part \
         WHERE report_id = $1 AND state <> 'done' ORDER BY first_object LIMIT 1",
    )
    .bind(report)
    .fetch_optional(&mut *tx)
    .await
    .map_err(&doing)?;
    let Some(part) = part else { return Ok(Action::Finish) };
    let (first, until): (i64, i64) = (part.get("first_object"), part.get("until_object"));
    match part.get::<&str, _>("state") {
        "waiting" => Ok(Action::Push { first, body: part.get("body"), single: until - first == 1 }),
        "accepted" => {
            let status_id = part.get::<Option<String>, _>("status_id").unwrap_or_default();
            Ok(Action::Poll { first, status_id })
        }
        "confirming" | "recheck" => {
            let object = sqlx::query(
                "SELECT ordinal, object_id, version FROM report_object WHERE report_id = $1 \
                 AND ordinal >= $2 AND ordinal < $3 AND outcome = 'unsure' ORDER BY ordinal LIMIT 1",
            )
            .bind(report)
            .bind(first)
            .bind(until)
            .fetch_optional(&mut *tx)
            .await
            .map_err(&doing)?;
            let object = object.ok_or_else(|| damaged(format!("a part of report {report}")))?;
            let (ordinal, id, version) = (object.get(0), object.get(1), object.get(2));
            Ok(Action::Confirm { first, ordinal, id, version })
        }
        _ => Err(damaged(format!("a part of report {report}"))),
    }
}

/// Does one request.
pub(crate) async fn perform(taxii: &Taxii, session: &Session, action: &Action) -> Outcome {
    match action {
        Action::Push { body, single, .. } => {
            if body.len() > session.content_bytes_max && !single {
                return Outcome::TooLarge;
            }
            match taxii.push(session, body.clone()).await {
                Ok((status, answer)) => Outcome::Status(status, answer),
                Err(trouble) => Outcome::Trouble(trouble),
            }
        }
        Action::Poll { status_id, .. } => match taxii.poll(session, status_id).await {
            Ok((status, answer)) => Outcome::Status(status, answer),
            Err(trouble) => Outcome::Trouble(trouble),
        },
        Action::Confirm { id, version, .. } => match taxii.holds(session, id, version).await {
            Ok((held, answer)) => Outcome::Held(held, answer),
            Err(trouble) => Outcome::Trouble(trouble),
        },
        Action::Finish => Outcome::Nothing,
    }
}
