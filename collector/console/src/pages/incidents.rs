//! The list of incidents.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use collector_incident as incident;
use rules_event::Level;
use serde::Deserialize;

use super::parts::Head;
use super::{Chrome, render};
use crate::body::QueryBody;
use crate::login::quote;
use crate::problem::Problem;
use crate::visit::{Visit, Who};
use crate::{ConsoleState, api, moment};

/// Incidents on a page.
const PAGE_ROWS: u32 = 50;

/// What the page was asked for. Unknown names are ignored: links get odd tails on their way.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    status: String,
    severity: String,
    assignee: String,
    q: String,
    cursor: String,
}

struct Tab {
    href: String,
    name: &'static str,
    current: bool,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    page: Chrome,
    tabs: Vec<Tab>,
    levels: Vec<(&'static str, &'static str)>,
    status: String,
    severity: String,
    assignee: String,
    q: String,
    rows: Vec<Head>,
    next: Option<String>,
}

/// Shows the list.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
    QueryBody(asked): QueryBody<PageQuery>,
) -> Result<Response, Problem> {
    let mut query = incident::Query { limit: PAGE_ROWS, ..Default::default() };
    query.text.clone_from(&asked.q);
    query.severity_min = asked.severity.parse::<Level>().ok();
    query.cursor = Some(asked.cursor.clone()).filter(|cursor| !cursor.is_empty());
    match asked.status.as_str() {
        "" => {}
        "all" => query.closed = true,
        word => query.status = vec![api::incidents::status(word)?],
    }
    if asked.assignee == "me" {
        query.assignee = Some(who.name.clone());
    }
    let found = incident::list(&state.db, &query).await?;
    let (now, lang) = (moment::now(), visit.language);
    let rows = found.incidents.iter().map(|one| Head::of(one, &state.policy, lang, now));
    let page = Chrome::new(&visit, Some(&who), "/incidents");
    let m = page.m;
    let tab = |href: &str, name, current| Tab { href: href.to_owned(), name, current };
    let mine = asked.assignee == "me";
    let closed = asked.status == "closed";
    let tabs = vec![
        tab("/incidents", m.all_open, asked.status.is_empty() && !mine),
        tab("/incidents?assignee=me", m.mine, mine),
        tab("/incidents?status=closed", m.status_closed, closed),
        tab("/incidents?status=all", m.all, asked.status == "all"),
    ];
    let next = found.next.map(|cursor| {
        format!(
            "/incidents?status={}&severity={}&assignee={}&q={}&cursor={}",
            quote(&asked.status),
            quote(&asked.severity),
            quote(&asked.assignee),
            quote(&asked.q),
            quote(&cursor)
        )
    });
    render(&IncidentsPage {
        tabs,
        levels: Level::ALL.iter().map(|level| (level.as_str(), m.level(*level))).collect(),
        rows: rows.collect(),
        next,
        status: asked.status,
        severity: asked.severity,
        assignee: asked.assignee,
        q: asked.q,
        page,
    })
}
