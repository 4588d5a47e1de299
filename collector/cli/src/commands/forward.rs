//! Reports to the national centre.

use rules_service::exit::Exit;
use serde_json::{Value, json};

use super::incidents::named;
use super::{Desk, items, print, text};
use crate::args::Forward;
use crate::failure::Result;
use crate::table::Table;

pub(super) async fn run(desk: &Desk, verb: &Forward) -> Result<Exit> {
    match verb {
        Forward::Request { incident, kind, text, cause, scope, measures, help_wanted } => {
            let body = json!({
                "kind": kind, "text_vi": text, "cause": cause, "scope": scope,
                "measures": measures, "help": help_wanted,
            });
            let path = ["incidents", named(incident)?, "report"];
            told(desk, &desk.client.post(&path, Some(body)).await?)?;
        }
        Forward::Approve { report } => {
            told(desk, &desk.client.post(&["reports", named(report)?, "approve"], None).await?)?;
        }
        Forward::Refuse { report, reason } => {
            let body = Some(json!({ "reason": reason }));
            told(desk, &desk.client.post(&["reports", named(report)?, "refuse"], body).await?)?;
        }
        Forward::Retry { report } => {
            told(desk, &desk.client.post(&["reports", named(report)?, "retry"], None).await?)?;
        }
        Forward::Status { report: None, .. } => {
            let answer = desk.client.get(&["reports"], &[]).await?;
            if !desk.printed_json(&answer)? {
                print(&list(desk, &answer))?;
            }
        }
        Forward::Status { report: Some(report), document } => {
            let answer = desk.client.get(&["reports", named(report)?], &[]).await?;
            if *document {
                // Byte for byte, for a file or another program.
                print(answer["document"].as_str().unwrap_or_default())?;
            } else if !desk.printed_json(&answer)? {
                print(&show(desk, &answer))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn told(desk: &Desk, report: &Value) -> Result<()> {
    if desk.printed_json(report)? {
        return Ok(());
    }
    print(&format!("report {}: {}\n", text(&report["id"]), text(&report["state"])))
}

fn list(desk: &Desk, answer: &Value) -> String {
    let reports = items(&answer["reports"]);
    if reports.is_empty() {
        return "no reports yet\n".into();
    }
    let mut table = Table::new([
        ("REPORT", 0),
        ("KIND", 0),
        ("STATE", 0),
        ("AUTHOR", 20),
        ("APPROVER", 20),
        ("CREATED", 0),
        ("DELIVERED", 0),
        ("PROBLEM", 50),
    ]);
    for one in reports {
        table.row([
            text(&one["id"]),
            text(&one["kind"]),
            text(&one["state"]),
            text(&one["author"]),
            text(&one["approver"]),
            desk.shown(&one["created_at"]),
            desk.shown(&one["delivered_at"]),
            text(&one["problem"]),
        ]);
    }
    table.render(desk.style)
}

fn show(desk: &Desk, answer: &Value) -> String {
    let (report, style) = (&answer["report"], desk.style);
    let mut out = format!("report {}\n", style.bold(&text(&report["id"])));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("  {name:<10} {value}\n"));
        }
    };
    fact("state", style.word(&text(&report["state"])));
    fact("kind", text(&report["kind"]));
    fact("incident", text(&report["incident_id"]));
    fact("author", text(&report["author"]));
    fact("approver", text(&report["approver"]));
    fact("marking", format!("TLP:{}", text(&report["tlp"]).to_uppercase()));
    fact("sha-256", text(&report["digest"]));
    fact("objects", format!("{}, {} texts masked", report["objects"], report["redactions"]));
    fact("attempts", text(&report["attempts"]));
    fact("problem", text(&report["problem"]));
    fact("created", desk.shown(&report["created_at"]));
    fact("delivered", desk.shown(&report["delivered_at"]));
    let receipts = items(&answer["receipts"]);
    if receipts.is_empty() {
        fact("receipts", "none yet: not to be called sent".into());
    }
    for receipt in receipts {
        let (at, what) = (desk.shown(&receipt["at"]), text(&receipt["request"]));
        fact("receipt", format!("{at}  {what}  HTTP {}", receipt["http_status"]));
    }
    for object in items(&answer["objects"]) {
        let (id, outcome) = (text(&object["id"]), text(&object["outcome"]));
        fact("object", format!("{outcome}  {id}  {}", text(&object["message"])).trim().to_owned());
    }
    out
}
