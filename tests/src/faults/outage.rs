//! Outages: the other end is away for long and comes back; memory meanwhile, and how soon all is sent.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::broker::Broker;
use super::outcome::{Outcome, Scale};
use super::rig::{Receiver, Rig, Setup};
use super::sink::Sink;
use super::writer::{Steady, Writer};

/// How long everything flows before and after.
const FLOW: Duration = Duration::from_secs(5);

fn hold(rig: &mut Rig, time: Duration) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        rig.pump()?;
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

fn run(name: &str, scale: &Scale, away: Duration) -> Result<Outcome> {
    let rate = scale.pick(5_000, 1_000);
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    if scale.name == "full" {
        // The agent's own default: how large batches are decides how soon they are sent.
        let default = ("VONGLAU_AGENT__SPOOL__SEAL_INTERVAL_MS".to_owned(), "500".to_owned());
        rig.agent.environment.push(default);
    }
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, rate);
    hold(&mut rig, scale.pick(FLOW, FLOW / 5))?;
    rig.arrive(steady.written())?;
    rig.forget_peak()?;
    if let Receiver::Sink(sink) = &mut rig.receiver {
        sink.down();
    }
    hold(&mut rig, away)?;
    let peak_away = rig.peak_mib();
    let written = steady.written();
    let back = Instant::now();
    if let Receiver::Sink(sink) = &mut rig.receiver {
        sink.up()?;
    }
    rig.arrive(written)?;
    let caught_up = rig.last_arrival().duration_since(back).as_secs_f64();
    hold(&mut rig, scale.pick(FLOW, FLOW / 5))?;
    let writer = steady.stop()?;
    let outcome = rig.finish(name, scale, writer.written(), &writer.destroyed)?;
    Ok(outcome
        .with("rate", rate as f64)
        .with("away_s", away.as_secs_f64())
        .with("catch_up_s", caught_up)
        .with("peak_rss_away_mib", peak_away))
}

/// Away for a minute (at small scale: three seconds).
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn a_minute(scale: &Scale) -> Result<Outcome> {
    run("outage-60s", scale, Duration::from_secs(scale.pick(60, 3)))
}

/// Away for ten minutes (at small scale: five seconds).
///
/// # Errors
/// As [`a_minute`].
pub fn ten_minutes(scale: &Scale) -> Result<Outcome> {
    run("outage-600s", scale, Duration::from_secs(scale.pick(600, 5)))
}

/// Apache Kafka is stopped and started under load, killed every other time; `libs` is its folder of
/// jars.
///
/// # Errors
/// As [`a_minute`].
pub fn broker_restarts(scale: &Scale, libs: &str) -> Result<Outcome> {
    let restarts = scale.pick(10, 1);
    let rate = scale.pick(5_000, 1_000);
    let dir = tempfile::tempdir()?;
    let broker = Box::new(Broker::start(libs, dir.path())?);
    let mut rig = Rig::new(scale, Receiver::Broker(broker), &Setup::default())?;
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, rate);
    for number in 0..restarts {
        rig.arrive(steady.written())?;
        if let Receiver::Broker(broker) = &mut rig.receiver {
            if number % 2 == 0 {
                broker.kill()?;
            } else {
                broker.stop()?;
            }
            broker.up()?;
        }
    }
    rig.arrive(steady.written())?;
    let writer = steady.stop()?;
    let outcome = rig.finish("broker-restarts", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("restarts", f64::from(restarts)))
}
