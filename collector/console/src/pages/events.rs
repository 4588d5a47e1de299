//! Search for events.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::parts::EventPart;
use super::{Chrome, render};
use crate::api::events::{find, query_of};
use crate::body::QueryBody;
use crate::login::quote;
use crate::problem::Problem;
use crate::visit::{Visit, Who};
use crate::{ConsoleState, moment};

/// What the page was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventsPageQuery {
    q: String,
    #[serde(rename = "where")]
    filter: String,
    span: String,
    until: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    page: Chrome,
    q: String,
    filter: String,
    spans: [(&'static str, &'static str, bool); 3],
    events: Vec<EventPart>,
    next: Option<String>,
}

/// Shows a page of events.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
    QueryBody(asked): QueryBody<EventsPageQuery>,
) -> Result<Response, Problem> {
    let now = moment::now();
    let until = match asked.until.as_str() {
        "" => now,
        text => crate::api::incidents::time("until", text)?,
    };
    let days = match asked.span.as_str() {
        "30d" => 30,
        "7d" => 7,
        _ => 1,
    };
    let since = until.saturating_sub(Duration::from_secs(days * 24 * 60 * 60));
    let mut pairs = vec![
        ("q".to_owned(), asked.q.clone()),
        ("since".to_owned(), since.to_string()),
        ("until".to_owned(), until.to_string()),
        ("cursor".to_owned(), asked.cursor.clone()),
    ];
    if !asked.filter.trim().is_empty() {
        let (name, value) = asked.filter.split_once('=').ok_or_else(|| {
            Problem::invalid("a filter is field=value, such as source.ip=203.0.113.9")
        })?;
        pairs.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let query = query_of(pairs, now)?;
    let (events, next) = find(&state, &query).await?;
    let page = Chrome::new(&visit, Some(&who), "/events");
    let m = page.m;
    let next = next.map(|cursor| {
        format!(
            "/events?q={}&where={}&span={}&until={}&cursor={}",
            quote(&asked.q),
            quote(&asked.filter),
            quote(&asked.span),
            quote(&until.to_string()),
            quote(&cursor)
        )
    });
    render(&EventsPage {
        spans: [
            ("24h", m.last_24_hours, days == 1),
            ("7d", m.last_7_days, days == 7),
            ("30d", m.last_30_days, days == 30),
        ],
        events: events.iter().map(EventPart::of).collect(),
        q: asked.q,
        filter: asked.filter,
        next,
        page,
    })
}
