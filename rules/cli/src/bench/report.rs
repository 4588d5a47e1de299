//! Figures as a table and as JSON.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, SPAN_SHORT};
use crate::paint::safe;

/// Longest name shown in the table, in characters.
const NAME_CHARS_MAX: usize = 40;

pub(super) fn text(bench: &Bench, top: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let shown = if top == 0 { bench.rules.len() } else { top.min(bench.rules.len()) };
    writeln!(
        out,
        "{:<NAME_CHARS_MAX$}  {:<13} {:>9} {:>10} {:>8} {:>10}",
        "rule", "level", "ns/event", "candidates", "hits", "hits/day"
    )?;
    for rule in &bench.rules[..shown] {
        let nanos = rule.nanos.map_or_else(|| "-".to_owned(), |nanos| format!("{nanos:.0}"));
        writeln!(
            out,
            "{:<NAME_CHARS_MAX$}  {:<13} {nanos:>9} {:>10} {:>8} {:>10}",
            cut(&rule.name),
            rule.level.as_str(),
            rule.candidates,
            rule.hits,
            rate(bench, rule.hits)
        )?;
    }
    if shown < bench.rules.len() {
        writeln!(out, "… and {} faster rules; --top 0 shows all", bench.rules.len() - shown)?;
    }
    let fired: Vec<_> = bench.correlations.iter().filter(|it| it.fired > 0).collect();
    if !fired.is_empty() {
        let heads = ("correlation", "level", "alerts", "alerts/day");
        writeln!(
            out,
            "\n{:<NAME_CHARS_MAX$}  {:<13} {:>9} {:>10}",
            heads.0, heads.1, heads.2, heads.3
        )?;
        for it in &fired {
            writeln!(
                out,
                "{:<NAME_CHARS_MAX$}  {:<13} {:>9} {:>10}",
                cut(&it.name),
                it.level.as_str(),
                it.fired,
                rate(bench, it.fired)
            )?;
        }
    }
    let silent = bench.correlations.len() - fired.len();
    if silent > 0 {
        writeln!(out, "{silent} correlations did not fire")?;
    }
    let nanos = bench.set_nanos;
    writeln!(
        out,
        "\n{} events over {}; {} rules together: {nanos:.0} ns/event, {:.0} events/s on one core",
        bench.events,
        span(bench.span),
        bench.rules.len(),
        1e9 / nanos.max(0.1)
    )?;
    writeln!(
        out,
        "one after the other they would take {:.0} ns/event, {:.1} times as long",
        bench.scan_nanos,
        bench.scan_nanos / nanos.max(0.1)
    )?;
    let alerts = bench.alerts();
    writeln!(out, "alerts (level medium and above): {alerts}, {} a day", rate(bench, alerts))?;
    if bench.span < SPAN_SHORT {
        writeln!(out, "note: the sample is short; rates a day say little")?;
    }
    if bench.broken > 0 {
        writeln!(out, "note: {} errors in rules; see 'vonglau-rules check'", bench.broken)?;
    }
    Ok(())
}

pub(super) fn json(bench: &Bench, top: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let shown = if top == 0 { usize::MAX } else { top };
    let rules: Vec<Value> = bench
        .rules
        .iter()
        .take(shown)
        .map(|rule| {
            json!({
                "id": rule.id, "name": rule.name, "level": rule.level.as_str(),
                "ns_per_event": rule.nanos, "candidates": rule.candidates, "hits": rule.hits,
                "hits_per_day": bench.a_day(rule.hits),
            })
        })
        .collect();
    let correlations: Vec<Value> = bench
        .correlations
        .iter()
        .map(|it| {
            json!({
                "id": it.id, "name": it.name, "level": it.level.as_str(),
                "alerts": it.fired, "alerts_per_day": bench.a_day(it.fired),
            })
        })
        .collect();
    let report = json!({
        "ruleset": bench.identity,
        "events": bench.events,
        "span_seconds": bench.span.as_secs_f64(),
        "ns_per_event": bench.set_nanos,
        "full_scan_ns_per_event": bench.scan_nanos,
        "alerts": bench.alerts(),
        "alerts_per_day": bench.a_day(bench.alerts()),
        "errors": bench.broken,
        "rule_count": bench.rules.len(),
        "rules": rules,
        "correlations": correlations,
    });
    writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

fn rate(bench: &Bench, count: usize) -> String {
    match bench.a_day(count) {
        None => "-".to_owned(),
        Some(rate) if rate > 0.0 && rate < 9.5 => format!("{rate:.1}"),
        Some(rate) => format!("{rate:.0}"),
    }
}

fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match span.as_secs() {
        0..=119 => format!("{seconds:.1} s"),
        120..=7_199 => format!("{:.0} min", seconds / 60.0),
        7_200..=172_799 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

fn cut(name: &str) -> String {
    let name = safe(name);
    if name.chars().count() <= NAME_CHARS_MAX {
        return name;
    }
    name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
}
