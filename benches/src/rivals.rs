//! The field: rsyslog over the same file to the same broker, in the same run.
//!
//! rsyslog only ships: no decoding, no rules, no signatures. It keeps its position and sends again
//! what failed, with the compression that we use; counted are the lines that its own statistics call
//! acknowledged.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use tests::process::Process;
use tests::wait_for;

use crate::{corpus, figure, path, usage};

/// Measures rsyslog, then us, and prints ours beside its.
pub(crate) fn run() -> Result<()> {
    let kafka = std::env::var("KAFKA_BOOTSTRAP").context("KAFKA_BOOTSTRAP is not set")?;
    let Some(root) = std::env::var_os("VONGLAU_RSYSLOG").map(PathBuf::from) else {
        tests::skipped("rsyslog is not here (VONGLAU_RSYSLOG): see the message of benches/run.sh");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let count = path::lines();
    corpus::write(&dir.path().join("logs"), count)?;
    let theirs = rsyslog(&root, dir.path(), &kafka, count)?;
    let ours = path::agent_over(dir.path(), &kafka, count)?;
    let million = count as f64 / 1e6;
    let print = |what: &str, ours: f64, unit: &str, theirs: f64| {
        figure::print("agent-rivals", what, ours, unit, Some(("rsyslog 8 omkafka", theirs)));
    };
    let (cpu, their_cpu) = (ours.used.cpu_seconds, theirs.used.cpu_seconds);
    print("CPU a million lines", cpu / million, "CPU-s", their_cpu / million);
    print("lines a second", count as f64 / ours.seconds, "lines/s", count as f64 / theirs.seconds);
    print("peak memory", ours.used.peak_mib, "MiB", theirs.used.peak_mib);
    Ok(())
}

/// Lets rsyslog ship the file until every line is acknowledged.
fn rsyslog(root: &Path, dir: &Path, kafka: &str, count: u64) -> Result<path::Took> {
    let libraries = root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let work = dir.join("rsyslog");
    std::fs::create_dir_all(&work)?;
    let log = dir.join("logs/mixed.log");
    let work = work.display();
    let topic = format!("rival.rsyslog.{}", std::process::id());
    let text = format!(
        "global(workDirectory=\"{work}\" maxMessageSize=\"64k\")\n\
         module(load=\"impstats\" interval=\"1\" format=\"json\" log.syslog=\"off\" log.file=\"{work}/stats\")\n\
         module(load=\"imfile\" mode=\"inotify\")\n\
         module(load=\"omkafka\")\n\
         template(name=\"raw\" type=\"string\" string=\"%msg%\")\n\
         input(type=\"imfile\" file=\"{log}\" tag=\"t:\" ruleset=\"r\" persistStateInterval=\"1000\")\n\
         ruleset(name=\"r\" queue.type=\"LinkedList\") {{\n\
           action(type=\"omkafka\" broker=[\"{kafka}\"] topic=\"{topic}\" template=\"raw\"\n\
             confParam=[\"compression.codec=zstd\", \"linger.ms=50\", \"queue.buffering.max.messages=200000\"]\n\
             resubmitOnFailure=\"on\" keepFailedMessages=\"on\" failedMsgFile=\"{work}/failed\"\n\
             queue.type=\"LinkedList\" queue.size=\"50000\" queue.dequeueBatchSize=\"1024\")\n\
         }}\n",
        log = log.display(),
    );
    let (config, stats) = (dir.join("rsyslog.conf"), dir.join("rsyslog/stats"));
    std::fs::write(&config, text)?;
    let start = Instant::now();
    let process = Process::spawn(
        Command::new(root.join("usr/sbin/rsyslogd"))
            .env("LD_LIBRARY_PATH", &libraries)
            .arg("-n")
            .arg("-M")
            .arg(libraries.join("rsyslog"))
            .arg("-f")
            .arg(&config)
            .arg("-i")
            .arg(dir.join("rsyslog/pid")),
        &dir.join("rsyslog.log"),
    )?;
    wait_for("rsyslog has shipped every line", || {
        let said = std::fs::read_to_string(&stats).unwrap_or_default();
        if said_of(&said, "submitted") >= count {
            // It learns of acknowledgements only when it has another line to send.
            std::fs::OpenOptions::new().append(true).open(&log)?.write_all(b"one more\n")?;
        }
        Ok((said_of(&said, "acked") >= count).then_some(()))
    })?;
    Ok(path::Took { seconds: start.elapsed().as_secs_f64(), used: usage::of(process.id())? })
}

/// The newest count of this name: of messages handed to its Kafka client, or acknowledged.
fn said_of(stats: &str, name: &str) -> u64 {
    let counts = stats.lines().rev().filter_map(|line| {
        let said: serde_json::Value = serde_json::from_str(line.get(line.find('{')?..)?).ok()?;
        (said["origin"] == "omkafka").then(|| said[name].as_u64()).flatten()
    });
    counts.max().unwrap_or(0)
}
