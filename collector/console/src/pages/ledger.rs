//! The ledger.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use collector_store::{LedgerLine, Verdict};

use super::{Chrome, render};
use crate::ConsoleState;
use crate::api::ledger::{LedgerParams, settled};
use crate::problem::Problem;
use crate::visit::{Visit, Who};

struct Row {
    host: String,
    agent: String,
    lane: String,
    epoch: u64,
    closes: bool,
    batches_expected: u64,
    batches_stored: u64,
    events_expected: u64,
    events_stored: u64,
    verdict: String,
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerPage {
    page: Chrome,
    closes: bool,
    rows: Vec<Row>,
}

/// Shows the ledger.
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    visit: Visit,
    who: Who,
) -> Result<Response, Problem> {
    let ledger = settled(&state, LedgerParams::default()).await?;
    let seen = state.events.agents_seen().await?.into_iter();
    let hosts: HashMap<String, String> =
        seen.map(|seen| (seen.agent.to_string(), seen.heartbeat.host)).collect();
    render(&LedgerPage {
        page: Chrome::new(&visit, Some(&who), "/ledger"),
        closes: ledger.verdict == Verdict::Closed,
        rows: ledger.lines.into_iter().map(|line| row(line, &hosts)).collect(),
    })
}

fn row(line: LedgerLine, hosts: &HashMap<String, String>) -> Row {
    let gaps = line.missing.iter().map(|(from, to)| match from == to {
        true => from.to_string(),
        false => format!("{from}–{to}"),
    });
    Row {
        host: hosts.get(&line.agent).cloned().unwrap_or_default(),
        closes: line.is_closed(),
        batches_expected: line.batches + line.missing_batches,
        batches_stored: line.batches + line.repeated_batches,
        events_expected: line.events_claimed,
        events_stored: line.events_stored,
        verdict: gaps.collect::<Vec<_>>().join(", "),
        agent: line.agent,
        lane: line.lane,
        epoch: line.epoch,
    }
}
