//! Kills: `kill -9` at random points, with the other end up and away; SIGTERM; kills around an answer.

use anyhow::{Context, Result};
use rand::Rng;

use super::broker::Broker;
use super::outcome::{Outcome, Scale};
use super::rig::{Receiver, Rig, Setup};
use super::sink::{Moment, Sink};
use super::writer::{Steady, Writer};

/// One kill in so many comes while the agent is still starting.
const EARLY: f64 = 0.3;
/// How long a starting agent lives at most, ms.
const EARLY_MS: u64 = 80;

/// How often, and how fast it is written meanwhile.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Outages of the other end.
    outages: u64,
    /// Kills before each of them.
    kills_up: u64,
    /// Kills within each of them.
    kills_down: u64,
    /// Lines a second.
    rate: u64,
    /// How long an agent lives at most, ms.
    life_ms: u64,
}

fn kill_once(rig: &mut Rig, plan: &Plan) -> Result<()> {
    let life = if rig.random.gen_bool(EARLY) { EARLY_MS } else { plan.life_ms };
    rig.pause(life);
    rig.kill()?;
    rig.spawn()
}

fn run(name: &str, scale: &Scale, mut rig: Rig, plan: Plan) -> Result<Outcome> {
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, plan.rate);
    for outage in 0..plan.outages {
        for _ in 0..plan.kills_up {
            kill_once(&mut rig, &plan)?;
        }
        // So that each outage cuts a stream that flows.
        rig.arrive(steady.written())?;
        match &mut rig.receiver {
            Receiver::Sink(sink) => sink.down(),
            // Every other time as a machine that loses power, not one that is shut down.
            Receiver::Broker(broker) if outage % 2 == 0 => broker.kill()?,
            Receiver::Broker(broker) => broker.stop()?,
            Receiver::Spool(_) => {}
        }
        for _ in 0..plan.kills_down {
            kill_once(&mut rig, &plan)?;
        }
        match &mut rig.receiver {
            Receiver::Sink(sink) => sink.up()?,
            Receiver::Broker(broker) => broker.up()?,
            Receiver::Spool(_) => {}
        }
    }
    rig.arrive(steady.written())?;
    let writer = steady.stop()?;
    rig.finish(name, scale, writer.written(), &writer.destroyed)
}

/// Kills before our sink.
///
/// # Errors
/// If the run cannot be made; what it came to is in the outcome.
pub fn before_sink(scale: &Scale) -> Result<Outcome> {
    let plan = scale.pick(
        Plan { outages: 20, kills_up: 5, kills_down: 5, rate: 5_000, life_ms: 1_500 },
        Plan { outages: 2, kills_up: 3, kills_down: 3, rate: 1_000, life_ms: 900 },
    );
    let rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    run("kill", scale, rig, plan)
}

/// Kills before Apache Kafka; `libs` is its folder of jars.
///
/// # Errors
/// As [`before_sink`].
pub fn before_broker(scale: &Scale, libs: &str) -> Result<Outcome> {
    let plan = scale.pick(
        Plan { outages: 10, kills_up: 10, kills_down: 10, rate: 5_000, life_ms: 1_500 },
        Plan { outages: 1, kills_up: 2, kills_down: 3, rate: 1_000, life_ms: 900 },
    );
    let dir = tempfile::tempdir()?;
    let broker = Box::new(Broker::start(libs, dir.path())?);
    let rig = Rig::new(scale, Receiver::Broker(broker), &Setup::default())?;
    run("kill-kafka", scale, rig, plan)
}

/// Kills just after a batch was taken: before the answer goes out, and after it.
///
/// # Errors
/// As [`before_sink`].
pub fn around_the_answer(scale: &Scale) -> Result<Outcome> {
    let kills = scale.pick(100, 6);
    let rate = scale.pick(5_000, 1_000);
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, rate);
    for number in 0..kills {
        rig.pause(300);
        let moment = if number % 2 == 0 { Moment::AfterAck } else { Moment::BeforeAck };
        let Receiver::Sink(sink) = &mut rig.receiver else { anyhow::bail!("not a sink") };
        let taken = sink.trap(moment);
        taken.recv_timeout(crate::PATIENCE).context("no batch comes")?;
        rig.kill()?;
        rig.spawn()?;
    }
    rig.arrive(steady.written())?;
    let writer = steady.stop()?;
    rig.finish("kill-at-ack", scale, writer.written(), &writer.destroyed)
}

/// SIGTERM under load, again and again: a clean stop repeats nothing at all.
///
/// # Errors
/// As [`before_sink`].
pub fn terminate(scale: &Scale) -> Result<Outcome> {
    let stops = scale.pick(50, 4);
    let rate = scale.pick(5_000, 1_000);
    let mut rig = Rig::new(scale, Receiver::Sink(Sink::start()?), &Setup::default())?;
    rig.start()?;
    let steady = Steady::start(Writer::open(&rig.log, 0)?, rate);
    for _ in 0..stops {
        rig.pause(700);
        rig.stop()?;
        rig.start()?;
    }
    rig.arrive(steady.written())?;
    let writer = steady.stop()?;
    let outcome = rig.finish("terminate", scale, writer.written(), &writer.destroyed)?;
    Ok(outcome.with("stops", stops as f64))
}
