//! The agent's work on a line, stage by stage, on one thread: CPU nanoseconds a line of each.
//!
//! What `agent-spool` measures from outside is here taken apart, so that the cost of a change is seen
//! where it is made. Each stage runs with all before it, as it does in the agent, and its cost is what it
//! adds: events that lie ready would measure the memory. Thread CPU time; the middle of several rounds
//! over the same lines.

use std::hint::black_box;
use std::sync::Arc;

use agent_inputs::{Format, Line, Lines, SourceMeta};
use agent_pipeline::{AgentFacts, Ids, Pipeline, RedactionConfig, Redactor, Scratch};
use agent_wire::{BatchBuilder, ChainHead, Compressor, Identity, Lane, Packed};
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

/// Runs the path up to a stage several times; prints and returns what a line costs.
fn measure(what: &str, before: f64, mut path: impl FnMut() -> Result<()>) -> Result<f64> {
    if std::env::var("VONGLAU_BENCH_STAGE").is_ok_and(|wanted| wanted != what) {
        return Ok(before);
    }
    let mut took = Vec::new();
    for _ in 0..rounds().max(1) {
        let before = usage::thread_cpu();
        path()?;
        let spent = usage::thread_cpu().saturating_sub(before);
        took.push(spent.as_nanos() as f64 / LINES as f64);
    }
    took.sort_by(f64::total_cmp);
    let middle = took[took.len() / 2];
    figure::print("agent-stages", what, middle - before, "ns a line", None);
    Ok(middle)
}

/// What a thread of an agent that does not correlate begins with.
fn scratch_of() -> Scratch {
    let mut scratch = Scratch::default();
    scratch.identify(Ids::Needed);
    scratch
}

/// See the head of the file.
pub(crate) fn run() -> Result<()> {
    let identity = Identity::from_seed(&[7; 32]);
    let facts = AgentFacts {
        agent_id: *identity.agent_id().as_bytes(),
        agent_id_text: identity.agent_id().to_string(),
        host: "portal01".to_owned(),
        organization: Some("000.00.00.H99".to_owned()),
        system: None,
        timezone: agent_pipeline::timezone("+07:00")?,
    };
    let source = Arc::new(SourceMeta {
        key: "file:fd01:1a2b3c:1234567:0123456789abcdef0123456789abcdef".to_owned(),
        path: Some("/var/log/mixed.log".to_owned()),
        format: Format::Auto,
        dataset: None,
        ..SourceMeta::default()
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
    let redactor = || Redactor::new(&RedactionConfig::default(), &[7; 32]);
    let plain = Pipeline::new(facts.clone(), None);
    let hiding = Pipeline::new(facts.clone(), None).with_redactor(redactor()?);
    let full = Pipeline::new(facts, Some(Arc::clone(&matcher))).with_redactor(redactor()?);

    let mut scratch = scratch_of();
    let mut sum = measure("decode", 0.0, || {
        for line in lines.iter() {
            black_box(plain.line(&lines.source, lines.read_at, line, &mut scratch));
        }
        Ok(())
    })?;
    let mut scratch = scratch_of();
    sum = measure("redact", sum, || {
        for line in lines.iter() {
            black_box(hiding.line(&lines.source, lines.read_at, line, &mut scratch));
        }
        Ok(())
    })?;
    let (mut scratch, mut hit) = (scratch_of(), 0);
    sum = measure("detect", sum, || {
        hit = 0;
        for line in lines.iter() {
            let done = full.line(&lines.source, lines.read_at, line, &mut scratch);
            hit += u64::from(black_box(done).level.is_some());
        }
        Ok(())
    })?;
    let (mut builder, mut raw_bytes) = (BatchBuilder::default(), 0);
    sum = measure("serialise", sum, || {
        raw_bytes = 0;
        for line in lines.iter() {
            builder.push(full.line(&lines.source, lines.read_at, line, &mut scratch).event)?;
            if builder.is_full() {
                raw_bytes += builder.raw_bytes();
                black_box(&mut builder).clear();
            }
        }
        raw_bytes += builder.raw_bytes();
        builder.clear();
        Ok(())
    })?;
    let mut compressor = Compressor::default();
    let mut packed = |packed: &mut Vec<Packed>| -> Result<()> {
        for line in lines.iter() {
            builder.push(full.line(&lines.source, lines.read_at, line, &mut scratch).event)?;
            if builder.is_full() {
                packed.push(builder.pack(&mut compressor)?);
            }
        }
        packed.push(builder.pack(&mut compressor)?);
        Ok(())
    };
    sum = measure("compress", sum, || packed(&mut Vec::new()))?;
    let mut sealed_bytes = 0;
    sum = measure("sign and frame", sum, || {
        let (mut all, mut head) = (Vec::new(), ChainHead::default());
        packed(&mut all)?;
        sealed_bytes = 0;
        for packed in all {
            let (record, next) =
                packed.seal(&identity, Lane::Events, 1, &head, Timestamp::default());
            head = next;
            sealed_bytes += black_box(record.encode()).len();
        }
        Ok(())
    })?;
    let print = |what: &str, value: f64, unit: &str| {
        figure::print("agent-stages", what, value, unit, None);
    };
    print("all stages", sum, "ns a line");
    print("lines hit", hit as f64 / LINES as f64, "share");
    print("event", raw_bytes as f64 / LINES as f64, "bytes");
    print("sealed", sealed_bytes as f64 / LINES as f64, "bytes a line");
    Ok(())
}
