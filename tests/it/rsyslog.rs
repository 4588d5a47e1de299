//! A real rsyslog sends to the listener of the real agent: every transport and format, and a kill.

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use agent_spool::{LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::Record;
use anyhow::{Context, Result};
use rules_event::{Event, field};
use tests::agent::{Agent, AgentSetup};
use tests::process::Process;
use tests::rsyslog::{self, Certificates, Forward};

const LINES: u64 = 20_000;
const KILLS: u64 = 4;
/// After a kill, how long nothing may arrive before what is missing counts as lost: rsyslog tries again
/// each second.
const QUIET: Duration = Duration::from_secs(8);

/// An agent that listens, and a log that rsyslog sends to it.
struct Site {
    agent: Agent,
    forward: Forward,
    log: PathBuf,
    root: PathBuf,
    readers: Vec<Reader>,
    /// How often each line arrived.
    counts: BTreeMap<u64, u64>,
    /// One of the events.
    sample: Option<Event>,
    dir: tempfile::TempDir,
}

impl Site {
    /// `None`, and says so, where there is no rsyslog.
    fn new(
        transport: &'static str,
        framing: &'static str,
        template: &'static str,
    ) -> Result<Option<Self>> {
        let Some(root) = tests::needs("VONGLAU_RSYSLOG", "rsyslog") else { return Ok(None) };
        if transport == "tls" && Command::new("openssl").arg("version").output().is_err() {
            tests::skipped("openssl is not there to make certificates");
            return Ok(None);
        }
        let dir = tempfile::tempdir()?;
        let port = match transport {
            "udp" => UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port(),
            _ => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        };
        let mut extra = format!(
            "[[input.syslog]]\nlisten = \"127.0.0.1:{port}\"\ntransport = \"{transport}\"\n\
             allow = [\"127.0.0.1\"]\nsystem = \"lgsp\"\n"
        );
        let tls = (transport == "tls").then(|| rsyslog::certificates(dir.path())).transpose()?;
        if let Some(Certificates { authority, listener, .. }) = &tls {
            extra += &format!(
                "certificate = {:?}\nkey = {:?}\nclient_ca = {authority:?}\n",
                listener.0, listener.1
            );
        }
        let agent =
            Agent::new(&dir.path().join("agent"), &AgentSetup { extra, ..AgentSetup::default() })?;
        let protocol = if transport == "udp" { "udp" } else { "tcp" };
        let forward = Forward { port, protocol, framing, template, tls };
        let log = dir.path().join("in.log");
        std::fs::write(&log, "")?;
        let root = PathBuf::from(root);
        let (readers, counts) = (Vec::new(), BTreeMap::new());
        Ok(Some(Self { agent, forward, log, root, readers, counts, sample: None, dir }))
    }

    fn write(&self, lines: std::ops::Range<u64>) -> Result<()> {
        use std::io::Write;
        let mut text = String::new();
        for number in lines {
            text +=
                &format!("seq={number:09} session of \"Nguyễn Văn An\" from 203.0.113.7 closed\n");
        }
        std::fs::File::options().append(true).open(&self.log)?.write_all(text.as_bytes())?;
        Ok(())
    }

    fn send(&self) -> Result<Process> {
        rsyslog::start(&self.root, &self.dir.path().join("rsyslog"), &self.log, &self.forward)
    }

    /// Takes in what is in the spool; returns how many lines have arrived.
    fn look(&mut self) -> Result<u64> {
        let spool = self.agent.spool();
        if self.readers.is_empty() && spool.is_dir() {
            for lane in [LANE_ALERTS, LANE_EVENTS] {
                self.readers.push(Reader::open(&spool, lane, 0)?);
            }
        }
        for reader in &mut self.readers {
            while let Some(entry) = reader.next()? {
                for event in Record::decode(&entry.bytes)?.events()? {
                    let text = event.get_str(field::EVENT_ORIGINAL).unwrap_or_default();
                    let Some((_, rest)) = text.split_once("seq=") else { continue };
                    let number = rest.get(..9).context("a number")?.parse()?;
                    *self.counts.entry(number).or_default() += 1;
                    self.sample = Some(event);
                }
            }
        }
        Ok(self.counts.len() as u64)
    }

    fn metric(&self, kind: &str) -> Result<u64> {
        let process = self.agent.process.as_ref().context("no agent runs")?;
        let address = process.ready["metrics"].as_str().context("no address")?;
        let name = format!("vonglau_agent_input_total{{kind=\"{kind}\"}} ");
        let page = tests::process::get(address, "/metrics")?;
        let value = page.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok());
        Ok(value.with_context(|| format!("no {name}"))? as u64)
    }
}

