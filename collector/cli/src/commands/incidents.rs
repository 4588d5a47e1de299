//! Incidents.

use jiff::Timestamp;
use rules_service::exit::Exit;
use serde_json::{Value, json};

use super::{Desk, items, more, pairs, print, text};
use crate::args::Incidents;
use crate::failure::{Failure, Result};
use crate::table::Table;
use crate::when;

pub(super) async fn run(desk: &Desk, verb: &Incidents) -> Result<Exit> {
    match verb {
        Incidents::List { status, all, mine, severity, q, since, limit, cursor } => {
            let mut query = vec![("limit", limit.to_string())];
            let mut add = |name, value: Option<String>| {
                if let Some(value) = value {
                    query.push((name, value));
                }
            };
            let status = Some(status.join(",")).filter(|words| !words.is_empty());
            add("status", if *all { Some("all".into()) } else { status });
            add("assignee", mine.then(|| "me".into()));
            add("severity", severity.clone());
            add("q", q.clone());
            add("since", since.as_deref().map(|text| desk.time(text)).transpose()?);
            add("cursor", cursor.clone());
            let answer = desk.client.get(&["incidents"], &query).await?;
            if !desk.printed_json(&answer)? {
                print(&list(desk, &answer))?;
            }
        }
        Incidents::Show { id } => {
            let answer = desk.client.get(&["incidents", named(id)?], &[]).await?;
            if !desk.printed_json(&answer)? {
                print(&show(desk, &answer))?;
            }
        }
        Incidents::Assign { id, to, nobody } => {
            let to = to.as_deref().unwrap_or("me");
            let body = json!({ "assignee": if *nobody { None } else { Some(to) } });
            changed(desk, id, "assign", body).await?;
        }
        Incidents::Move { id, status, note } => {
            let status = status.replace('-', "_");
            changed(desk, id, "transition", json!({ "to": status, "note": note })).await?;
        }
        Incidents::Close { id, reason, note } => {
            let body = json!({ "to": "closed", "reason": reason.word(), "note": note });
            changed(desk, id, "transition", body).await?;
        }
        Incidents::Note { id, text } => {
            let body = json!({ "note": text });
            let answer = desk.client.post(&["incidents", named(id)?, "note"], Some(body)).await?;
            if !desk.printed_json(&answer)? {
                print(&format!("noted as journal entry {}\n", answer["seq"]))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// An empty id would ask for the list instead.
pub(super) fn named(id: &str) -> Result<&str> {
    match id.trim() {
        "" | "." | ".." => Err(Failure::Misuse("say which one, by its number or id".into())),
        id => Ok(id),
    }
}

async fn changed(desk: &Desk, id: &str, verb: &str, body: Value) -> Result<()> {
    let answer = desk.client.post(&["incidents", named(id)?, verb], Some(body)).await?;
    if desk.printed_json(&answer)? {
        return Ok(());
    }
    let assignee = match answer["assignee"].as_str() {
        Some(name) => format!("assigned to {}", crate::style::safe(name)),
        None => "assigned to nobody".into(),
    };
    print(&format!("{}: {}, {assignee}\n", text(&answer["number"]), text(&answer["status"])))
}

/// Returns the deadline that is not met and due first.
fn next_due(incident: &Value) -> Option<&Value> {
    let open = items(&incident["deadlines"]).iter().filter(|due| due["met_at"].is_null());
    open.min_by_key(|due| due["due"].as_str().and_then(|at| at.parse::<Timestamp>().ok()))
}

pub(super) fn list(desk: &Desk, answer: &Value) -> String {
    let incidents = items(&answer["incidents"]);
    if incidents.is_empty() {
        return "no incidents match\n".into();
    }
    let mut table = Table::new([
        ("NUMBER", 0),
        ("SEVERITY", 0),
        ("STATUS", 0),
        ("TITLE", 44),
        ("ENTITY", 40),
        ("DETECTED", 0),
        ("DUE", 0),
        ("ASSIGNEE", 20),
    ]);
    for one in incidents {
        let due = next_due(one).map(|due| match due["state"].as_str() {
            Some("overdue") => "overdue".to_owned(),
            _ => when::distance(due["due"].as_str().unwrap_or_default(), desk.now.timestamp()),
        });
        let values = one["entity"].as_object().into_iter().flatten();
        let entity: Vec<String> = values.map(|(_, value)| text(value)).collect();
        table.row([
            text(&one["number"]),
            text(&one["severity"]),
            text(&one["status"]),
            desk.title(one),
            entity.join(" "),
            desk.shown(&one["detected_at"]),
            due.unwrap_or_default(),
            text(&one["assignee"]),
        ]);
    }
    table.render(desk.style) + &more(answer)
}

pub(super) fn show(desk: &Desk, answer: &Value) -> String {
    let one = &answer["incident"];
    let style = desk.style;
    let mut out = format!("{} {}\n", style.bold(&text(&one["number"])), desk.title(one));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("  {name:<11} {value}\n"));
        }
    };
    fact("severity", style.word(&text(&one["severity"])));
    fact("status", text(&one["status"]));
    fact("next", join(&one["next_statuses"]));
    fact("assignee", text(&one["assignee"]));
    fact("entity", pairs(&one["entity"]));
    if !one["kept_by"].is_null() {
        fact("forwarding", format!("never: rule '{}' says so", desk.title(&one["kept_by"])));
    }
    fact("detected", desk.shown(&one["detected_at"]));
    let (first, last) = (desk.shown(&one["occurred_first"]), desk.shown(&one["occurred_last"]));
    fact("occurred", format!("{first} – {last}"));
    fact("techniques", join(&one["techniques"]));
    fact("agency", text(&one["organization"]));
    fact("system", text(&one["system"]));
    fact("counts", format!("{} alerts, {} events", one["alert_count"], one["event_count"]));
    fact("closed", text(&one["close_reason"]));
    fact("found", text(&one["close_note"]));
    for due in items(&one["deadlines"]) {
        let state = style.word(&text(&due["state"]));
        fact("due", format!("{} {state}: {}", desk.shown(&due["due"]), desk.title(due)));
    }
    let mut section = |name: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push_str(&format!("\n{}\n{}\n", style.bold(name), lines.join("\n")));
        }
    };
    let alerts = items(&answer["alerts"]).iter();
    section("ALERTS", alerts.map(|alert| alert_line(desk, alert)).collect());
    section("RUNBOOK", runbooks(desk, &answer["alerts"]));
    let events = items(&answer["events"]).iter();
    section("EVIDENCE", events.map(|event| event_line(desk, event)).collect());
    if let Some(problem) = answer["events_problem"].as_str() {
        section("EVIDENCE", vec![format!("  {}", crate::style::safe(problem))]);
    }
    let reports = items(&answer["reports"]).iter();
    let report = |one: &Value| {
        let state = style.word(&text(&one["state"]));
        format!(
            "  {}  {}  {state}  by {}",
            text(&one["id"]),
            text(&one["kind"]),
            text(&one["author"])
        )
    };
    section("REPORTS", reports.map(report).collect());
    let links = items(&answer["links"]).iter();
    let link = |one: &Value| format!("  {} {}", text(&one["kind"]), text(&one["number"]));
    section("LINKS", links.map(link).collect());
    let journal = items(&answer["journal"]).iter();
    let entry = |one: &Value| {
        let (at, who, action) = (desk.shown(&one["at"]), text(&one["who"]), text(&one["action"]));
        format!("  {at}  {who}  {action}  {}", pairs(&one["detail"])).trim_end().to_owned()
    };
    section("JOURNAL", journal.map(entry).collect());
    out
}

