//! Outbox: the exact bytes of a report, as objects and as the envelopes that are POSTed.
//!
//! 1. Objects are serialised once, when a draft is built; everything later only joins those bytes.
//! 2. Approval cuts them into parts. A part's body never changes; a part that is too large for the
//!    server is replaced by its two halves.
//! 3. What is sent, split and received is decided from these tables alone.

use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Row, SqliteConnection};

use crate::error::{damaged, database};
use crate::redact::Redactor;
use crate::{Error, Result, stix};

/// Objects in one part at approval; the sender splits further if the server asks for it.
const PART_OBJECTS_MAX: i64 = 200;
/// Objects in one report. Evidence is bounded below this; more would be a mistake of ours.
const OBJECTS_MAX: usize = 2000;
/// Around the objects of a TAXII envelope. Spec: TAXII 2.1, 3.7 "Envelope Resource".
const ENVELOPE: (&[u8], &[u8]) = (b"{\"objects\":[", b"]}");

/// Builds the objects of a report and keeps their bytes, instead of what was there. Returns the
/// digest that an approver approves.
pub(crate) async fn fill(
    tx: &mut SqliteConnection,
    build: &stix::Build<'_>,
    mut redactor: Redactor,
) -> Result<String> {
    let doing = database("store the objects of a report");
    let objects = stix::objects(tx, build, &mut redactor).await?;
    if objects.len() > OBJECTS_MAX {
        let problem = format!("{} objects; the bound is {OBJECTS_MAX}", objects.len());
        return Err(Error::Invalid { field: "report", problem });
    }
    sqlx::query("DELETE FROM report_object WHERE report_id = $1")
        .bind(build.report)
        .execute(&mut *tx)
        .await
        .map_err(&doing)?;
    let mut hasher = Sha256::new();
    for (ordinal, object) in objects.iter().enumerate() {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = object.to_string().into_bytes();
        hasher.update(&bytes);
        sqlx::query(
            "INSERT INTO report_object (report_id, ordinal, object_id, version, bytes) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(build.report)
        .bind(i64::try_from(ordinal).unwrap_or(i64::MAX))
        .bind(text("id"))
        .bind(text("modified"))
        .bind(bytes)
        .execute(&mut *tx)
        .await
        .map_err(&doing)?;
    }
    let digest = hex::encode(hasher.finalize());
    sqlx::query("UPDATE report SET digest = $2, objects = $3, redactions = $4 WHERE id = $1")
        .bind(build.report)
        .bind(&digest)
        .bind(i64::try_from(objects.len()).unwrap_or(i64::MAX))
        .bind(i64::try_from(redactor.masked()).unwrap_or(i64::MAX))
        .execute(&mut *tx)
        .await
        .map_err(&doing)?;
    Ok(digest)
}

/// Cuts the objects into parts, ready to be sent. Checks first that the bytes are those of the
/// digest the approver saw.
pub(crate) async fn seal(tx: &mut SqliteConnection, report: &str) -> Result<()> {
    let doing = database("seal a report");
    let bytes: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT bytes FROM report_object WHERE report_id = $1 ORDER BY ordinal")
            .bind(report)
            .fetch_all(&mut *tx)
            .await
            .map_err(&doing)?;
    let digest: String = sqlx::query_scalar("SELECT digest FROM report WHERE id = $1")
        .bind(report)
        .fetch_one(&mut *tx)
        .await
        .map_err(&doing)?;
    let mut hasher = Sha256::new();
    bytes.iter().for_each(|object| hasher.update(object));
    if hex::encode(hasher.finalize()) != digest {
        return Err(damaged(format!("the objects of report {report}")));
    }
    let count = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let mut first = 0;
    while first < count {
        let until = count.min(first + PART_OBJECTS_MAX);
        insert(tx, report, first, until).await?;
        first = until;
    }
    Ok(())
}

/// Replaces a part by its two halves; `false` if it holds a single object.
pub(crate) async fn split(tx: &mut SqliteConnection, report: &str, first: i64) -> Result<bool> {
    let doing = database("split a report");
    let until: i64 = sqlx::query_scalar(
        "SELECT until_object FROM report_part WHERE report_id = $1 AND first_object = $2",
    )
    .bind(report)
    .bind(first)
    .fetch_one(&mut *tx)
    .await
    .map_err(&doing)?;
    if until - first < 2 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM report_part WHERE report_id = $1 AND first_object = $2")
        .bind(report)
        .bind(first)
        .execute(&mut *tx)
        .await
        .map_err(&doing)?;
    let middle = first + (until - first) / 2;
    insert(tx, report, first, middle).await?;
    insert(tx, report, middle, until).await?;
    Ok(true)
}

/// Lets the parts that hold refused objects be sent again.
pub(crate) async fn reopen(tx: &mut SqliteConnection, report: &str) -> Result<()> {
    let doing = database("retry a report");
    sqlx::query(
        "UPDATE report_part SET state = 'waiting', status_id = NULL WHERE report_id = $1 AND EXISTS \
         (SELECT 1 FROM report_object o WHERE o.report_id = report_part.report_id \
         AND o.ordinal >= first_object AND o.ordinal < until_object AND o.outcome = 'rejected')",
    )
    .bind(report)
    .execute(&mut *tx)
    .await
    .map_err(&doing)?;
    sqlx::query(
        "UPDATE report_object SET outcome = 'waiting', message = '' \
         WHERE report_id = $1 AND outcome = 'rejected'",
    )
    .bind(report)
    .execute(&mut *tx)
    .await
    .map_err(&doing)?;
    Ok(())
}

/// Returns the envelope of the objects from `first` up to, not including, `until`.
pub(crate) async fn envelope(
    tx: &mut SqliteConnection,
    report: &str,
    first: i64,
    until: i64,
) -> Result<Vec<u8>> {
    let rows = sqlx::query(
        "SELECT bytes FROM report_object WHERE report_id = $1 AND ordinal >= $2 AND ordinal < $3 \
         ORDER BY ordinal",
    )
    .bind(report)
    .bind(first)
    .bind(until)
    .fetch_all(tx)
    .await
    .map_err(database("join the objects of a report"))?;
    let mut body = ENVELOPE.0.to_vec();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(row.get::<&[u8], _>(0));
    }
    body.extend_from_slice(ENVELOPE.1);
    Ok(body)
}

async fn insert(tx: &mut SqliteConnection, report: &str, first: i64, until: i64) -> Result<()> {
    let body = envelope(tx, report, first, until).await?;
    sqlx::query(
        "INSERT INTO report_part (report_id, first_object, until_object, body, digest, state) \
         VALUES ($1, $2, $3, $4, $5, 'waiting')",
    )
    .bind(report)
    .bind(first)
    .bind(until)
    .bind(&body)
    .bind(hex::encode(Sha256::digest(&body)))
    .execute(tx)
    .await
    .map_err(database("seal a report"))?;
    Ok(())
}
