//! The whole path over a real broker: agent, Apache Kafka, collector, engine, incident, TAXII.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::agent::{Agent, AgentSetup};
use tests::collector::{Collector, CollectorSetup, block_on};
use tests::servers::{COLLECTION, Medallion};
use tests::{data, needs, wait_for};

use crate::standalone::{expect_exactly, kafka_faults};

/// The pack's brute-force rule: this many failures of one address within this many seconds.
const FAILURES: usize = 10;
const WITHIN_SECONDS: i64 = 120;

/// Returns the addresses that the rule must name, found in the log by other means than ours.
fn expected_addresses(auth_log: &Path) -> Result<BTreeSet<String>> {
    let text = String::from_utf8_lossy(&std::fs::read(auth_log)?).into_owned();
    let mut recent: BTreeMap<String, VecDeque<i64>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let Some((_, rest)) = line.split_once("Failed password for ") else { continue };
        if !line.contains(" sshd[") {
            continue;
        }
        let Some((_, rest)) = rest.rsplit_once(" from ") else { continue };
        let address = rest.split(' ').next().unwrap_or_default().to_owned();
        let day = match line.get(..3) {
            Some("Mar") => 0,
            Some("Apr") => 31,
            Some("May") => 61,
            month => anyhow::bail!("unexpected month {month:?}"),
        } + line[4..6].trim().parse::<i64>()?;
        let clock: Vec<i64> = line[7..15].split(':').map(str::parse).collect::<Result<_, _>>()?;
        let now = day * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2];
        // syslog folds equal lines: "message repeated 5 times: [ Failed password … ]"
        let folded =
            line.split_once("message repeated ").and_then(|(_, tail)| tail.split(' ').next());
        let count: usize = folded.map_or(Ok(1), str::parse)?;
        let times = recent.entry(address.clone()).or_default();
        times.extend(std::iter::repeat_n(now, count));
        while times.front().is_some_and(|first| now - first > WITHIN_SECONDS) {
            times.pop_front();
        }
        if times.len() >= FAILURES {
            found.insert(address);
        }
    }
    Ok(found)
}

/// Every address the log proves is named by an incident with a brute-force alert, and no other is.
pub(crate) fn brute_force_incidents_name_the_addresses(
    collector: &mut Collector,
    auth_log: &Path,
) -> Result<()> {
    let expected = expected_addresses(auth_log)?;
    anyhow::ensure!(expected.len() > 3, "the log proves only {expected:?}");
    wait_for("every address has its incident", || {
        Ok((brute_forcers(collector)? == expected).then_some(()))
    })
    .or_else(|error| {
        let found = brute_forcers(collector)?;
        let missing: Vec<_> = expected.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&expected).collect();
        anyhow::bail!("{error}; missing {missing:?}, surplus {surplus:?}")
    })?;
    println!(
        "measured: brute-force incidents name {} of {} addresses",
        expected.len(),
        expected.len()
    );
    Ok(())
}

fn brute_forcers(collector: &mut Collector) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for incident in incidents(collector)? {
        let number = incident["number"].as_str().context("no number")?;
        let shown = collector.vonglau(&["incidents", "show", number])?;
        for alert in shown["alerts"].as_array().context("no alerts")? {
            if alert["title_en"].as_str().is_some_and(|title| title.contains("SSH brute force")) {
                let address = alert["entity"]["source.ip"].as_str().context("no source.ip")?;
                found.insert(address.to_owned());
            }
        }
    }
    Ok(found)
}

/// Returns the newest incidents, up to one full page.
pub(crate) fn incidents(collector: &mut Collector) -> Result<Vec<Value>> {
    let list = collector.vonglau(&["incidents", "list", "--all", "--limit", "200"])?;
    Ok(list["incidents"].as_array().with_context(|| format!("no incidents in {list}"))?.clone())
}

