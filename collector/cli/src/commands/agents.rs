//! Agents.

use rules_service::exit::Exit;
use serde_json::{Value, json};

use super::incidents::named;
use super::{Desk, items, print, text};
use crate::args::Agents;
use crate::failure::Result;
use crate::style::safe;
use crate::table::Table;
use crate::when;

pub(super) async fn run(desk: &Desk, verb: &Agents) -> Result<Exit> {
    match verb {
        Agents::List => {
            let answer = desk.client.get(&["agents"], &[]).await?;
            if !desk.printed_json(&answer)? {
                print(&list(desk, &answer))?;
            }
        }
        Agents::Trust { key, name } => {
            let body = json!({ "name": name });
            desk.client.post(&["agents", named(key)?, "trust"], Some(body)).await?;
            done(desk, key, "trusted")?;
        }
        Agents::Revoke { key } => {
            desk.client.post(&["agents", named(key)?, "revoke"], None).await?;
            done(desk, key, "revoked")?;
        }
    }
    Ok(Exit::Done)
}

fn done(desk: &Desk, key: &str, state: &str) -> Result<()> {
    if desk.printed_json(&json!({ "agent": key, "wanted": state }))? {
        return Ok(());
    }
    print(&format!("{}: {state}; in force within moments\n", safe(key)))
}

fn list(desk: &Desk, answer: &Value) -> String {
    let agents = items(&answer["agents"]);
    if agents.is_empty() {
        return "no agent has sent anything yet\n".into();
    }
    let mut table = Table::new([
        ("AGENT", 0),
        ("STATUS", 0),
        ("HOST", 30),
        ("NAME", 24),
        ("VERSION", 12),
        ("HEARTBEAT", 0),
        ("QUARANTINED", 0),
        ("PROBLEMS", 40),
    ]);
    for one in agents {
        let beat = &one["heartbeat"];
        let (status, wanted) = (text(&one["status"]), text(&one["wanted"]));
        let status = if status == wanted { status } else { format!("{status} → {wanted}") };
        let heard = beat["received"].as_str().unwrap_or_default();
        let problems: Vec<String> = items(&beat["problems"]).iter().map(text).collect();
        table.row([
            text(&one["agent"]),
            status,
            text(&one["host"]),
            text(&one["name"]),
            text(&beat["version"]),
            when::distance(heard, desk.now.timestamp()),
            text(&one["quarantined"]),
            problems.join("; "),
        ]);
    }
    let problem = match answer["heartbeats_problem"].as_str() {
        Some(problem) => format!("heartbeats are missing: {}\n", safe(problem)),
        None => String::new(),
    };
    table.render(desk.style) + &problem
}
