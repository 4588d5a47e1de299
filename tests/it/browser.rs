//! The first page, in a real browser: log in, find the incident, read its evidence, take it.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::collector::{Collector, CollectorSetup};
use tests::{needs, root, wait_for};

#[test]
fn an_analyst_finds_the_incident_and_takes_it() -> Result<()> {
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let Some(_) = needs("VONGLAU_TEST_BROWSER", "a browser") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let logs = dir.path().join("logs");
    let generated = Command::new(root().join("deploy/sample/generate.sh"))
        .arg(&logs)
        .args(["--zone", "+0000"])
        .output()?;
    anyhow::ensure!(generated.status.success(), "{generated:?}");
    let setup = CollectorSetup {
        watch: vec![logs.join("*.log").display().to_string()],
        ..CollectorSetup::default()
    };
    let mut collector = Collector::new(dir.path(), &setup)?;
    collector.start()?;
    // The sample's README promises these two incidents, and no other.
    let incidents = wait_for("both attacks are incidents", || {
        let list = crate::kafka_path::incidents(&mut collector)?;
        let all = list.iter().map(Value::to_string).collect::<String>();
        let done = ["203.0.113.77", "198.51.100.66"].iter().all(|ip| all.contains(ip));
        Ok(done.then_some(list))
    })?;
    anyhow::ensure!(incidents.len() == 2, "{} incidents instead of 2", incidents.len());
    let password = std::fs::read_to_string(collector.state().join("admin-password"))?;
    let shots = std::env::var("VONGLAU_TEST_SCREENSHOTS")
        .map_or_else(|_| dir.path().join("shots"), std::path::PathBuf::from);
    std::fs::create_dir_all(&shots)?;
    let output = Command::new("node")
        .arg(root().join("tests/browser/console.cjs"))
        .arg(collector.url()?)
        .arg(password.trim())
        .arg(&shots)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{errors}");
    let saw: Value = serde_json::from_slice(&output.stdout)?;
    let text = |name: &str| saw[name].as_str().with_context(|| format!("no {name}"));
    anyhow::ensure!(
        text("list")?.contains("INC-"),
        "the list shows no incident: {}",
        text("list")?
    );
    for word in ["203.0.113.77", "Failed password", "T1110"] {
        anyhow::ensure!(text("incident")?.contains(word), "'{word}' is not on the page");
    }
    anyhow::ensure!(text("vietnamese")? == "vi" && text("english")? == "en", "language: {saw}");
    anyhow::ensure!(text("after")?.contains("admin"), "the incident was not taken");
    anyhow::ensure!(
        saw["complaints"] == serde_json::json!([]),
        "the browser complains: {}",
        saw["complaints"]
    );
    Ok(())
}
