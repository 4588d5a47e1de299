//! From harmless events to a selection: the fields that they share and attacks do not.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rules_event::{Event, ValueRef, field};
use rules_matcher::taxonomy;
use rules_sigma::{Logsource, Pattern, Rule};

use crate::yaml;

/// Fields by how well they say who does something, the best first.
const PREFERRED: &[&str] = &[
    field::PROCESS_PARENT_EXECUTABLE,
    field::PROCESS_EXECUTABLE,
    field::PROCESS_COMMAND_LINE,
    field::SOURCE_IP,
    field::SOURCE_ADDRESS,
    field::USER_NAME,
    field::HOST_NAME,
    field::USER_AGENT,
    field::URL_PATH,
    field::FILE_PATH,
    field::URL_DOMAIN,
    field::DESTINATION_IP,
    field::DESTINATION_PORT,
    field::PROCESS_NAME,
    field::USER_EFFECTIVE_NAME,
];

/// Fields that differ from event to event, or that hold all the others.
const VOLATILE: &[&str] = &[
    field::MESSAGE,
    field::EVENT_ORIGINAL,
    field::EVENT_DATASET,
    field::EVENT_MODULE,
    field::EVENT_KIND,
    field::PROCESS_PID,
    field::SOURCE_PORT,
    field::URL_ORIGINAL,
    field::URL_QUERY,
    field::HTTP_RESPONSE_BYTES,
];
/// Fields that this tool chain adds.
const ADDED: [&str; 4] = ["rule.", "vonglau.", "agent.", "log."];

/// Values of one field listed in a filter; more have a common beginning or are no sign.
const VALUES_MAX: usize = 10;
/// Shortest beginning that says something, in characters.
const PREFIX_CHARS_MIN: usize = 6;
/// Fields of one filter: enough to be narrow, few enough to be read.
const FIELDS_MAX: usize = 4;

/// A selection: all of its fields must fit.
pub(super) struct Proposal {
    fields: Vec<Shared>,
}

/// A field, and what the harmless events have in it.
struct Shared {
    name: String,
    sign: Sign,
}

enum Sign {
    /// One of these values.
    Values(BTreeSet<String>),
    /// A common beginning.
    Prefix(String),
}

impl Shared {
    fn fits(&self, event: &Event) -> bool {
        let Some(text) = text(event, &self.name) else { return false };
        match &self.sign {
            Sign::Values(values) => values.iter().any(|value| folded(value) == folded(&text)),
            Sign::Prefix(prefix) => folded(&text).starts_with(&folded(prefix)),
        }
    }
}

impl Proposal {
    /// Says whether the filter would take this event out.
    pub(super) fn covers(&self, event: &Event) -> bool {
        self.fields.iter().all(|field| field.fits(event))
    }

    /// Returns the filter as a Sigma document.
    ///
    /// Spec: Sigma filters specification 2.1.
    pub(super) fn document(&self, rule: &Rule, events: usize) -> String {
        let description = format!(
            "Proposed from {events} harmless events. Read it, and say here why they are harmless."
        );
        let mut text = format!(
            "title: {}\nid: {}\ndescription: {}\nlogsource:\n",
            yaml::text(&format!("Harmless: {}", rule.title)),
            uuid::Uuid::new_v4(),
            yaml::text(&description),
        );
        let Logsource { category, product, service, .. } = &rule.logsource;
        for (key, part) in [("category", category), ("product", product), ("service", service)] {
            if let Some(part) = part {
                let _ = writeln!(text, "    {key}: {}", yaml::text(part));
            }
        }
        let id = yaml::text(&rule.id);
        let _ = write!(text, "filter:\n    rules:\n        - {id}\n    harmless:\n");
        for field in &self.fields {
            let value = |text: &str| yaml::text(&Pattern::literal(text).to_string());
            let _ = match &field.sign {
                Sign::Prefix(prefix) => {
                    let key = yaml::text(&format!("{}|startswith", field.name));
                    writeln!(text, "        {key}: {}", value(prefix))
                }
                Sign::Values(values) => {
                    let list = values.iter().map(|it| format!("\n            - {}", value(it)));
                    writeln!(
                        text,
                        "        {}:{}",
                        yaml::text(&field.name),
                        list.collect::<String>()
                    )
                }
            };
        }
        text.push_str("    condition: not harmless\n");
        text
    }
}