/// Requests, approves and delivers a report, and finds its incident at the centre.
fn report_reaches_the_centre(collector: &mut Collector, centre: &Medallion) -> Result<()> {
    let incident = incidents(collector)?.first().context("no incident")?.clone();
    let number = incident["number"].as_str().context("no number")?;
    let analyst = collector.user("lan", "analyst")?;
    let lead = collector.user("minh", "lead")?;
    let report = collector.vonglau_as(&analyst, &["forward", "request", number])?;
    let report = report["id"].as_str().context("no report id")?.to_owned();
    let refused = collector.vonglau_as(&analyst, &["forward", "approve", &report]);
    anyhow::ensure!(refused.is_err(), "an analyst approved a report: {refused:?}");
    collector.vonglau_as(&lead, &["forward", "approve", &report])?;
    let status = wait_for("the report is delivered", || {
        let status = collector.vonglau(&["forward", "status", &report])?;
        Ok((status["report"]["state"] == "delivered").then_some(status))
    })?;
    anyhow::ensure!(
        !status["receipts"].as_array().context("no receipts")?.is_empty(),
        "no receipt"
    );
    let objects = block_on(async {
        let url =
            format!("{}/centre/collections/{COLLECTION}/objects/?match[type]=incident", centre.url);
        let answer = reqwest::Client::new()
            .get(url)
            .basic_auth("soc", Some("secret"))
            .header("accept", "application/taxii+json;version=2.1")
            .send()
            .await?;
        anyhow::Ok(answer.json::<Value>().await?)
    })?;
    let named = objects["objects"]
        .as_array()
        .context("no objects")?
        .iter()
        .any(|object| object["type"] == "incident" && object.to_string().contains(number));
    anyhow::ensure!(named, "no incident {number} at the centre");
    println!(
        "measured: {number} delivered with receipt, {} objects at the centre",
        objects["objects"].as_array().map_or(0, Vec::len)
    );
    Ok(())
}

#[test]
fn real_logs_reach_the_national_centre() -> Result<()> {
    let Some(kafka) = needs("KAFKA_BOOTSTRAP", "Apache Kafka") else { return Ok(()) };
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let Some(medallion) = needs("VONGLAU_TEST_MEDALLION", "the TAXII server") else {
        return Ok(());
    };
    let Some(auth) = data::real("ssh_auth_real/auth.log") else { return Ok(()) };
    let Some(web) = data::real("web/apache_access_10k.log") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let centre = Medallion::start(&medallion, &dir.path().join("centre"))?;
    let logs = dir.path().join("logs");
    std::fs::create_dir_all(&logs)?;
    std::fs::copy(&auth, logs.join("auth.log"))?;
    std::fs::copy(&web, logs.join("access.log"))?;
    let lines = data::count_lines(&auth)? + data::count_lines(&web)?;
    let setup = AgentSetup {
        paths: vec![logs.join("*.log").display().to_string()],
        kafka: kafka.clone(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    let setup = CollectorSetup {
        kafka,
        trusted: vec![agent.public_key()?],
        taxii: format!("{}/taxii2/", centre.url),
        taxii_password: "secret".into(),
        ..CollectorSetup::default()
    };
    let mut collector = Collector::new(&dir.path().join("collector"), &setup)?;
    collector.start()?;
    agent.start()?;
    expect_exactly(&mut collector, lines)?;
    brute_force_incidents_name_the_addresses(&mut collector, &auth)?;
    report_reaches_the_centre(&mut collector, &centre)
}

#[test]
fn killed_again_and_again_nothing_is_lost_or_doubled() -> Result<()> {
    let Some(kafka) = needs("KAFKA_BOOTSTRAP", "Apache Kafka") else { return Ok(()) };
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("auth.log");
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        kafka: kafka.clone(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    let setup =
        CollectorSetup { kafka, trusted: vec![agent.public_key()?], ..CollectorSetup::default() };
    let mut collector = Collector::new(&dir.path().join("collector"), &setup)?;
    collector.start()?;
    agent.start()?;
    kafka_faults(&mut agent, &mut collector, &log)
}
