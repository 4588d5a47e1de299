//! Rig: an agent under faults, the log it reads, the end it sends to, and the count of it all.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent_spool::{Cursor, LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::Record;
use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::broker::Broker;
use super::outcome::{Outcome, Scale};
use super::sink::Sink;
use super::tally::Tally;
use crate::agent::{Agent, AgentSetup};
use crate::process::Process;

/// How long nothing may arrive although lines are missing: generous, since two cores run everything.
const STALL_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether something arrived.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Where batches go.
#[derive(Debug)]
pub enum Receiver {
    /// Our own sink.
    Sink(Sink),
    /// Apache Kafka.
    Broker(Box<Broker>),
    /// Whoever reads the spool, as a collector on the same machine does.
    Spool(Vec<(u8, Reader)>),
}

/// See the head of the file.
#[derive(Debug)]
pub struct Rig {
    /// The agent; its process is started and killed through the rig.
    pub agent: Agent,
    /// The other end.
    pub receiver: Receiver,
    /// What arrived.
    pub tally: Tally,
    /// Chance, repeatable.
    pub random: StdRng,
    /// The log that is watched.
    pub log: PathBuf,
    seed: u64,
    started: Instant,
    kills: u64,
    /// Repeats that the latest kill can have caused, and the most that any had.
    repeats_before: u64,
    repeats_worst: u64,
    peak_kib: u64,
    /// When the newest batch arrived.
    last_arrival: Instant,
    // Last, so that it is removed when nothing uses it any more.
    _dir: tempfile::TempDir,
}

/// How a rig is set up.
#[derive(Debug, Default)]
pub struct Setup {
    /// What is watched, below the folder of the logs; by default the log.
    pub paths: Vec<String>,
    /// Lines for the `[spool]` section.
    pub spool: String,
    /// Where the logs are; by default below the rig's folder.
    pub logs: Option<PathBuf>,
    /// Where the agent keeps its state; by default below the rig's folder.
    pub state: Option<PathBuf>,
}