/// Sends every line once and holds it against what arrived.
fn arrives(transport: &'static str, framing: &'static str, template: &'static str) -> Result<()> {
    let Some(mut site) = Site::new(transport, framing, template)? else { return Ok(()) };
    site.agent.start()?;
    site.write(0..LINES)?;
    let mut sender = site.send()?;
    let start = Instant::now();
    let mut dropped = 0;
    tests::wait_for("every line", || {
        // Of datagrams the kernel may drop some, and says so.
        dropped = site.metric("syslog_dropped")?;
        Ok((site.look()? + dropped >= LINES).then_some(()))
    })
    .with_context(|| {
        format!(
            "{} lines; rsyslog: {}; agent: {}",
            site.counts.len(),
            sender.log(),
            site.agent.log()
        )
    })?;
    let arrived = site.look()?;
    println!(
        "measured: rsyslog {transport} {framing} {template}: {arrived} of {LINES} lines arrived, {dropped} counted as dropped, {:.1} s",
        start.elapsed().as_secs_f64()
    );
    anyhow::ensure!(arrived + dropped == LINES && (transport == "udp" || dropped == 0));
    anyhow::ensure!(site.counts.values().all(|count| *count == 1), "a line came twice");
    let event = site.sample.take().context("an event")?;
    for (name, wanted) in [
        ("host.hostname", "fw1"),
        ("process.name", "app"),
        ("log.source.address", "127.0.0.1"),
        ("vonglau.system.id", "lgsp"),
    ] {
        anyhow::ensure!(event.get_str(name) == Some(wanted), "{name}: {:?}", event.get(name));
    }
    let message = event.get_str(field::MESSAGE).unwrap_or_default();
    anyhow::ensure!(
        message.trim_start().starts_with("seq=") && message.contains("Nguyễn Văn An"),
        "{message}"
    );
    sender.stop()?;
    Ok(())
}

#[test]
fn udp_as_rfc_3164() -> Result<()> {
    arrives("udp", "traditional", "RSYSLOG_TraditionalForwardFormat")
}

#[test]
fn udp_as_rfc_5424() -> Result<()> {
    arrives("udp", "traditional", "RSYSLOG_SyslogProtocol23Format")
}

#[test]
fn tcp_by_line_as_rfc_3164() -> Result<()> {
    arrives("tcp", "traditional", "RSYSLOG_TraditionalForwardFormat")
}

#[test]
fn tcp_counted_as_rfc_5424() -> Result<()> {
    arrives("tcp", "octet-counted", "RSYSLOG_SyslogProtocol23Format")
}

#[test]
fn tls_counted_with_certificates_on_both_sides() -> Result<()> {
    arrives("tls", "octet-counted", "RSYSLOG_SyslogProtocol23Format")
}

#[test]
fn tls_by_line_with_times_of_rfc_3339() -> Result<()> {
    arrives("tls", "traditional", "RSYSLOG_ForwardFormat")
}

/// Nobody acknowledges syslog over TCP: what was under way at a kill is gone, and it is counted here how
/// much that is. All else arrives, and rsyslog goes on where it was.
#[test]
fn a_kill_costs_only_what_was_under_way() -> Result<()> {
    let format = "RSYSLOG_SyslogProtocol23Format";
    let Some(mut site) = Site::new("tcp", "octet-counted", format)? else { return Ok(()) };
    site.agent.start()?;
    let mut sender = site.send()?;
    let part = LINES / (KILLS + 1);
    for kill in 0..KILLS {
        let before = site.look()?;
        site.write(kill * part..(kill + 1) * part)?;
        // In the middle of it.
        tests::wait_for("some lines", || Ok((site.look()? > before).then_some(())))?;
        site.agent.kill_and_restart()?;
        let mut last = (site.look()?, Instant::now());
        tests::wait_for("quiet", || {
            let now = site.look()?;
            if now != last.0 {
                last = (now, Instant::now());
            }
            let is_whole = now == (kill + 1) * part;
            Ok((is_whole || last.1.elapsed() > QUIET).then_some(()))
        })?;
    }
    site.write(KILLS * part..LINES)?;
    let last_part = KILLS * part..LINES;
    tests::wait_for("the lines behind the last kill", || {
        site.look()?;
        Ok(last_part.clone().all(|number| site.counts.contains_key(&number)).then_some(()))
    })
    .with_context(|| format!("{} lines; rsyslog: {}", site.counts.len(), sender.log()))?;
    let arrived = site.look()?;
    // What was read first was stored first, so a kill tears one piece out and no more.
    let gaps = (1..LINES).filter(|number| {
        let has = |number: u64| site.counts.contains_key(&number);
        has(number - 1) && !has(*number)
    });
    let gaps = gaps.count() as u64;
    anyhow::ensure!(gaps <= KILLS, "{gaps} gaps after {KILLS} kills");
    let repeated = site.counts.values().filter(|count| **count > 1).count();
    println!(
        "measured: rsyslog tcp, {KILLS} kills: {arrived} of {LINES} lines arrived, {} lost in {gaps} pieces, {repeated} twice",
        LINES - arrived
    );
    sender.stop()?;
    Ok(())
}
