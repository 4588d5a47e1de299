//! The agent's work on a line, stage by stage, on one thread: CPU nanoseconds a line of each.
//!
//! What `agent-spool` measures from outside is here taken apart, so that the cost of a change is seen
//! where it is made. Thread CPU time; the best and the middle of several rounds over the same lines.

use std::hint::black_box;
use std::sync::Arc;

use agent_inputs::{Format, Line, Lines, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use agent_wire::{BatchBuilder, ChainHead, Identity, Lane, write_event};
use anyhow::Result;
use rules_event::Timestamp;

use crate::corpus::Mixed;
use crate::{figure, rules, usage};

/// Lines that a round goes over: 3 MB, more than the caches near a core hold.
const LINES: u64 = 20_000;
/// Rounds; `VONGLAU_BENCH_ROUNDS` overrules.
const ROUNDS: usize = 9;

fn rounds() -> usize {
    std::env::var("VONGLAU_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Runs a stage several times and prints what a line costs.
fn measure(what: &str, lines: u64, mut stage: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..rounds().max(1) {
        let before = usage::thread_cpu();
        stage()?;
        let spent = usage::thread_cpu().saturating_sub(before);
        took.push(spent.as_nanos() as f64 / lines as f64);
    }
    took.sort_by(f64::total_cmp);
    let middle = took[took.len() / 2];
    figure::print("agent-stages", what, middle, "ns a line", None);
    figure::print("agent-stages", &format!("{what}, best"), took[0], "ns a line", None);
    Ok(middle)
}

/// See the head of the file.
pub(crate) fn run() -> Result<()> {
    let identity = Identity::from_seed(&[7; 32]);
    let facts = AgentFacts {
        agent_id: *identity.agent_id().as_bytes(),
        agent_id_text: identity.agent_id().to_string(),
        host: "portal01".to_owned(),
        organization: Some("000.00.00.H99".to_owned()),
        timezone: agent_pipeline::timezone("+07:00")?,
    };
    let source = Arc::new(SourceMeta {
        key: "file:fd01:1a2b3c:1234567:0123456789abcdef0123456789abcdef".to_owned(),
        path: Some("/var/log/mixed.log".to_owned()),
        format: Format::Auto,
        dataset: None,
    });
    let (mut mixed, mut text) = (Mixed::new(), String::new());
    for _ in 0..LINES {
        mixed.write_line(&mut text);
    }
    let mut lines = Lines::new(source, Timestamp::from_seconds(1_795_600_000));
    let mut offset = 0;
    for line in text.lines() {
        lines.push(Line { offset, bytes: line.as_bytes(), truncated: false });
        offset += line.len() as u64 + 1;
    }
    figure::print("agent-stages", "line", text.len() as f64 / LINES as f64, "bytes", None);

    let matcher = rules::load()?;
    figure::print("agent-stages", "rules", matcher.len() as f64, "rules", None);
    let plain = Pipeline::new(facts.clone(), None);
    let full = Pipeline::new(facts, Some(Arc::clone(&matcher)));

    let mut scratch = Scratch::default();
    measure("decode", LINES, || {
        for line in lines.iter() {
            black_box(plain.line(&lines.source, lines.read_at, line, &mut scratch));
        }
        Ok(())
    })?;
    let mut scratch = Scratch::default();
    measure("decode and detect", LINES, || {
        for line in lines.iter() {
            black_box(full.line(&lines.source, lines.read_at, line, &mut scratch));
        }
        Ok(())
    })?;
    let mut done = Vec::new();
    for line in lines.iter() {
        let processed = full.line(&lines.source, lines.read_at, line, &mut scratch);
        done.push((processed.event.clone(), processed.level));
    }
    let hit = done.iter().filter(|done| done.1.is_some()).count();
    figure::print("agent-stages", "lines hit", hit as f64 / LINES as f64, "share", None);
    let mut hits = Vec::new();
    measure("detect", LINES, || {
        for done in &done {
            matcher.hits(&done.0, &mut hits);
            black_box(&hits);
        }
        Ok(())
    })?;
    let mut raw = Vec::with_capacity(64 << 20);
    measure("serialise", LINES, || {
        raw.clear();
        for done in &done {
            write_event(&mut raw, &done.0);
            raw.push(b'\n');
        }
        Ok(())
    })?;
    figure::print("agent-stages", "event", raw.len() as f64 / LINES as f64, "bytes", None);
    let mut sealed_bytes = 0;
    measure("serialise and seal", LINES, || {
        sealed_bytes = 0;
        let (mut builder, mut head) = (BatchBuilder::default(), ChainHead::default());
        for (index, one) in done.iter().enumerate() {
            builder.push(&one.0)?;
            if builder.is_full() || index + 1 == done.len() {
                let record =
                    builder.seal(&identity, Lane::Events, 1, &head, Timestamp::default())?;
                head = record.head();
                sealed_bytes += black_box(record.encode()).len();
            }
        }
        Ok(())
    })?;
    figure::print("agent-stages", "sealed", sealed_bytes as f64 / LINES as f64, "bytes", None);
    Ok(())
}