fn alert_line(desk: &Desk, alert: &Value) -> String {
    let level = desk.style.word(&text(&alert["level"]));
    let summary = text(&alert["summary"]);
    let rule = text(&alert["rule_id"]);
    format!(
        "  {level}  {}  ({} events, rule {rule})\n    {summary}",
        desk.title(alert),
        alert["count"]
    )
}

/// Returns the runbooks in the chosen language, the most serious alert's first, each once.
fn runbooks(desk: &Desk, alerts: &Value) -> Vec<String> {
    let names = match desk.lang {
        crate::args::Lang::Vi => ["runbook_vi", "runbook_en"],
        crate::args::Lang::En => ["runbook_en", "runbook_vi"],
    };
    let rank = |alert: &Value| {
        let level = alert["level"].as_str().unwrap_or_default().parse::<rules_event::Level>();
        level.map_or(0, rules_event::Level::rank)
    };
    let mut by_level: Vec<&Value> = items(alerts).iter().collect();
    by_level.sort_by_key(|alert| std::cmp::Reverse(rank(alert)));
    let mut books: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for alert in by_level {
        let book =
            names.iter().find_map(|name| alert[name].as_str().filter(|text| !text.is_empty()));
        if let Some(book) = book.filter(|book| !books.contains(book)) {
            books.push(book);
            lines.push(format!("  {}", desk.title(alert)));
            lines.extend(
                book.trim().lines().map(|line| format!("    {}", crate::style::safe(line))),
            );
        }
    }
    lines
}

/// Returns an event as a line: when, where, what.
pub(super) fn event_line(desk: &Desk, event: &Value) -> String {
    let fields = &event["fields"];
    let original = match fields["event.original"].as_str() {
        Some(line) => crate::style::safe(line),
        None => text(&fields["message"]),
    };
    format!("  {}  {}  {original}", desk.shown(&event["time"]), text(&fields["host.name"]))
}

fn join(list: &Value) -> String {
    items(list).iter().map(text).collect::<Vec<_>>().join(", ")
}
