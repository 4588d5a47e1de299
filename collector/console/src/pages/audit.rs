//! The audit log, for those who oversee.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rules_event::Timestamp;
use serde::Deserialize;

use super::{Chrome, render};
use crate::ConsoleState;
use crate::audit::{self, Entry};
use crate::body::QueryBody;
use crate::moment::{Shown, shown_exactly};
use crate::problem::Problem;
use crate::visit::{Visit, Who};

/// Entries on a page.
const PAGE_ROWS: u32 = 100;

/// Where the page starts.
#[derive(Deserialize)]
pub(crate) struct AuditPageQuery {
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    page: Chrome,
    broken_at: Option<i64>,
    rows: Vec<(Entry, Shown)>,
    next: Option<i64>,
}

/// Shows a page of the audit log, newest first.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
    QueryBody(query): QueryBody<AuditPageQuery>,
) -> Result<Response, Problem> {
    let entries = audit::list(&state.db, query.before, PAGE_ROWS).await?;
    let next = entries.last().map(|entry| entry.seq).filter(|seq| *seq > 1);
    let rows = entries.into_iter().map(|entry| {
        let at = entry.at.parse::<Timestamp>().unwrap_or_default();
        (entry, shown_exactly(at))
    });
    render(&AuditPage {
        page: Chrome::new(&visit, Some(&who), "/audit"),
        broken_at: audit::first_broken(&state.db).await?,
        rows: rows.collect(),
        next,
    })
}
