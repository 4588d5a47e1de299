//! The audit log, for those who oversee.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::incidents::limit;
use crate::ConsoleState;
use crate::audit::{self, Entry};
use crate::body::QueryBody;
use crate::problem::{Problem, ProblemBody};

/// Entries on a page when the query does not say.
const PAGE_DEFAULT: u32 = 50;

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Older than this entry: `next` of the page before.
    before: Option<i64>,
    /// Entries on the page, 1 to 200; 50 if absent.
    limit: Option<u32>,
}

/// A page of the audit log, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditBody {
    /// The entries.
    entries: Vec<Entry>,
    /// Send as `before` for the next page; absent after the last.
    next: Option<i64>,
    /// The first entry whose hash does not fit: altered, or one before it removed.
    broken_at: Option<i64>,
}

/// Lists who read personal data and who changed what; checks the whole chain of hashes.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery), responses(
    (status = 200, description = "A page of entries", body = AuditBody),
    (status = 403, description = "Only for auditors and administrators", body = ProblemBody)))]
pub(crate) async fn list(
    State(state): State<ConsoleState>,
    QueryBody(query): QueryBody<AuditQuery>,
) -> Result<Json<AuditBody>, Problem> {
    let limit = match limit(query.limit)? {
        0 => PAGE_DEFAULT,
        limit => limit,
    };
    let entries = audit::list(&state.db, query.before, limit).await?;
    let full = entries.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = entries.last().filter(|entry| full && entry.seq > 1).map(|entry| entry.seq);
    let broken_at = audit::first_broken(&state.db).await?;
    Ok(Json(AuditBody { entries, next, broken_at }))
}
