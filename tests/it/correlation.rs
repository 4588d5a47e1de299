//! Correlation on the host and in the collector: one attack is one alert, whoever tells it, and with
//! evidence also where the events themselves are not sent.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::agent::{Agent, AgentSetup};
use tests::collector::{Collector, CollectorSetup};
use tests::{needs, wait_for};

use crate::kafka_path::incidents;

/// The attacker, and how often they fail before they get in.
const ATTACKER: &str = "203.0.113.77";
const FAILURES: usize = 12;

/// A brute force that succeeds, within a minute of today.
fn attack(part: std::ops::Range<usize>) -> String {
    let line = |n: usize| {
        let what = if n < FAILURES { "Failed" } else { "Accepted" };
        format!(
            "Nov 21 08:30:{n:02} portal01 sshd[{}]: {what} password for root from {ATTACKER} port 40{n:02} ssh2\n",
            1_000 + n
        )
    };
    part.map(line).collect()
}

fn append(log: &Path, text: &str) -> Result<()> {
    let mut file = std::fs::File::options().create(true).append(true).open(log)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Every alert about the attacker, of all incidents.
fn alerts(collector: &mut Collector) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for incident in incidents(collector)? {
        let number = incident["number"].as_str().context("no number")?;
        let shown = collector.vonglau(&["incidents", "show", number])?;
        let all = shown["alerts"].as_array().context("no alerts")?.clone();
        found.extend(all.into_iter().filter(|alert| alert["entity"]["source.ip"] == ATTACKER));
    }
    Ok(found)
}

fn title(alert: &Value) -> &str {
    alert["title_en"].as_str().unwrap_or_default()
}

/// Waits until brute force and break-in are told, and holds each to be one alert.
fn each_is_one_alert(collector: &mut Collector) -> Result<Vec<Value>> {
    let told = wait_for("both alerts", || {
        let all = alerts(collector)?;
        let has = |part: &str| all.iter().any(|alert| title(alert).contains(part));
        Ok((has("SSH brute force") && all.len() > 1 && full(&all)).then_some(all))
    })?;
    let mut titles: Vec<&str> = told.iter().map(title).collect();
    titles.sort_unstable();
    let distinct: std::collections::BTreeSet<&str> = titles.iter().copied().collect();
    anyhow::ensure!(distinct.len() == titles.len(), "an attack is told twice: {titles:?}");
    let open = incidents(collector)?.len();
    anyhow::ensure!(open == 1, "{open} incidents of one attacker");
    Ok(told)
}

/// Whether the brute force is told with all that there was.
fn full(alerts: &[Value]) -> bool {
    alerts.iter().any(|alert| {
        title(alert).contains("SSH brute force") && alert["count"].as_u64() >= Some(10)
    })
}

#[test]
fn agent_and_collector_make_one_alert_of_one_attack() -> Result<()> {
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("auth.log");
    let setup = CollectorSetup {
        watch: vec![log.display().to_string()],
        correlation: true,
        ..CollectorSetup::default()
    };
    let mut collector = Collector::new(dir.path(), &setup)?;
    append(&log, &attack(0..6))?;
    collector.start()?;
    wait_for("half of the attack is stored", || stored(&mut collector, 6))?;
    // Collector and agent are killed in the middle of it.
    collector.kill_and_restart()?;
    append(&log, &attack(6..FAILURES + 1))?;
    let told = each_is_one_alert(&mut collector)?;
    let events: Vec<Value> = hunt(&mut collector)?;
    let of_agent: Vec<&Value> =
        events.iter().filter(|it| it["fields"]["event.dataset"] == "vonglau.correlation").collect();
    anyhow::ensure!(of_agent.len() >= 2, "the agent told {} alerts: {events:?}", of_agent.len());
    println!("measured: {} alerts of one attack, {} told by the agent", told.len(), of_agent.len());
    // And once more, behind the firing: nothing is told again.
    collector.kill_and_restart()?;
    append(&log, &attack(FAILURES..FAILURES + 1).replace("08:30", "08:31"))?;
    wait_for("the last line is stored", || stored(&mut collector, FAILURES as u64 + 2))?;
    let again = each_is_one_alert(&mut collector)?;
    anyhow::ensure!(again.len() == told.len(), "{} alerts, {} before", again.len(), told.len());
    Ok(())
}

/// Whether so many lines of the log are stored.
fn stored(collector: &mut Collector, lines: u64) -> Result<Option<()>> {
    let all = hunt(collector)?;
    let count =
        all.iter().filter(|it| it["fields"]["event.dataset"] == "system.auth").count() as u64;
    Ok((count >= lines).then_some(()))
}

/// Every event about the attacker.
fn hunt(collector: &mut Collector) -> Result<Vec<Value>> {
    let field = format!("source.ip={ATTACKER}");
    let words = ["events", "search", "--where", &field, "--since", "800d", "--limit", "200"];
    let Ok(answer) = collector.vonglau(&words) else {
        // A killed collector comes back.
        return Ok(Vec::new());
    };
    Ok(answer["events"].as_array().cloned().unwrap_or_default())
}

#[test]
fn where_only_alerts_are_sent_the_agents_alert_opens_the_incident() -> Result<()> {
    let Some(kafka) = needs("KAFKA_BOOTSTRAP", "Apache Kafka") else { return Ok(()) };
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("auth.log");
    append(&log, &attack(0..FAILURES + 1))?;
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        kafka: kafka.clone(),
        correlation: true,
        files: "policy = { ship = \"alerts\" }".to_owned(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    let setup =
        CollectorSetup { kafka, trusted: vec![agent.public_key()?], ..CollectorSetup::default() };
    let mut collector = Collector::new(&dir.path().join("collector"), &setup)?;
    collector.start()?;
    agent.start()?;
    let told = each_is_one_alert(&mut collector)?;
    let events = hunt(&mut collector)?;
    let failed = |it: &&Value| it["fields"]["event.original"].to_string().contains("Failed");
    let sent = events.iter().filter(failed).count();
    anyhow::ensure!(sent == 0, "{sent} failures were sent, though none is an alert: {events:?}");
    // The evidence that is in the store is the event that tells, and it shows the lines.
    let ids: Vec<&str> = events.iter().filter_map(|it| it["id"].as_str()).collect();
    for alert in &told {
        let named = alert["event_ids"].as_array().context("no evidence")?;
        let held = named.iter().filter_map(Value::as_str).filter(|id| ids.contains(id)).count();
        anyhow::ensure!(held > 0, "no evidence of {} is in the store", title(alert));
    }
    let shown = events.iter().any(|it| {
        let lines = it["fields"]["vonglau.correlation.lines"].as_array();
        lines.is_some_and(|lines| lines.iter().any(|line| line.to_string().contains("Accepted")))
    });
    anyhow::ensure!(shown, "the line of the break-in is not shown: {events:?}");
    println!("measured: {} alerts with evidence where no event was sent", told.len());
    Ok(())
}
