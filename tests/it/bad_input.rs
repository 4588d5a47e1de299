//! What goes wrong in the world: a clear message, everything good goes on, nothing is lost.

use std::path::Path;
use std::process::Command;

use agent_spool::{Cursor, LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::Record;
use anyhow::{Context, Result};
use tests::agent::{Agent, AgentSetup};
use tests::collector::{Collector, CollectorSetup};
use tests::servers::Kafka;
use tests::{data, needs, program, wait_for};

use crate::standalone::expect_exactly;

/// Waits until the agent's health names a problem that contains every word.
fn wait_for_problem(agent: &Agent, words: &[&str]) -> Result<String> {
    let address = agent.process.as_ref().context("no agent")?.ready["metrics"]
        .as_str()
        .context("no address")?;
    wait_for(&format!("health names {words:?}"), || {
        let text = tests::process::get(address, "/healthz")?;
        Ok(text
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)))
            .map(str::to_owned))
    })
    .with_context(|| agent.log())
}

fn wait_for_spooled(agent: &Agent, lines: u64) -> Result<()> {
    wait_for(&format!("{lines} events are spooled"), || {
        Ok((agent.metric("vonglau_agent_events_spooled_total")? >= lines as f64).then_some(()))
    })
    .with_context(|| agent.log())
}

/// Reads what a spool holds beyond `after` per lane: event ids, in order of lanes.
fn spooled_ids(spool: &Path) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for lane in [LANE_ALERTS, LANE_EVENTS] {
        let mut reader = Reader::open(spool, lane, 0)?;
        while let Some(entry) = reader.next()? {
            ids.extend(Record::decode(&entry.bytes)?.events()?.into_iter().map(|event| event.id));
        }
    }
    Ok(ids)
}

#[test]
fn an_unreadable_log_is_named_and_the_others_are_read() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (secret, open) = (dir.path().join("secret.log"), dir.path().join("open.log"));
    std::fs::write(&secret, data::sshd_lines(0, 10))?;
    std::fs::write(&open, data::sshd_lines(10, 10))?;
    Command::new("chmod").arg("000").arg(&secret).status()?;
    let setup = AgentSetup {
        paths: vec![secret.display().to_string(), open.display().to_string()],
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    let run = agent.command("run")?;
    let is_root = Command::new("id").arg("-u").output()?.stdout.starts_with(b"0");
    let mut command = if is_root {
        // Root reads everything; without these capabilities it obeys file modes like anyone else.
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]);
        command.arg(run.get_program()).args(run.get_args());
        command
    } else {
        run
    };
    let log = dir.path().join("agent/agent.log");
    agent.process = Some(tests::process::Process::start(&mut command, &log)?);
    let problem = wait_for_problem(&agent, &["secret.log"])?;
    anyhow::ensure!(problem.to_lowercase().contains("permission"), "no reason in: {problem}");
    wait_for_spooled(&agent, 10)?;
    // Repaired while running: read from its start, nothing lost.
    Command::new("chmod").arg("600").arg(&secret).status()?;
    wait_for_spooled(&agent, 20)
}

#[test]
fn a_broken_rule_is_named_and_the_others_work() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let rules = dir.path().join("rules");
    std::fs::create_dir_all(&rules)?;
    let good = "title: Any failed login\nid: 6f2c4f5e-3a5f-4f39-9f0a-0d6a3a1f0c11\nlevel: medium\nstatus: test\n\
                logsource:\n  product: linux\n  service: sshd\ndetection:\n  selection:\n    message|contains: 'Failed password'\n  condition: selection\n";
    std::fs::write(rules.join("good.yml"), good)?;
    std::fs::write(rules.join("broken.yml"), good.replace("|contains", "|contians"))?;
    let output = Command::new(program("vonglau-rules")?).arg("check").arg(&rules).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.code() == Some(1), "check exits {}: {said}", output.status);
    for word in ["broken.yml:10", "^", "contains"] {
        anyhow::ensure!(said.contains(word), "'{word}' is missing in:\n{said}");
    }
    let log = dir.path().join("auth.log");
    std::fs::write(&log, data::sshd_lines(0, 20))?;
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        extra: format!("[rules]\nbuiltin = false\ndirs = [{rules:?}]\n"),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    agent.start()?;
    wait_for_spooled(&agent, 20)?;
    anyhow::ensure!(
        agent.log().contains("broken.yml:10"),
        "the agent does not name the file: {}",
        agent.log()
    );
    let hits = agent.metric("vonglau_agent_hits_total")?;
    anyhow::ensure!(hits >= 19.0, "the good rule hit {hits} lines only");
    Ok(())
}

