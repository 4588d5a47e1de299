//! Standalone: collector, engine and agent in one command; every line stored once, whatever is killed.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tests::agent::Agent;
use tests::collector::{Collector, CollectorSetup};
use tests::process::signal;
use tests::{data, needs, wait_for};

/// Lines of the fault runs, appended while processes are killed.
const FAULT_LINES: u64 = 20_000;
/// Each process is killed this often.
const KILLS_EACH: usize = 5;

/// What the ledger says of everything stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub stored: u64,
    pub distinct: u64,
    pub claimed: u64,
    pub closes: bool,
}

pub(crate) fn ledger(collector: &mut Collector) -> Result<Sum> {
    let said = collector.vonglau(&["ledger"])?;
    let lines = said["lines"].as_array().with_context(|| format!("no lines in {said}"))?;
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum();
    Ok(Sum {
        stored: sum("events_stored"),
        distinct: sum("events_distinct"),
        claimed: sum("events_claimed"),
        closes: said["closes"].as_bool().context("no closes")?,
    })
}

/// Waits until `lines` events are stored, and holds the ledger to exactly that.
pub(crate) fn expect_exactly(collector: &mut Collector, lines: u64) -> Result<()> {
    let sum = wait_for(&format!("{lines} events are stored"), || {
        // The API may be down while a killed collector comes back.
        Ok(ledger(collector).ok().filter(|sum| sum.stored >= lines))
    });
    let sum = match sum {
        Ok(sum) => sum,
        Err(error) => {
            let log = collector.log();
            let tail = log.get(log.len().saturating_sub(6_000)..).unwrap_or(&log);
            anyhow::bail!("{error:#}; ledger now {:?}\n{tail}", ledger(collector));
        }
    };
    println!("ledger: {lines} lines written, {sum:?}");
    let right = Sum { stored: lines, distinct: lines, claimed: lines, closes: true };
    anyhow::ensure!(sum == right, "the ledger says {sum:?}, {lines} lines were written");
    Ok(())
}

/// Holds the ledger to [`FAULT_LINES`], then sends one line more behind all others: whatever was sent
/// twice has been stored by the time that line is.
fn expect_nothing_more(collector: &mut Collector, log: &Path) -> Result<()> {
    expect_exactly(collector, FAULT_LINES)?;
    let mut file = std::fs::File::options().append(true).open(log)?;
    file.write_all(data::sshd_lines(FAULT_LINES, 1).as_bytes())?;
    expect_exactly(collector, FAULT_LINES + 1)
}

/// Appends lines in small pieces; between pieces, what `faults` does happens.
pub(crate) fn append_with_faults(
    log: &Path,
    lines: u64,
    steps: usize,
    mut fault: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let mut file = std::fs::File::options().create(true).append(true).open(log)?;
    let each = lines / steps as u64;
    let mut written = 0;
    for step in 0..steps {
        let count = if step + 1 == steps { lines - written } else { each };
        // Written in thirds, so that a kill also falls between two writes of one line's neighbours.
        let text = data::sshd_lines(written, count);
        let (first, rest) = text.as_bytes().split_at(text.len() / 3);
        file.write_all(first)?;
        fault(step)?;
        file.write_all(rest)?;
        written += count;
    }
    Ok(())
}

