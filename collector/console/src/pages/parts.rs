//! Parts that several pages show: due times, events, entities.

use std::time::Duration;

use collector_incident::{Deadline, DeadlineState, Incident, Policy};
use collector_store::StoredEvent;
use rules_event::{Timestamp, field};
use serde_json::{Map, Value as Json};

use crate::language::{Language, Messages};
use crate::moment::{Shown, shown, shown_exactly};

/// The longest line of an event shown on a page, in characters; the API sends all of it.
const ORIGINAL_LENGTH_MAX: usize = 4000;

/// A due time and how it stands.
pub(crate) struct Due {
    pub(crate) at: Shown,
    pub(crate) text: String,
    pub(crate) class: &'static str,
}

impl Due {
    pub(crate) fn of(deadline: &Deadline, m: &Messages, now: Timestamp) -> Self {
        let (text, class) = match deadline.state {
            DeadlineState::Met => (m.met.to_owned(), "good"),
            DeadlineState::MetLate => (format!("{} ({})", m.met, m.overdue), "bad"),
            DeadlineState::Overdue => {
                (format!("{}: {}", m.overdue, span(now.since(deadline.due), m)), "bad")
            }
            DeadlineState::Soon => {
                (format!("{} {}", m.left, span(deadline.due.since(now), m)), "level-high")
            }
            DeadlineState::Running => {
                (format!("{} {}", m.left, span(deadline.due.since(now), m)), "soft")
            }
        };
        Self { at: shown(deadline.due), text, class }
    }
}

/// Returns the deadline of an incident that is not met and due first.
pub(crate) fn next_due(incident: &Incident, policy: &Policy, now: Timestamp) -> Option<Deadline> {
    let deadlines = policy.deadlines(incident, now).into_iter();
    deadlines.filter(|deadline| deadline.met_at.is_none()).min_by_key(|deadline| deadline.due)
}

/// Returns a span in words, to two units.
pub(crate) fn span(span: Duration, m: &Messages) -> String {
    let minutes = span.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} {}", m.minutes),
        (0, _) => format!("{hours} {} {minutes} {}", m.hours, m.minutes),
        _ => format!("{days} {} {hours} {}", m.days, m.hours),
    }
}

/// An incident as a row or a heading.
pub(crate) struct Head {
    pub(crate) number: String,
    pub(crate) level: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) status: &'static str,
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) entity: Vec<(String, String)>,
    pub(crate) detected: Shown,
    pub(crate) due: Option<Due>,
    pub(crate) assignee: Option<String>,
    pub(crate) exercise: bool,
    /// Title of the rule because of which nothing of it may be forwarded.
    pub(crate) kept_by: Option<String>,
}

impl Head {
    pub(crate) fn of(one: &Incident, policy: &Policy, lang: Language, now: Timestamp) -> Self {
        let m = lang.messages();
        let title = lang.pick(&one.title_vi, &one.title_en);
        let other = lang.other().pick(&one.title_vi, &one.title_en);
        Self {
            number: one.number.clone(),
            level: one.severity.as_str(),
            severity: m.level(one.severity),
            status: m.status(one.status),
            title: title.to_owned(),
            subtitle: if other == title { String::new() } else { other.to_owned() },
            entity: one.entity.pairs(),
            detected: shown(one.detected_at),
            due: next_due(one, policy, now).map(|deadline| Due::of(&deadline, m, now)),
            assignee: one.assignee.clone(),
            exercise: one.exercise,
            kept_by: one.kept_by.as_ref().map(|by| lang.pick(&by.title_vi, &by.title).to_owned()),
        }
    }
}

/// An event on a timeline.
pub(crate) struct EventPart {
    pub(crate) at: Shown,
    pub(crate) host: String,
    pub(crate) action: String,
    pub(crate) original: String,
    pub(crate) rules: Vec<String>,
    pub(crate) fields: Vec<(String, String)>,
}

impl EventPart {
    pub(crate) fn of(stored: &StoredEvent) -> Self {
        let event = &stored.event;
        let text = |name| event.get(name).map(|value| value.to_string()).unwrap_or_default();
        let original = event.get_str(field::EVENT_ORIGINAL);
        let original = original.or_else(|| event.get_str(field::MESSAGE)).unwrap_or_default();
        let outcome = text(field::EVENT_OUTCOME);
        let action = format!("{} {outcome}", text(field::EVENT_ACTION));
        let own = [("event.id".to_owned(), event.id.clone())].into_iter();
        let fields = event.fields().filter(|(name, _)| *name != field::EVENT_ORIGINAL);
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_string()));
        Self {
            at: shown_exactly(event.time),
            host: text(field::AGENT_HOST),
            action: action.trim().to_owned(),
            original: original.chars().take(ORIGINAL_LENGTH_MAX).collect(),
            rules: event.rule_ids().map(str::to_owned).collect(),
            fields: own.chain(fields).collect(),
        }
    }
}

/// Returns what a journal entry says, as people read it.
pub(crate) fn facts(detail: &Json) -> String {
    let Some(object) = detail.as_object() else { return String::new() };
    if let Some(text) = object.get("text").and_then(Json::as_str) {
        return text.to_owned();
    }
    let mut lines = Vec::new();
    said(&mut lines, "", object);
    lines.join("\n")
}

/// Writes one line a fact; inner objects with dotted names, absent facts not at all.
fn said(lines: &mut Vec<String>, prefix: &str, object: &Map<String, Json>) {
    for (name, value) in object {
        match value {
            Json::Null => {}
            Json::String(text) if text.is_empty() => {}
            Json::String(text) => lines.push(format!("{prefix}{name}: {text}")),
            Json::Object(inner) => said(lines, &format!("{prefix}{name}."), inner),
            other => lines.push(format!("{prefix}{name}: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{EN, VI};

    #[test]
    fn spans_are_short() {
        assert_eq!(span(Duration::from_secs(59), &VI), "0 phút");
        assert_eq!(span(Duration::from_secs(3 * 3600 + 20 * 60), &VI), "3 giờ 20 phút");
        assert_eq!(span(Duration::from_secs(50 * 3600), &EN), "2 d 2 h");
    }

    #[test]
    fn journal_facts_are_readable() {
        let moved = serde_json::json!({"from": "new", "to": "triage", "reason": null, "note": ""});
        assert_eq!(facts(&moved), "from: new\nto: triage");
        assert_eq!(facts(&serde_json::json!({"text": "xong"})), "xong");
        let created = serde_json::json!({"entity": {"user": null, "source_ip": "203.0.113.9"}});
        assert_eq!(facts(&created), "entity.source_ip: 203.0.113.9");
    }
}