#[test]
fn a_corrupt_segment_costs_only_itself() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("auth.log");
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        spool: "segment_bytes_max = 1048576".into(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    agent.start()?;
    // Rounds of their own, so that the spool has many segments.
    let mut written = 0;
    for _ in 0..80 {
        let mut file = std::fs::File::options().create(true).append(true).open(&log)?;
        std::io::Write::write_all(&mut file, data::sshd_lines(written, 5_000).as_bytes())?;
        written += 5_000;
        wait_for_spooled(&agent, written)?;
    }
    agent.process.take().context("no agent")?.kill()?;
    let before = spooled_ids(&agent.spool())?.len() as u64;
    anyhow::ensure!(before == written, "{before} of {written} lines are in the spool");
    let mut segments: Vec<_> = std::fs::read_dir(agent.spool())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "seg"))
        .collect();
    segments.sort();
    anyhow::ensure!(segments.len() > 3, "only {} segments", segments.len());
    let victim = &segments[segments.len() / 2];
    let mut bytes = std::fs::read(victim)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(victim, bytes)?;
    agent.start()?;
    let name = victim.file_name().context("no name")?.to_string_lossy().into_owned();
    wait_for("the log names the segment", || Ok(agent.log().contains(&name).then_some(())))?;
    std::io::Write::write_all(
        &mut std::fs::File::options().append(true).open(&log)?,
        data::sshd_lines(written, 500).as_bytes(),
    )?;
    wait_for_spooled(&agent, 500)?;
    let after = spooled_ids(&agent.spool())?;
    let distinct: std::collections::BTreeSet<_> = after.iter().collect();
    anyhow::ensure!(distinct.len() == after.len(), "lines are doubled");
    let kept = after.len() as u64;
    println!(
        "measured: one flipped byte in one of {} segments: {} of {} lines readable",
        segments.len(),
        kept,
        written + 500
    );
    anyhow::ensure!(kept >= (written + 500) * 8 / 10, "{kept} of {} lines are left", written + 500);
    Ok(())
}

#[test]
fn a_full_disk_stops_reading_and_loses_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let small = dir.path().join("small");
    std::fs::create_dir_all(&small)?;
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(&small)
        .status()?;
    if !mounted.success() {
        tests::skipped("a small file system cannot be mounted here (needs root)");
        return Ok(());
    }
    let outcome = full_disk(dir.path(), &small);
    Command::new("umount").arg("-l").arg(&small).status()?;
    outcome
}

fn full_disk(dir: &Path, small: &Path) -> Result<()> {
    let log = dir.join("auth.log");
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        spool: "segment_bytes_max = 1048576\nfree_bytes_min = 0".into(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&small.join("agent"), &setup)?;
    agent.start()?;
    let lines = 150_000;
    std::fs::write(&log, data::sshd_lines(0, lines))?;
    wait_for_problem(&agent, &["spool"])?;
    // The other end acknowledges what it has read, as a collector does, until all is there.
    let mut ids = std::collections::BTreeSet::new();
    let mut readers = [LANE_ALERTS, LANE_EVENTS]
        .map(|lane| Reader::open(&agent.spool(), lane, 0).map(|reader| (lane, reader)));
    wait_for("every line has passed the small disk", || {
        for reader in &mut readers {
            let Ok((lane, reader)) = reader else { anyhow::bail!("{reader:?}") };
            while let Some(entry) = reader.next()? {
                for event in Record::decode(&entry.bytes)?.events()? {
                    anyhow::ensure!(ids.insert(event.id), "an event is doubled");
                }
                // A cursor needs room too; on a full disk the agent frees it first.
                let _ = Cursor::store(&agent.spool(), *lane, entry.seq);
            }
        }
        Ok((ids.len() as u64 >= lines).then_some(()))
    })
    .with_context(|| format!("{} of {lines} lines\n{}", ids.len(), agent.log()))?;
    anyhow::ensure!(ids.len() as u64 == lines, "{} events of {lines} lines", ids.len());
    Ok(())
}