impl Rig {
    /// Makes a rig; nothing runs yet.
    ///
    /// # Errors
    /// If the agent is not built or the disk refuses.
    pub fn new(scale: &Scale, receiver: Receiver, setup: &Setup) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let logs = setup.logs.clone().unwrap_or_else(|| dir.path().join("logs"));
        std::fs::create_dir_all(&logs)?;
        let log = logs.join("app.log");
        let paths = if setup.paths.is_empty() {
            vec![log.display().to_string()]
        } else {
            setup.paths.iter().map(|path| logs.join(path).display().to_string()).collect()
        };
        let kafka = match &receiver {
            Receiver::Sink(sink) => sink.bootstrap(),
            Receiver::Broker(broker) => broker.bootstrap(),
            Receiver::Spool(_) => String::new(),
        };
        let agent = Agent::new(
            setup.state.as_ref().unwrap_or(&dir.path().join("agent")),
            &AgentSetup { paths, kafka, spool: setup.spool.clone(), ..AgentSetup::default() },
        )?;
        Ok(Self {
            agent,
            receiver,
            tally: Tally::default(),
            random: StdRng::seed_from_u64(scale.seed),
            log,
            seed: scale.seed,
            started: Instant::now(),
            kills: 0,
            repeats_before: 0,
            repeats_worst: 0,
            peak_kib: 0,
            last_arrival: Instant::now(),
            _dir: dir,
        })
    }

    /// Starts the agent and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(&mut self) -> Result<()> {
        self.agent.start()
    }

    /// Starts the agent and does not wait: it may be killed while it is still starting.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        let log = self.agent.log_path();
        self.agent.process = Some(Process::spawn(&mut self.agent.command("run")?, &log)?);
        Ok(())
    }

    /// Kills the agent as `kill -9` does.
    ///
    /// # Errors
    /// If the operating system refuses, or the agent had ended by itself.
    pub fn kill(&mut self) -> Result<()> {
        self.note_memory();
        let mut process = self.agent.process.take().context("no agent runs")?;
        if let Some(code) = process.ended()? {
            anyhow::bail!("the agent had ended by itself ({code:?}):\n{}", self.tail());
        }
        process.kill()?;
        self.pump()?;
        self.settle_repeats();
        self.kills += 1;
        Ok(())
    }

    /// Stops the agent as a service manager does.
    ///
    /// # Errors
    /// If it does not stop, or stops with an error.
    pub fn stop(&mut self) -> Result<()> {
        self.note_memory();
        let mut process = self.agent.process.take().context("no agent runs")?;
        let code = process.stop()?;
        anyhow::ensure!(code == Some(0), "the agent stopped with {code:?}:\n{}", self.tail());
        self.pump()?;
        Ok(())
    }

    fn settle_repeats(&mut self) {
        let since = self.tally.repeats() - self.repeats_before;
        // What comes again before the first kill has another cause, and counts as much.
        self.repeats_worst = self.repeats_worst.max(since);
        self.repeats_before = self.tally.repeats();
    }

    /// Waits a random while, at most so many milliseconds.
    pub fn pause(&mut self, ms: u64) {
        let until = Instant::now() + Duration::from_millis(self.random.gen_range(0..=ms));
        while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|r| !r.is_zero())
        {
            std::thread::park_timeout(rest);
        }
    }

    /// Counts what arrived meanwhile.
    ///
    /// # Errors
    /// If the other end cannot be asked.
    pub fn pump(&mut self) -> Result<()> {
        match &mut self.receiver {
            Receiver::Sink(sink) => {
                for arrived in sink.take() {
                    self.last_arrival = arrived.at;
                    match arrived.record {
                        Ok(record) => self.tally.take(&record),
                        Err(error) => self.tally.complain(format!("not a batch: {error}")),
                    }
                }
            }
            Receiver::Broker(broker) => {
                for record in broker.take()? {
                    self.last_arrival = Instant::now();
                    match record {
                        Ok(record) => self.tally.take(&record),
                        Err(error) => self.tally.complain(format!("not a batch: {error}")),
                    }
                }
            }
            Receiver::Spool(readers) => {
                let dir = self.agent.spool();
                if readers.is_empty() && dir.is_dir() {
                    for lane in [LANE_ALERTS, LANE_EVENTS] {
                        readers.push((lane, Reader::open(&dir, lane, 0)?));
                    }
                }
                for (lane, reader) in readers {
                    let mut acked = None;
                    while let Some(entry) = reader.next()? {
                        self.last_arrival = Instant::now();
                        self.tally.take(&Record::decode(&entry.bytes)?);
                        acked = Some((entry.epoch, entry.seq));
                    }
                    if let Some((epoch, seq)) = acked {
                        // Refused only where the disk is full; the next one goes further.
                        let _ = Cursor::store_in_epoch(&dir, *lane, epoch, seq);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until `look` says so; fails when nothing has arrived for long.
    ///
    /// # Errors
    /// With the end of the agent's log.
    pub fn wait(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let mut progress = (self.tally.distinct(), Instant::now());
        let mut looks = 0_u32;
        loop {
            self.pump()?;
            if look(self)? {
                return Ok(());
            }
            if self.tally.distinct() != progress.0 {
                progress = (self.tally.distinct(), Instant::now());
            }
            anyhow::ensure!(
                progress.1.elapsed() < STALL_MAX,
                "{what}: nothing for {STALL_MAX:?}; {} lines are here, {} without a gap (seed {})\n{}",
                self.tally.distinct(),
                self.tally.prefix(),
                self.seed,
                self.tail()
            );
            // The peak is the process's own; a look now and then is only for one that is killed.
            looks += 1;
            if looks.is_multiple_of(200) {
                self.note_memory();
            }
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Waits until every line below `written` has arrived.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn arrive(&mut self, written: u64) -> Result<()> {
        self.wait(&format!("{written} lines arrive"), |rig| Ok(rig.tally.prefix() >= written))
    }

    /// Returns when the newest batch arrived.
    #[must_use]
    pub fn last_arrival(&self) -> Instant {
        self.last_arrival
    }

    /// Returns the peak of the agent's resident memory over all its lives, MiB.
    pub fn peak_mib(&mut self) -> f64 {
        self.note_memory();
        self.peak_kib as f64 / 1024.0
    }

    /// Forgets the peak so far: the next one begins with what is resident now.
    ///
    /// # Errors
    /// If the kernel refuses (`/proc/PID/clear_refs`, proc(5): 5 resets the peak).
    pub fn forget_peak(&mut self) -> Result<()> {
        let process = self.agent.process.as_ref().context("no agent runs")?;
        std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5")?;
        self.peak_kib = 0;
        Ok(())
    }

    fn note_memory(&mut self) {
        let Some(process) = &self.agent.process else { return };
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()));
        let peak = status.ok().and_then(|text| {
            let rest = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            rest.split_whitespace().next()?.parse().ok()
        });
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }

    fn tail(&self) -> String {
        let log = self.agent.log();
        let from = log.len().saturating_sub(6_000);
        log.get(from..).unwrap_or(&log).to_owned()
    }

    /// Ends the run: stops the agent cleanly, counts what comes until then, and says what it came to
    /// when lines 0 to `written` were written, of which `excused` were readable nowhere.
    ///
    /// # Errors
    /// If the agent does not stop well.
    pub fn finish(
        mut self,
        name: &str,
        scale: &Scale,
        written: u64,
        excused: &std::collections::BTreeSet<u64>,
    ) -> Result<Outcome> {
        self.tally.excuse(excused);
        self.arrive(written).or_else(|error| {
            // What is missing is told by the verdict, with the numbers.
            eprintln!("{error:#}");
            Ok::<_, anyhow::Error>(())
        })?;
        if self.agent.process.is_some() {
            self.stop()?;
        }
        // On its way when the agent ended.
        if let Receiver::Broker(broker) = &mut self.receiver {
            for record in broker.settle()? {
                self.tally.take(&record.map_err(|error| anyhow::anyhow!(error))?);
            }
        }
        self.pump()?;
        self.settle_repeats();
        let figures = std::collections::BTreeMap::from([("spared", spared(&self.agent.log()))]);
        let verdict = self.tally.verdict(written);
        if !verdict.lost.is_empty() || !verdict.complaints.is_empty() {
            eprintln!("the agent's log ends:\n{}", self.tail());
        }
        Ok(Outcome {
            scenario: name.to_owned(),
            scale: scale.name,
            seed: self.seed,
            lines: written,
            lost: verdict.lost.len() as u64,
            lost_numbers: verdict.lost.into_iter().take(10).collect(),
            unreadable: verdict.unreadable,
            duplicated: verdict.duplicated,
            wire_repeats: verdict.repeats,
            repeats_worst: self.repeats_worst,
            kills: self.kills,
            batches: verdict.batches.values().sum(),
            alerts: verdict.batches.get("alerts").copied().unwrap_or(0),
            chains: verdict.chains,
            unnumbered: verdict.unnumbered,
            seconds: self.started.elapsed().as_secs_f64(),
            peak_rss_mib: self.peak_kib as f64 / 1024.0,
            figures,
            complaints: verdict.complaints,
        })
    }
}

/// Batches that the agent did not send again because the broker said that it had them.
fn spared(log: &str) -> f64 {
    let said = log.lines().filter(|line| line.contains("kafka was asked"));
    let taken = |line: &str| -> Option<u32> {
        line.split("taken=").nth(1)?.split_whitespace().next()?.parse().ok()
    };
    f64::from(said.filter_map(taken).sum::<u32>())
}