/// Proposes the narrowest selection of few fields that fits all harmless events; `None` when they
/// share nothing. The caller checks whether it covers an attack all the same.
pub(super) fn propose(
    logsource: &Logsource,
    harmless: &[Event],
    attacks: &[(String, Event)],
) -> Option<Proposal> {
    let mut candidates: Vec<Shared> = names(logsource, harmless)
        .into_iter()
        .filter_map(|name| Some(Shared { sign: sign(&name, harmless)?, name }))
        .collect();
    let spared = |it: &Shared| attacks.iter().filter(|(_, event)| !it.fits(event)).count();
    let rank =
        |it: &Shared| PREFERRED.iter().position(|name| *name == it.name).unwrap_or(PREFERRED.len());
    // What tells most attacks from the harmless comes first.
    candidates.sort_by_key(|it| (std::cmp::Reverse(spared(it)), rank(it), it.name.clone()));
    let mut rest = candidates.split_off(candidates.len().min(FIELDS_MAX));
    let mut proposal = Proposal { fields: candidates };
    while let Some((_, attack)) = attacks.iter().find(|(_, event)| proposal.covers(event)) {
        let Some(index) = rest.iter().position(|it| !it.fits(attack)) else { break };
        proposal.fields.push(rest.remove(index));
    }
    (!proposal.fields.is_empty()).then_some(proposal)
}

/// Returns the names of fields that every event has and that a filter can name.
fn names(logsource: &Logsource, events: &[Event]) -> Vec<String> {
    let Some((first, others)) = events.split_first() else { return Vec::new() };
    first
        .fields()
        .map(|(name, _)| name.to_owned())
        .filter(|name| !VOLATILE.contains(&name.as_str()))
        .filter(|name| !ADDED.iter().any(|start| name.starts_with(start)))
        // A key of Sigma cannot hold a bar, and a name that is mapped would mean another field.
        .filter(|name| !name.contains('|') && taxonomy::field_name(logsource, name) == *name)
        .filter(|name| text(first, name).is_some())
        .filter(|name| others.iter().all(|event| text(event, name).is_some()))
        .collect()
}

/// Returns what the events have in common in a field.
fn sign(name: &str, events: &[Event]) -> Option<Sign> {
    let texts: Vec<String> = events.iter().filter_map(|event| text(event, name)).collect();
    let values: BTreeSet<String> = texts.iter().cloned().collect();
    if values.len() <= VALUES_MAX {
        return Some(Sign::Values(values));
    }
    let first = texts.first()?;
    let common =
        |other: &String| first.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let chars = texts.iter().map(common).min()?;
    let prefix: String = first.chars().take(chars).collect();
    (chars >= PREFIX_CHARS_MIN).then_some(Sign::Prefix(prefix))
}

/// Returns a field as text; `None` for what no text test can see.
fn text(event: &Event, name: &str) -> Option<String> {
    let value = event.get(name).and_then(ValueRef::to_text)?;
    (!value.is_empty()).then(|| value.into_owned())
}

fn folded(text: &str) -> String {
    text.chars().map(rules_sigma::fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fields: &[(&'static str, &'static str)]) -> Event {
        let mut event = Event::default();
        fields.iter().for_each(|(name, value)| event.set(*name, *value));
        event
    }

    #[test]
    fn what_tells_attacks_from_the_harmless_comes_first() {
        let harmless: Vec<Event> = ["a", "b"]
            .map(|path| event(&[("source.ip", "10.0.0.1"), ("url.path", path), ("message", path)]))
            .into();
        let attack = ("x".to_owned(), event(&[("source.ip", "192.0.2.1"), ("url.path", "A")]));
        let proposal = propose(&Logsource::default(), &harmless, &[attack]).unwrap();
        let names: Vec<&str> = proposal.fields.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["source.ip", "url.path"]);
        assert!(harmless.iter().all(|event| proposal.covers(event)));
        assert!(propose(&Logsource::default(), &[event(&[("message", "a")])], &[]).is_none());
    }

    #[test]
    fn many_values_become_their_common_beginning() {
        const PATHS: [&str; 11] = [
            "/health/0",
            "/health/1",
            "/health/2",
            "/health/3",
            "/health/4",
            "/health/5",
            "/health/6",
            "/health/7",
            "/health/8",
            "/health/9",
            "/health/x",
        ];
        let harmless: Vec<Event> = PATHS.map(|path| event(&[("url.path", path)])).into();
        let proposal = propose(&Logsource::default(), &harmless, &[]).unwrap();
        assert!(proposal.covers(&event(&[("url.path", "/HEALTH/y")])));
        assert!(!proposal.covers(&event(&[("url.path", "/healt")])));
    }
}
