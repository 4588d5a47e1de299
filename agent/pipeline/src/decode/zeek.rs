//! Zeek: its logs as tab-separated values and as JSON lines, one event for both.
//!
//! Zeek's names stand under `zeek.LOG.`; those that rules know by an ECS name (`id.orig_h` is
//! `source.ip`) are moved there, others are copied. Spec: Zeek, "Log Formats and Inspection",
//! scripts/base/frameworks/logging/writers/ascii.zeek; Filebeat module zeek.

mod layout;
mod rows;

use rules_event::{Event, Timestamp, Value, ValueRef, field};

use super::columns::Columns;
use super::table::{find, moment_text, put, set_dataset};
use super::{Context, json};
use crate::moment;

pub(super) use layout::{Draft, Layout, learn};
pub(super) use rows::{BY_LOG, COMMON, TIMES};

/// Whether a line may be of a tab-separated log: seconds with microseconds, and a tab.
pub(super) fn is_row(bytes: &[u8]) -> bool {
    matches!(bytes.get(10), Some(b'.')) && matches!(bytes.get(17), Some(b'\t'))
}

/// Decodes a row; false when the columns of its file are not known.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Some(columns) = context.headers.of(context.source, context.path) else { return false };
    let Columns::Zeek(layout) = columns.as_ref() else { return false };
    // Before anything is set: a row of other columns is not ours.
    if memchr::memchr_iter(layout.separator, text.as_bytes()).count() + 1 != layout.columns.len() {
        return false;
    }
    let mut rest = text;
    for column in &layout.columns {
        let end = memchr::memchr(layout.separator, rest.as_bytes()).unwrap_or(rest.len());
        let (cell, behind) = rest.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        if cell == layout.unset {
            continue;
        }
        if column.is_time {
            if let Some(time) = moment::seconds(cell) {
                event.time = time;
            }
            continue;
        }
        let value = column.read(cell, layout);
        if let Some(row) = column.row {
            put(row, &value, event);
            if !row.keep {
                continue;
            }
        }
        event.set(column.name.clone(), value);
    }
    finish(&layout.log, &layout.dataset, text, event);
    true
}

/// Decodes a JSON line; false when it is no JSON object.
pub(super) fn decode_json(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Some(log) = log_of(text, context) else { return json::decode(text, context, event) };
    let prefix = format!("zeek.{log}");
    let mut time = None;
    let read = json::walk(text, &prefix, event, |name, value, event| {
        let key = name.get(prefix.len() + 1..).unwrap_or_default();
        match key {
            // What the writer adds: no fields of the record.
            "_path" | "_write_ts" | "@stream" | "@system" | "@proc" => return,
            "ts" => {
                time = moment_of(&value, context);
                return;
            }
            _ => {}
        }
        let value = normal(key, value, context);
        let by_log = name.get("zeek.".len()..).and_then(|name| find(BY_LOG, name));
        if let Some(row) = by_log.or_else(|| find(COMMON, key)) {
            put(row, &value, event);
            if !row.keep {
                return;
            }
        }
        event.set(rules_event::intern(name), value);
    });
    if !read {
        return false;
    }
    if let Some(time) = time {
        event.time = time;
    }
    let dataset = rules_event::intern(&prefix);
    finish(log, &dataset, text, event);
    true
}

/// The log that a JSON line belongs to: it says so itself, or the file's name does.
fn log_of<'a>(text: &'a str, context: &'a Context<'_>) -> Option<&'a str> {
    let start = text.get(..128).unwrap_or(text);
    let said = ["\"_path\":\"", "\"@stream\":\""]
        .iter()
        .find_map(|word| start.split_once(word)?.1.split_once('"').map(|(log, _)| log));
    let name = || context.file_name().split('.').next();
    said.or_else(name).filter(|log| {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        !log.is_empty() && log.len() <= 64 && log.bytes().all(is_name)
    })
}

/// One value, one writing: seconds with six digits as the tab-separated form has them, times as text.
fn normal(key: &str, value: Value, context: &Context<'_>) -> Value {
    match value {
        moment @ (Value::Float(_) | Value::Str(_) | Value::Int(_)) if TIMES.contains(&key) => {
            moment_of(&moment, context).map_or(moment, moment_text)
        }
        Value::Float(number) => decimal(number),
        other => other,
    }
}

/// A number with a fraction of six digits at most; a whole one as such.
fn decimal(number: f64) -> Value {
    let rounded = (number * 1e6).round() / 1e6;
    // Beyond 2^53 every float is whole, and not every whole number is one.
    if rounded.fract() == 0.0 && rounded.abs() < 9_007_199_254_740_992.0 {
        return Value::Int(rounded as i64);
    }
    Value::Float(rounded)
}

fn moment_of(value: &Value, context: &Context<'_>) -> Option<Timestamp> {
    match value {
        // A float of today's seconds is good for microseconds, not for nanoseconds.
        Value::Float(seconds) if (0.0..1e10).contains(seconds) => {
            Some(Timestamp::from_nanos(((seconds * 1e6).round() as i64).saturating_mul(1_000)))
        }
        Value::Int(seconds) if (0..10_000_000_000).contains(seconds) => {
            Some(Timestamp::from_seconds(*seconds))
        }
        other => json::time(other.into(), context),
    }
}

fn finish(log: &str, dataset: &str, text: &str, event: &mut Event) {
    set_dataset(event, "zeek", "zeek");
    event.set_text(field::EVENT_DATASET, dataset);
    let success = match log {
        "ssh" => event.get("zeek.ssh.auth_success"),
        "kerberos" => event.get("zeek.kerberos.success"),
        "ntlm" => event.get("zeek.ntlm.success"),
        _ => None,
    };
    let outcome = match success {
        Some(ValueRef::Bool(true)) => Some("success"),
        Some(ValueRef::Bool(false)) => Some("failure"),
        _ => None,
    };
    event.set(field::EVENT_CATEGORY, if outcome.is_some() { "authentication" } else { "network" });
    if let Some(outcome) = outcome {
        event.set(field::EVENT_OUTCOME, outcome);
    }
    if event.get(field::MESSAGE).is_none() {
        event.set_text(field::MESSAGE, text);
    }
}
