//! Storing: single rows of the outbox, inside the transaction of a step.

use rules_event::Timestamp;
use sqlx::SqliteConnection;

use super::Step;
use crate::error::database;
use crate::taxii::Answer;
use crate::{ReportState, Result};

/// Receipts kept of one report; polls that say "pending" leave none.
const RECEIPTS_MAX: i64 = 1000;
/// Characters of an answer kept with its receipt; its digest covers all of it.
const RECEIPT_CHARS_MAX: usize = 64 * 1024;

impl Step<'_> {
    pub(super) async fn attempts(&mut self, attempts: u64) -> Result<()> {
        self.report.attempts = attempts;
        sqlx::query("UPDATE report SET attempts = $2 WHERE id = $1")
            .bind(&self.report.id)
            .bind(i64::try_from(attempts).unwrap_or(i64::MAX))
            .execute(&mut *self.tx)
            .await
            .map_err(database("store a step of a report"))?;
        Ok(())
    }

    pub(super) async fn objects(&mut self, first: i64) -> Result<Vec<(i64, String)>> {
        sqlx::query_as(
            "SELECT o.ordinal, o.object_id FROM report_object o JOIN report_part p \
             ON p.report_id = o.report_id AND o.ordinal >= p.first_object \
             AND o.ordinal < p.until_object \
             WHERE o.report_id = $1 AND p.first_object = $2 \
             AND o.outcome IN ('waiting', 'unsure', 'rejected') ORDER BY o.ordinal",
        )
        .bind(&self.report.id)
        .bind(first)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(database("read the objects of a part"))
    }

    pub(super) async fn outcome(
        &mut self,
        ordinal: i64,
        outcome: &str,
        message: &str,
    ) -> Result<()> {
        let message: String = message.chars().take(1000).collect();
        sqlx::query(
            "UPDATE report_object SET outcome = $3, message = $4 \
             WHERE report_id = $1 AND ordinal = $2",
        )
        .bind(&self.report.id)
        .bind(ordinal)
        .bind(outcome)
        .bind(message)
        .execute(&mut *self.tx)
        .await
        .map_err(database("store what became of an object"))?;
        Ok(())
    }

    pub(super) async fn part(
        &mut self,
        first: i64,
        state: &str,
        status_id: Option<&str>,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE report_part SET state = $3, status_id = COALESCE($4, status_id) \
             WHERE report_id = $1 AND first_object = $2",
        )
        .bind(&self.report.id)
        .bind(first)
        .bind(state)
        .bind(status_id)
        .execute(&mut *self.tx)
        .await
        .map_err(database("store the state of a part"))?;
        Ok(())
    }

    pub(super) async fn receipt(
        &mut self,
        first: i64,
        request: &str,
        status_id: Option<&str>,
        answer: &Answer,
    ) -> Result<()> {
        let body: String =
            String::from_utf8_lossy(&answer.body).chars().take(RECEIPT_CHARS_MAX).collect();
        sqlx::query(
            "INSERT INTO report_receipt (report_id, number, first_object, at, request, \
             http_status, status_id, server_date, body_digest, body) \
             SELECT $1, COUNT(*) + 1, $2, $3, $4, $5, $6, $7, $8, $9 FROM report_receipt \
             WHERE report_id = $1 HAVING COUNT(*) < $10",
        )
        .bind(&self.report.id)
        .bind(first)
        .bind(self.now.as_nanos())
        .bind(request)
        .bind(i64::from(answer.http))
        .bind(status_id)
        .bind(&answer.server_date)
        .bind(answer.digest())
        .bind(body)
        .bind(RECEIPTS_MAX)
        .execute(&mut *self.tx)
        .await
        .map_err(database("store a receipt"))?;
        Ok(())
    }
}

pub(super) async fn set(
    tx: &mut SqliteConnection,
    id: &str,
    state: ReportState,
    now: Timestamp,
) -> Result<()> {
    // People who look at a report meanwhile must see that it moved: the revision grows.
    sqlx::query(
        "UPDATE report SET state = $2, updated_at = $3, revision = revision + 1 WHERE id = $1",
    )
    .bind(id)
    .bind(state.as_str())
    .bind(now.as_nanos())
    .execute(tx)
    .await
    .map_err(database("store the state of a report"))?;
    Ok(())
}

pub(super) async fn problem(tx: &mut SqliteConnection, id: &str, text: Option<&str>) -> Result<()> {
    sqlx::query("UPDATE report SET problem = $2 WHERE id = $1")
        .bind(id)
        .bind(text)
        .execute(tx)
        .await
        .map_err(database("store the problem of a report"))?;
    Ok(())
}
