//! Item: one thing of the inventory, and what is different about it.

use std::collections::BTreeMap;

use rules_event::{Event, Timestamp, Value, field};

use crate::Sample;
use crate::state::{Table, Take};

/// Longest text of a field, bytes: a line of a crontab may be anything.
const TEXT_BYTES_MAX: usize = 2 << 10;

/// One thing: what it is known by, and what it is like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Item {
    /// Unique within its kind.
    pub(super) key: String,
    /// Fields in order; a change of any is told.
    pub(super) fields: Vec<(&'static str, String)>,
    /// Fields that are told and not compared, such as a process id.
    pub(super) passing: Vec<(&'static str, String)>,
}

impl Item {
    pub(super) fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// Adds a field, unless its text is empty.
    pub(super) fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        let text = bounded(text.into());
        if !text.is_empty() {
            self.fields.push((name, text));
        }
        self
    }

    /// Adds a field that is not compared.
    pub(super) fn passing(mut self, name: &'static str, text: impl Into<String>) -> Self {
        let text = bounded(text.into());
        if !text.is_empty() {
            self.passing.push((name, text));
        }
        self
    }

    /// The form in which it is remembered.
    pub(super) fn stored(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, text) in &self.fields {
            for part in [*name, text.as_str()] {
                bytes.extend_from_slice(part.as_bytes());
                bytes.push(0);
            }
        }
        bytes
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let cut = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or_default());
    }
    // NUL separates what is stored.
    text.replace('\0', " ")
}

fn stored_fields(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let mut fields = Vec::new();
    while let (Some(name), Some(text)) = (parts.next(), parts.next()) {
        if !name.is_empty() {
            fields.push((name.to_owned(), text.to_owned()));
        }
    }
    fields
}

/// Everything known, by kind and key.
#[derive(Debug, Default)]
pub(super) struct Known(pub(super) BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>);

impl Table for Known {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]) {
        self.0.entry(group.to_vec()).or_default().insert(key.to_vec(), value.to_vec());
    }

    fn remove(&mut self, group: &[u8], key: &[u8]) {
        if let Some(keys) = self.0.get_mut(group) {
            keys.remove(key);
        }
    }

    fn each(&self, take: &mut Take<'_>) {
        for (group, keys) in &self.0 {
            for (key, value) in keys {
                take(group, key, value);
            }
        }
    }
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It was there when the inventory was first taken.
    Baseline,
    Added,
    Changed,
    Removed,
}

/// Returns the event. `before` is what was stored; for what is gone, `item` holds only its key.
pub(super) fn sample(
    kind: &'static str,
    turn: Turn,
    item: &Item,
    before: Option<&[u8]>,
    now: Timestamp,
) -> Sample {
    let mut event = Event::new(now, String::new());
    let (event_kind, event_type, done) = match turn {
        Turn::Baseline => ("state", "info", "found"),
        Turn::Added => ("event", "creation", "added"),
        Turn::Changed => ("event", "change", "changed"),
        Turn::Removed => ("event", "deletion", "removed"),
    };
    let dataset = if kind == "certificate" { "vonglau.certificate" } else { "vonglau.inventory" };
    event.set(field::EVENT_KIND, event_kind);
    event.set(field::EVENT_MODULE, "vonglau");
    event.set(field::EVENT_DATASET, dataset);
    event.set(field::EVENT_CATEGORY, category(kind));
    event.set("event.type", event_type);
    event.set(field::EVENT_ACTION, format!("{kind}_{done}"));
    event.set("vonglau.inventory.kind", kind);
    if turn == Turn::Baseline {
        event.set("vonglau.inventory.baseline", true);
    }
    for (name, text) in item.fields.iter().chain(&item.passing) {
        set(&mut event, name, text);
    }
    let before = before.map(stored_fields).unwrap_or_default();
    match turn {
        Turn::Removed => {
            for (name, text) in &before {
                event.set(name.clone(), typed(name, text));
            }
        }
        Turn::Changed => {
            let mut changed = Vec::new();
            for (name, text) in &before {
                if !item.fields.iter().any(|(own, now)| own == name && now == text) {
                    event.set(format!("vonglau.inventory.previous.{name}"), typed(name, text));
                    changed.push(Value::text(name));
                }
            }
            for (name, _) in &item.fields {
                if !before.iter().any(|(own, _)| own == name) {
                    changed.push(Value::text(name));
                }
            }
            event.set("vonglau.inventory.changed", Value::List(changed));
        }
        Turn::Baseline | Turn::Added => {}
    }
    event.set(field::MESSAGE, format!("{kind} {done}: {}", item.key));
    let instance = format!("\u{1}inventory\u{1}{kind}\u{1}{}\u{1}{done}", item.key);
    Sample { event, instance }
}

fn set(event: &mut Event, name: &'static str, text: &str) {
    event.set(name, typed(name, text));
}

/// Numbers where rules compare numbers, a list where ECS has one.
fn typed(name: &str, text: &str) -> Value {
    if name == "host.ip" {
        return Value::List(text.split(' ').map(Value::text).collect());
    }
    let is_number = name.ends_with(".port") || name.ends_with(".pid") || name.ends_with("_left");
    match text.parse::<i64>() {
        Ok(number) if is_number => Value::from(number),
        _ => Value::text(text),
    }
}

/// ECS `event.category`.
fn category(kind: &str) -> &'static str {
    match kind {
        "package" => "package",
        "user" | "group" | "sudo_rule" | "authorized_key" => "iam",
        "port" => "network",
        "kernel_module" => "driver",
        "system" | "interface" | "mount" => "host",
        _ => "configuration",
    }
}
