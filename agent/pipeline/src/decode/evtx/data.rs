//! Data: the values of an event, under their own names and under those of ECS.

use rules_event::{Event, Value};
use rules_matcher::taxonomy::{Mapping, mapping};
use rules_sigma::Logsource;
use serde_json::Value as Json;

use super::{Head, plain, scalar};

/// Most values of one event; the log itself holds fewer than a hundred.
const VALUES_MAX: usize = 512;

/// Deepest nesting followed in `UserData`.
const DEPTH_MAX: usize = 8;

/// Longest summary for people, bytes.
const SUMMARY_BYTES_MAX: usize = 8 << 10;

/// Values by name, in the event's order; unnamed ones apart.
#[derive(Default)]
pub(super) struct Data {
    named: Vec<(String, Value)>,
    unnamed: Vec<Value>,
}

impl Data {
    /// Takes in `EventData` or `UserData`.
    pub(super) fn collect(&mut self, part: &Json) {
        self.element(part, 0);
    }

    fn element(&mut self, element: &Json, depth: usize) {
        let Json::Object(parts) = element else { return };
        for (name, value) in parts {
            if name.starts_with('#') || depth >= DEPTH_MAX || self.named.len() >= VALUES_MAX {
                continue;
            }
            let value = plain(value);
            // The crate numbers elements of one name: Data, Data_1 …
            let is_unnamed = name == "Data" || is_numbered(name);
            match value {
                Json::Array(values) => {
                    let values = values.iter().map(plain).filter_map(scalar).take(VALUES_MAX);
                    if is_unnamed {
                        self.unnamed.extend(values);
                    } else {
                        self.named.push((tidy(name), Value::List(values.collect())));
                    }
                }
                Json::Object(_) => self.element(value, depth + 1),
                value => {
                    if let Some(value) = scalar(value) {
                        if is_unnamed {
                            self.unnamed.push(value);
                        } else {
                            self.named.push((tidy(name), value));
                        }
                    }
                }
            }
        }
    }

    /// Returns a value by its own name.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Returns a text that says something: `-` is Windows' word for nothing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && *text != "-")
    }

    /// Sets everything.
    pub(super) fn set(&mut self, event: &mut Event, head: &Head<'_>) {
        if !self.unnamed.is_empty() {
            for (index, value) in self.unnamed.iter().enumerate() {
                event.set(format!("winlog.event_data.param{}", index + 1), value.clone());
            }
            event.set("winlog.event_data.Data", Value::List(self.unnamed.clone()));
            if head.service == "powershell-classic" {
                self.classic();
            }
        }
        self.hashes();
        let sources = sources(head);
        for (name, value) in &self.named {
            for source in &sources {
                let (ecs, how) = mapping(source, name);
                // The first of two names for one place counts: the new process, not its creator.
                if how == Mapping::Row && event.get(&ecs).is_none() {
                    event.set(ecs.into_owned(), value.clone());
                }
            }
        }
        for (name, value) in std::mem::take(&mut self.named) {
            event.set(format!("winlog.event_data.{name}"), value.clone());
            self.named.push((name, value));
        }
    }

    /// `SHA1=…,MD5=…,IMPHASH=…` of Sysmon: each by the name that Sigma has for it.
    fn hashes(&mut self) {
        let Some(hashes) = self.text("Hashes") else { return };
        let hashes: Vec<_> = hashes
            .split(',')
            .filter_map(|hash| {
                let (name, value) = hash.split_once('=')?;
                Some((name.to_ascii_lowercase(), Value::text(value)))
            })
            .collect();
        for (name, value) in hashes {
            if ["md5", "sha1", "sha256", "imphash"].contains(&name.as_str()) {
                self.named.push((name, value));
            }
        }
    }

    /// The classic PowerShell log has `Name=Value` lines in its last text.
    fn classic(&mut self) {
        let Some(text) = self.unnamed.last().and_then(Value::as_str) else { return };
        let lines: Vec<_> = text
            .lines()
            .filter_map(|line| {
                let (name, value) = line.trim().split_once('=')?;
                let is_name =
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                is_name.then(|| (name.to_owned(), Value::text(value)))
            })
            .take(VALUES_MAX)
            .collect();
        self.named.extend(lines);
    }

    /// Returns a line for people, and for rules that look for words.
    pub(super) fn summary(&self, head: &Head<'_>) -> String {
        let mut text = format!("{} {}:", head.provider, head.code);
        for (name, value) in &self.named {
            text.push_str(&format!(" {name}={value}"));
            if text.len() > SUMMARY_BYTES_MAX {
                break;
            }
        }
        for value in &self.unnamed {
            if text.len() > SUMMARY_BYTES_MAX {
                break;
            }
            text.push_str(&format!(" {value}"));
        }
        if text.len() > SUMMARY_BYTES_MAX {
            let cut = (0..=SUMMARY_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(cut.unwrap_or_default());
        }
        text
    }
}

/// Without the spaces that Defender's names have.
fn tidy(name: &str) -> String {
    name.chars().filter(|letter| *letter != ' ').collect()
}

fn is_numbered(name: &str) -> bool {
    name.strip_prefix("Data_").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The logsources a rule for this event may have: the special one first.
fn sources(head: &Head<'_>) -> Vec<Logsource> {
    let source = |category: Option<&str>, service: Option<&str>| Logsource {
        category: category.map(str::to_owned),
        product: Some("windows".to_owned()),
        service: service.map(str::to_owned),
        ..Logsource::default()
    };
    let mut sources = Vec::with_capacity(2);
    if let Some(category) = category(head) {
        sources.push(source(Some(category), None));
    }
    sources.push(source(None, Some(head.service).filter(|service| !service.is_empty())));
    sources
}

/// Sigma's category, where it names data differently than the rest of Windows does.
fn category(head: &Head<'_>) -> Option<&'static str> {
    match (head.service, head.code.as_str()) {
        ("sysmon", "1") | ("security", "4688") => Some("process_creation"),
        ("sysmon", "6") => Some("driver_load"),
        ("sysmon", "7") => Some("image_load"),
        ("powershell", "4104") => Some("ps_script"),
        ("powershell", "4103") => Some("ps_module"),
        ("powershell-classic", "400") => Some("ps_classic_start"),
        ("powershell-classic", "600") => Some("ps_classic_provider_start"),
        ("powershell-classic", "800") => Some("ps_classic_script"),
        _ => None,
    }
}