#[test]
fn a_wrong_password_is_refused_in_one_sentence() -> Result<()> {
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let mut collector = Collector::new(dir.path(), &CollectorSetup::default())?;
    collector.start()?;
    let file = dir.path().join("wrong");
    std::fs::write(&file, "not the password")?;
    let output = Command::new(program("vonglau")?)
        .args(["login", "--server", &collector.url()?, "--name", "admin", "--password-file"])
        .arg(&file)
        .env("HOME", dir.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.code() == Some(4), "exit {}: {said}", output.status);
    anyhow::ensure!(said.contains("password"), "{said}");
    anyhow::ensure!(said.trim().lines().count() <= 3, "more than a sentence: {said}");
    Ok(())
}

#[test]
fn a_broker_that_is_down_is_named_and_everything_waits_in_the_spool() -> Result<()> {
    let Some(libs) = needs("VONGLAU_TEST_KAFKA", "Apache Kafka to start and stop") else {
        return Ok(());
    };
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let mut kafka = Kafka::new(&libs, &dir.path().join("kafka"))?;
    let log = dir.path().join("auth.log");
    let lines = 3_000;
    std::fs::write(&log, data::sshd_lines(0, lines))?;
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        kafka: kafka.bootstrap(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    agent.start()?;
    wait_for_spooled(&agent, lines)?;
    wait_for_problem(&agent, &[&kafka.bootstrap()])?;
    kafka.start()?;
    let setup = CollectorSetup {
        kafka: kafka.bootstrap(),
        trusted: vec![agent.public_key()?],
        ..CollectorSetup::default()
    };
    let mut collector = Collector::new(&dir.path().join("collector"), &setup)?;
    collector.start()?;
    expect_exactly(&mut collector, lines)?;
    // And once more while both are running: the broker dies, lines go on, the broker comes back.
    kafka.kill()?;
    std::io::Write::write_all(
        &mut std::fs::File::options().append(true).open(&log)?,
        data::sshd_lines(lines, lines).as_bytes(),
    )?;
    wait_for_spooled(&agent, 2 * lines)?;
    kafka.start()?;
    expect_exactly(&mut collector, 2 * lines)
}

#[test]
fn an_unknown_agent_is_quarantined_and_released_by_trust() -> Result<()> {
    let Some(kafka) = needs("KAFKA_BOOTSTRAP", "Apache Kafka") else { return Ok(()) };
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("auth.log");
    let lines = 2_000;
    std::fs::write(&log, data::sshd_lines(0, lines))?;
    let setup = AgentSetup {
        paths: vec![log.display().to_string()],
        kafka: kafka.clone(),
        ..AgentSetup::default()
    };
    let mut agent = Agent::new(&dir.path().join("agent"), &setup)?;
    let key = agent.public_key()?;
    let setup = CollectorSetup { kafka, ..CollectorSetup::default() };
    let mut collector = Collector::new(&dir.path().join("collector"), &setup)?;
    collector.start()?;
    agent.start()?;
    wait_for("the unknown agent is listed", || {
        Ok(collector.vonglau(&["agents", "list"])?.to_string().contains(&key).then_some(()))
    })?;
    let sum = crate::standalone::ledger(&mut collector)?;
    anyhow::ensure!(sum.stored == 0, "{} events of an unknown agent are stored", sum.stored);
    collector.vonglau(&["agents", "trust", &key])?;
    expect_exactly(&mut collector, lines)
}