/// Returns a shuffled list of whom to kill, each name [`KILLS_EACH`] times.
pub(crate) fn victims(names: &[&'static str], random: &mut StdRng) -> Vec<&'static str> {
    let mut list: Vec<&'static str> =
        names.iter().flat_map(|name| std::iter::repeat_n(*name, KILLS_EACH)).collect();
    for index in (1..list.len()).rev() {
        list.swap(index, random.gen_range(0..=index));
    }
    list
}

/// A seed from `VONGLAU_TEST_SEED`, or a new one; printed, so that a failure can be repeated.
pub(crate) fn seed() -> StdRng {
    let given = std::env::var("VONGLAU_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("seed: VONGLAU_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Waits a random while, up to `ms`: the point in time at which a process dies must vary.
pub(crate) fn pause(random: &mut StdRng, ms: u64) {
    std::thread::park_timeout(std::time::Duration::from_millis(random.gen_range(0..ms)));
}

#[test]
fn real_logs_become_rows_and_incidents() -> Result<()> {
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let Some(auth) = data::real("ssh_auth_real/auth.log") else { return Ok(()) };
    let Some(web) = data::real("web/apache_access_10k.log") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let logs = dir.path().join("logs");
    std::fs::create_dir_all(&logs)?;
    let setup = CollectorSetup {
        watch: vec![logs.join("*.log").display().to_string()],
        ..CollectorSetup::default()
    };
    std::fs::copy(&auth, logs.join("auth.log"))?;
    std::fs::copy(&web, logs.join("access.log"))?;
    let lines = data::count_lines(&auth)? + data::count_lines(&web)?;
    let mut collector = Collector::new(dir.path(), &setup)?;
    collector.start()?;
    expect_exactly(&mut collector, lines)?;
    crate::kafka_path::brute_force_incidents_name_the_addresses(&mut collector, &auth)?;
    hunting_finds_every_login(&mut collector, &auth)
}

/// Hunts backwards over what is stored and holds the answer to the log itself.
fn hunting_finds_every_login(collector: &mut Collector, auth: &Path) -> Result<()> {
    let log = std::fs::read_to_string(auth)?;
    let accepted = |line: &&str| line.contains("sshd[") && line.contains(": Accepted ");
    let logins = log.lines().filter(accepted).count();
    let answer = collector.hunt(&["ssh_accepted_login", "--since", "800d", "--limit", "999"])?;
    let events = answer["events"].as_array().with_context(|| format!("no events in {answer}"))?;
    println!("measured: a hunt for logins finds {} of {logins}", events.len());
    anyhow::ensure!(logins > 100 && events.len() == logins, "{} of {logins}", events.len());
    anyhow::ensure!(answer["more"] == false, "there is nothing more");
    Ok(())
}

#[test]
fn a_brute_force_that_straddles_a_kill_is_seen_once() -> Result<()> {
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("logs/auth.log");
    std::fs::create_dir_all(dir.path().join("logs"))?;
    let setup =
        CollectorSetup { watch: vec![log.display().to_string()], ..CollectorSetup::default() };
    let mut collector = Collector::new(dir.path(), &setup)?;
    collector.start()?;
    // Ten failures within two minutes make an alert; six are not enough, on either side of the kill.
    let append = |from: u64| -> Result<()> {
        let mut file = std::fs::File::options().create(true).append(true).open(&log)?;
        for second in from..from + 6 {
            writeln!(
                file,
                "Nov 20 08:30:{second:02} portal01 sshd[{second}]: Failed password for root from 198.51.100.9 port 4{second} ssh2"
            )?;
        }
        Ok(())
    };
    append(10)?;
    expect_exactly(&mut collector, 6)?;
    anyhow::ensure!(crate::kafka_path::incidents(&mut collector)?.is_empty(), "too early");
    collector.kill_and_restart()?;
    append(20)?;
    expect_exactly(&mut collector, 12)?;
    let list = wait_for("the brute force is an incident", || {
        let list = crate::kafka_path::incidents(&mut collector)?;
        Ok((!list.is_empty()).then_some(list))
    })?;
    anyhow::ensure!(list.len() == 1, "{} incidents instead of 1", list.len());
    anyhow::ensure!(list[0]["event_count"] == 12, "the incident counts {}", list[0]["event_count"]);
    Ok(())
}

#[test]
fn killed_again_and_again_nothing_is_lost_or_doubled() -> Result<()> {
    let Some(_) = needs("VONGLAU_CHDB_LIB", "the embedded ClickHouse") else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let logs = dir.path().join("logs");
    std::fs::create_dir_all(&logs)?;
    let setup = CollectorSetup {
        watch: vec![logs.join("*.log").display().to_string()],
        ..CollectorSetup::default()
    };
    let mut collector = Collector::new(dir.path(), &setup)?;
    collector.start()?;
    let mut random = seed();
    let victims = victims(&["vonglau-agent", "vonglau-engine", "collector"], &mut random);
    append_with_faults(&logs.join("auth.log"), FAULT_LINES, victims.len(), |step| {
        pause(&mut random, 700);
        if victims[step] == "collector" {
            return collector.kill_and_restart();
        }
        let process = collector.process.as_ref().context("no collector")?;
        let child = wait_for("the child is back", || process.child(victims[step]))?;
        signal(child, "KILL")
    })?;
    expect_nothing_more(&mut collector, &logs.join("auth.log"))
}

/// Kills agent, collector and engine of the Kafka path at random points while lines are written.
pub(crate) fn kafka_faults(agent: &mut Agent, collector: &mut Collector, log: &Path) -> Result<()> {
    let mut random = seed();
    let victims = victims(&["agent", "vonglau-engine", "collector"], &mut random);
    append_with_faults(log, FAULT_LINES, victims.len(), |step| {
        pause(&mut random, 700);
        match victims[step] {
            "agent" => agent.kill_and_restart(),
            "collector" => collector.kill_and_restart(),
            engine => {
                let process = collector.process.as_ref().context("no collector")?;
                let child = wait_for("the engine is back", || process.child(engine))?;
                signal(child, "KILL")
            }
        }
    })?;
    expect_nothing_more(collector, log)
}
