//! Correlation: updates a second on one core, at 100,000 live groups and in floods of one.
//!
//! Time is the CPU time of this thread, so that neighbours on the machine matter less.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use rules_correlate::{Correlator, Limits};
use rules_event::{Event, Timestamp, field};
use rules_sigma::{Correlation, Document, parse_file};

use crate::figure;

/// Groups that are alive throughout.
const KEYS: u64 = 100_000;
/// Updates before the clock is read, until windows are as full as they stay.
const WARM: u64 = 2_000_000;
/// Updates measured.
const MEASURED: u64 = 2_000_000;
/// Events made ahead at a time; making them is not measured.
const CHUNK: u64 = 1_000;
/// Events that are announced together, as the collector does.
const AHEAD: usize = 32;
/// 2026-11-26T00:00:00Z.
const START: i64 = 1_795_651_200_000_000_000;
/// Event time from one event to the next: each group is hit once in half a minute.
const STEP: i64 = 30_000_000_000 / KEYS as i64;

/// A kind of correlation and a condition that the workload does not satisfy.
const KINDS: [(&str, &str); 8] = [
    ("event_count", "type: event_count\n  condition: { gte: 20 }"),
    ("value_count", "type: value_count\n  condition: { gte: 20, field: user.name }"),
    ("temporal", "type: temporal\n  condition: { gte: 3 }"),
    ("temporal_ordered", "type: temporal_ordered"),
    ("value_sum", "type: value_sum\n  condition: { gt: 1000000, field: http.response.bytes }"),
    ("value_avg", "type: value_avg\n  condition: { gt: 1000000, field: http.response.bytes }"),
    (
        "value_median",
        "type: value_median\n  condition: { gt: 1000000, field: http.response.bytes }",
    ),
    ("event_count range", "type: event_count\n  condition: { gt: 20, lte: 40 }"),
];

/// Measures every kind over many groups, and the counting kinds in a flood of one.
pub(crate) fn run() -> Result<()> {
    for (name, body) in KINDS {
        let mut correlator = correlator(body)?;
        let mut stream = Stream::new(KEYS);
        let cpu = stream.run(&mut correlator, WARM, MEASURED)?;
        ensure!(correlator.keys() as u64 == KEYS, "{name}: {} groups", correlator.keys());
        ensure!(correlator.evicted() == 0, "{name}: evicted {}", correlator.evicted());
        print(name, "at 100,000 groups", MEASURED as f64 / cpu);
        let a_key = correlator.bytes() as f64 / KEYS as f64;
        figure::print("correlate", &format!("{name}: memory a group"), a_key, "bytes", None);
    }
    for (name, body) in [
        ("event_count", "type: event_count\n  condition: { gte: 10 }"),
        ("value_count", "type: value_count\n  condition: { gte: 10, field: user.name }"),
    ] {
        let mut correlator = correlator(body)?;
        let mut stream = Stream::new(1);
        let cpu = stream.run(&mut correlator, 200_000, MEASURED)?;
        print(name, "in a flood of one firing group", MEASURED as f64 / cpu);
    }
    Ok(())
}

fn print(name: &str, what: &str, rate: f64) {
    figure::print("correlate", &format!("{name}: updates {what}"), rate, "per CPU second", None);
}

fn correlator(body: &str) -> Result<Correlator> {
    let text = format!(
        "title: Bench\nid: 6f1d8f2e-2f4b-4f61-9a0e-7a8f5f0c1d2e\nlevel: medium\ncorrelation:\n  \
         {body}\n  rules: [a, b, c]\n  group-by: [source.ip]\n  timespan: 2m\n"
    );
    let parsed = parse_file("bench.yml", &text);
    let correlation = parsed.documents.into_iter().find_map(|document| match document {
        Document::Correlation(correlation) => Some(correlation),
        _ => None,
    });
    let correlation: Correlation =
        correlation.with_context(|| format!("{:?}", parsed.diagnostics))?;
    let names: HashMap<String, String> =
        ["a", "b", "c"].map(|name| (name.to_owned(), id_of(name))).into();
    let (correlator, problems) = Correlator::new(vec![correlation], &names, Limits::default());
    ensure!(problems.is_empty(), "{problems:?}");
    Ok(correlator)
}

/// The id of a rule, as long as ids are.
fn id_of(name: &str) -> String {
    format!("00000000-0000-4000-8000-00000000000{name}")
}

/// Events of so many addresses, in no order, about a user out of ten.
struct Stream {
    keys: u64,
    next: u64,
    state: u64,
    time: i64,
}

impl Stream {
    fn new(keys: u64) -> Self {
        Self { keys, next: 0, state: 0x9e37_79b9_7f4a_7c15, time: START }
    }

    fn random(&mut self) -> u64 {
        // xorshift64*: the same events in every run.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn event(&mut self) -> Event {
        let random = self.random();
        // First every address once, so that all are alive.
        let key = if self.next < self.keys { self.next } else { (random >> 32) % self.keys };
        self.time += STEP;
        let id = format!("{:032x}", u128::from(self.next) << 64 | u128::from(random));
        let mut event = Event::new(Timestamp::from_nanos(self.time), id);
        event.set(field::MESSAGE, "Failed password for invalid user from an address");
        event.set(field::HOST_NAME, "ubnd-xa-01");
        event.set(field::USER_NAME, format!("user{}", random % 10));
        event.set("http.response.bytes", i64::from(random as u16));
        let [_, _, a, b] = (key as u32).to_be_bytes();
        event.set(field::SOURCE_IP, format!("10.{}.{a}.{b}", key >> 16));
        self.next += 1;
        event
    }

    /// Observes so many events, then more of them with the clock running; returns CPU seconds.
    fn run(&mut self, correlator: &mut Correlator, warm: u64, measured: u64) -> Result<f64> {
        let rule = id_of("a");
        let rules = [rule.as_str()];
        let mut nanos = 0;
        let mut done = 0;
        while done < warm + measured {
            let events: Vec<Event> = (0..CHUNK).map(|_| self.event()).collect();
            let before = cpu_nanos()?;
            for some in events.chunks(AHEAD) {
                correlator.expect(some.iter().map(|event| (event, &rules[..])));
                for event in some {
                    black_box(correlator.observe(event, &rules));
                }
            }
            if done >= warm {
                nanos += cpu_nanos()? - before;
            }
            done += CHUNK;
        }
        Ok(nanos as f64 / 1e9)
    }
}

/// CPU time of this thread so far, as the scheduler counts it.
fn cpu_nanos() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    text.split_whitespace().next().context("no schedstat")?.parse().context("no number")
}
