//! Tables: which ECS field a format's own name becomes.

use std::borrow::Cow;

use rules_event::{Event, Timestamp, Value, field};

use super::source::{
    set_destination, set_destination_port, set_port, set_source, set_transport, set_user,
};

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// As it is.
    Same,
    /// Text in small letters.
    Lower,
    /// A whole number.
    Int,
    /// `source.ip` or `source.address`.
    Source,
    /// `source.port`.
    SourcePort,
    /// `destination.ip` or `destination.address`.
    Destination,
    /// `destination.port`.
    DestinationPort,
    /// `network.transport`.
    Transport,
    /// `user.name`.
    User,
    /// A target: `url.original`, `url.path`, `url.query`, `url.extension`.
    Url,
    /// Seconds, for `event.duration` in nanoseconds. Spec: ECS, event.duration.
    Seconds,
    /// Milliseconds, for the same.
    Milliseconds,
    /// Text in which `+` stands for a blank, as W3C logs write it.
    Plus,
    /// An HTTP version without `HTTP/`.
    Version,
}

/// One name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The format's name.
    pub(super) key: &'static str,
    /// The ECS field; for kinds that set several, the first of them.
    pub(super) field: &'static str,
    /// How the value is read.
    pub(super) kind: As,
    /// Whether the value is also kept under the format's own name.
    pub(super) keep: bool,
}

/// A name that becomes a field.
pub(super) const fn moved(key: &'static str, field: &'static str, kind: As) -> Row {
    Row { key, field, kind, keep: false }
}

/// A name that is kept, and whose value a field holds as well.
pub(super) const fn also(key: &'static str, field: &'static str, kind: As) -> Row {
    Row { key, field, kind, keep: true }
}

/// Finds a name in rows that are ordered by it.
pub(super) fn find(rows: &'static [Row], key: &str) -> Option<&'static Row> {
    let at = rows.binary_search_by(|row| row.key.cmp(key)).ok()?;
    rows.get(at)
}

/// Sets what a row says of a value.
pub(super) fn put(row: &Row, value: &Value, event: &mut Event) {
    let Some(text) = scalar(value) else {
        event.set(row.field, value.clone());
        return;
    };
    put_text(row, &text, || value.clone(), event);
}

/// Sets what a row says of a text.
pub(super) fn put_str(row: &Row, text: &str, event: &mut Event) {
    put_text(row, text, || Value::text(text), event);
}

fn put_text(row: &Row, text: &str, same: impl FnOnce() -> Value, event: &mut Event) {
    let number = |scale: f64| {
        let number: f64 = text.parse().ok()?;
        // Bounds of i64 as float; a cast saturates, and a duration of centuries is nonsense anyway.
        Some((number * scale).round() as i64).filter(|_| number.is_finite())
    };
    match row.kind {
        As::Same => event.set(row.field, same()),
        As::Lower => event.set(row.field, text.to_ascii_lowercase()),
        As::Int => {
            if let Ok(number) = text.parse::<i64>() {
                event.set(row.field, number);
            }
        }
        As::Source => set_source(event, text),
        As::SourcePort => set_port(event, text),
        As::Destination => set_destination(event, text),
        As::DestinationPort => set_destination_port(event, text),
        As::Transport => set_transport(event, text),
        As::User => set_user(event, text),
        As::Url => super::url::set_target(event, text),
        As::Seconds => {
            if let Some(nanos) = number(1e9) {
                event.set(row.field, nanos);
            }
        }
        As::Milliseconds => {
            if let Some(nanos) = number(1e6) {
                event.set(row.field, nanos);
            }
        }
        As::Plus if text.contains('+') => event.set(row.field, text.replace('+', " ")),
        As::Plus => event.set_text(row.field, text),
        As::Version => {
            let version = text.strip_prefix("HTTP/").unwrap_or(text);
            event.set_text(row.field, version);
        }
    }
}

/// The text of a value that is one.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    value.to_text()
}

/// Sets the two names of a log.
pub(super) fn set_dataset(event: &mut Event, module: &'static str, dataset: &'static str) {
    event.set(field::EVENT_MODULE, module);
    event.set(field::EVENT_DATASET, dataset);
}

/// A moment as text, where a field other than `@timestamp` holds one.
pub(super) fn moment_text(moment: Timestamp) -> Value {
    Value::from(moment.to_string())
}
