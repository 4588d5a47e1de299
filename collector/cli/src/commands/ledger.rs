//! The ledger.

use rules_service::exit::Exit;
use serde_json::Value;

use super::{Desk, items, print, text};
use crate::failure::Result;
use crate::table::Table;

pub(super) async fn run(desk: &Desk, since: Option<&str>) -> Result<Exit> {
    let since = since.map(|text| desk.time(text)).transpose()?;
    let query: Vec<(&str, String)> = since.map(|since| ("since", since)).into_iter().collect();
    let answer = desk.client.get(&["ledger"], &query).await?;
    if !desk.printed_json(&answer)? {
        print(&show(desk, &answer))?;
    }
    Ok(if answer["closes"] == true { Exit::Done } else { Exit::Problems })
}

fn show(desk: &Desk, answer: &Value) -> String {
    let mut table = Table::new([
        ("AGENT", 0),
        ("LANE", 0),
        ("EPOCH", 0),
        ("BATCHES", 0),
        ("MISSING", 0),
        ("TWICE", 0),
        ("CLAIMED", 0),
        ("STORED", 0),
        ("DISTINCT", 0),
        ("LAST", 0),
        ("STATE", 0),
    ]);
    for line in items(&answer["lines"]) {
        table.row([
            text(&line["agent"]),
            text(&line["lane"]),
            text(&line["epoch"]),
            text(&line["batches"]),
            text(&line["missing_batches"]),
            text(&line["repeated_batches"]),
            text(&line["events_claimed"]),
            text(&line["events_stored"]),
            text(&line["events_distinct"]),
            desk.shown(&line["last_received"]),
            if line["closes"] == true { "closes".into() } else { "OPEN".into() },
        ]);
    }
    let verdict = if answer["closes"] == true {
        "the ledger closes: every batch and every event is stored, once"
    } else {
        "the ledger does NOT close: see the lines marked OPEN"
    };
    format!("{}{verdict}\n", table.render(desk.style))
}
