//! Told: what a host's own correlation fired for, as the event that tells the collector of it.
//!
//! Written by the agent and read by the collector, which keeps its alert under the same key. The form
//! is described in `docs/spec/agent-alerts.md`.

use std::time::Duration;

use rules_event::{Event, Level, Timestamp, Value, ValueRef, field};
use rules_sigma::Custom;
use serde::{Deserialize, Serialize};

use crate::{EVENT_IDS_MAX, Fired, Witness};

/// The dataset of such events.
pub const DATASET: &str = "vonglau.correlation";
/// At most so many original lines go with one: those that led to it first, and the last ones.
pub const LINES_MAX: usize = 6;
/// A line is cut at so many bytes: most of ours are shorter, and six of them do not make an alert large.
pub const LINE_BYTES_MAX: usize = 512;
/// More group fields than this are none of ours.
const GROUP_MAX: usize = 64;

const KEY: &str = "vonglau.correlation.key";
const REVISION: &str = "vonglau.correlation.revision";
const COUNT: &str = "vonglau.correlation.count";
const DISTINCT: &str = "vonglau.correlation.distinct";
const MEASURE: &str = "vonglau.correlation.measure";
const ERROR: &str = "vonglau.correlation.error";
const TIMESPAN: &str = "vonglau.correlation.timespan_seconds";
const FORWARD: &str = "vonglau.correlation.forward";
const NEVER: &str = "never";
const GROUP: &str = "vonglau.correlation.group";
const VALUES: &str = "vonglau.correlation.values";
const EVENT_IDS: &str = "vonglau.correlation.event_ids";
const LINES: &str = "vonglau.correlation.lines";

/// A text of a [`Guide`] is cut at so many bytes: three times the longest runbook of the shipped rules.
pub const GUIDE_BYTES_MAX: usize = 4096;

/// What a rule says to those who work on its alerts, in the words of `rules_sigma::Custom`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Guide {
    /// Title in Vietnamese.
    pub title_vi: Option<String>,
    /// Incident type of the national form, `N1` to `N9`.
    pub incident_type: Option<String>,
    /// Version of ATT&CK its techniques are of.
    pub attack_version: Option<String>,
    /// What to do next, in Vietnamese.
    pub runbook_vi: Option<String>,
    /// The same in English.
    pub runbook_en: Option<String>,
}

impl Guide {
    /// Returns that of a rule.
    #[must_use]
    pub fn of(custom: &Custom) -> Self {
        let Custom { title_vi, incident_type, attack_version, runbook_vi, runbook_en, .. } =
            custom.clone();
        Self { title_vi, incident_type, attack_version, runbook_vi, runbook_en }
    }

    /// Returns what is known of the rule by it.
    #[must_use]
    pub fn custom(&self) -> Custom {
        let Self { title_vi, incident_type, attack_version, runbook_vi, runbook_en } = self.clone();
        Custom {
            title_vi,
            incident_type,
            attack_version,
            runbook_vi,
            runbook_en,
            ..Custom::default()
        }
    }

    /// Its texts with the fields that carry them.
    fn texts(&mut self) -> [(&'static str, &mut Option<String>); 5] {
        [
            ("vonglau.correlation.title_vi", &mut self.title_vi),
            ("vonglau.correlation.incident_type", &mut self.incident_type),
            ("vonglau.correlation.attack_version", &mut self.attack_version),
            ("vonglau.correlation.runbook_vi", &mut self.runbook_vi),
            ("vonglau.correlation.runbook_en", &mut self.runbook_en),
        ]
    }
}

/// A firing with what its reader may not know of the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What fired. Its witness is the host and agent that tell.
    pub fired: Fired,
    /// How often it was told before.
    pub revision: u64,
    /// Title of the correlation.
    pub title: String,
    /// Its level.
    pub level: Level,
    /// ATT&CK techniques, such as `T1110.001`.
    pub techniques: Vec<String>,
    /// The length of its window.
    pub timespan: Duration,
    /// Nothing of it may be forwarded: its rule says so, or one that it counts.
    pub never_forward: bool,
    /// What the rule says to those who work on it. Empty for a rule that the reader has.
    pub guide: Guide,
    /// Original lines of some of its hits, oldest first; at most [`LINES_MAX`].
    pub lines: Vec<String>,
}

impl Told {
    /// Returns one line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        self.fired.summary(&self.title)
    }

    /// Sets all of it in an event, whose time becomes that of the last hit. What the agent says of
    /// itself (`agent.id`, `host.name`, `organization.id`) must be there already: a group field of the
    /// same name does not replace it.
    pub fn write(&self, event: &mut Event) {
        let Fired { group, event_ids, witness, .. } = &self.fired;
        event.time = self.fired.last;
        event.set_text(field::EVENT_KIND, "alert");
        event.set_text(field::EVENT_MODULE, "vonglau");
        event.set_text(field::EVENT_DATASET, DATASET);
        event.set_text(field::EVENT_CATEGORY, "intrusion_detection");
        event.set_text("event.start", &self.fired.first.to_string());
        event.set_text("event.end", &self.fired.last.to_string());
        event.set_text(field::MESSAGE, &self.summary());
        event.set(field::RULE_ID, texts([&self.fired.correlation_id]));
        event.set_text("rule.name", &self.title);
        event.set_text(field::VONGLAU_LEVEL, self.level.as_str());
        if !self.techniques.is_empty() {
            event.set("threat.technique.id", texts(&self.techniques));
        }
        for (name, value) in group.iter() {
            // Names that an alias made up are no field names.
            if name.contains('.') && event.get(name).is_none() {
                event.set_text(name.clone(), value);
            }
        }
        if let Some(user) = &witness.user
            && event.get(field::USER_NAME).is_none()
        {
            event.set_text(field::USER_NAME, user);
        }
        if let Some(system) = &witness.system {
            event.set_text(field::VONGLAU_SYSTEM_ID, system);
        }
        event.set_text(KEY, &self.fired.key);
        event.set(REVISION, int(self.revision));
        event.set(COUNT, int(self.fired.count));
        if self.fired.values > 0 {
            event.set(DISTINCT, int(self.fired.values));
        }
        if let Some(measure) = self.fired.measure {
            event.set(MEASURE, Value::Float(measure));
        }
        if self.fired.estimated {
            event.set(ERROR, Value::Float(self.fired.error));
        }
        event.set(TIMESPAN, int(self.timespan.as_secs()));
        if self.never_forward {
            event.set_text(FORWARD, NEVER);
        }
        for (name, text) in self.guide.clone().texts() {
            if let Some(text) = text {
                event.set_text(name, cut(text));
            }
        }
        event.set(GROUP, texts(group.iter().map(|(name, _)| name)));
        event.set(VALUES, texts(group.iter().map(|(_, value)| value)));
        event.set(EVENT_IDS, texts(event_ids.iter()));
        if !self.lines.is_empty() {
            event.set(LINES, texts(&self.lines));
        }
    }

    /// Reads such an event; `None` for any other, and for one whose parts are missing.
    #[must_use]
    pub fn read(event: &Event) -> Option<Self> {
        if event.get_str(field::EVENT_DATASET) != Some(DATASET) {
            return None;
        }
        let owned = |name: &str| event.get_str(name).map(str::to_owned);
        let time = |name: &str| event.get_str(name)?.parse::<Timestamp>().ok();
        let number = |name: &str| event.get(name)?.as_int()?.try_into().ok();
        let float = |name: &str| match event.get(name)? {
            ValueRef::Float(number) => Some(number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a whole number that JSON wrote without a dot"
            )]
            ValueRef::Int(number) => Some(number as f64),
            _ => None,
        };
        let names: Vec<String> = list(event, GROUP, GROUP_MAX);
        let values: Vec<String> = list(event, VALUES, GROUP_MAX);
        if names.len() != values.len() {
            return None;
        }
        let witness = Witness {
            agent: owned(field::AGENT_ID),
            organization: owned(field::ORGANIZATION_ID),
            system: owned(field::VONGLAU_SYSTEM_ID),
            host: owned(field::AGENT_HOST),
            user: owned(field::USER_NAME),
        };
        let error = float(ERROR);
        let fired = Fired {
            correlation_id: event.rule_ids().next()?.to_owned(),
            group: names.into_iter().zip(values).collect(),
            first: time("event.start")?,
            last: event.time,
            count: number(COUNT)?,
            values: number(DISTINCT).unwrap_or(0),
            measure: float(MEASURE),
            estimated: error.is_some(),
            error: error.unwrap_or(0.0),
            event_ids: list(event, EVENT_IDS, EVENT_IDS_MAX),
            witness,
            key: owned(KEY)?,
        };
        let mut guide = Guide::default();
        guide.texts().into_iter().for_each(|(name, text)| *text = owned(name));
        let level = event.get_str(field::VONGLAU_LEVEL)?.parse().ok()?;
        Some(Self {
            fired,
            revision: number(REVISION).unwrap_or(0),
            title: owned("rule.name")?,
            level,
            techniques: list(event, "threat.technique.id", GROUP_MAX),
            timespan: Duration::from_secs(number(TIMESPAN).unwrap_or(0)),
            never_forward: event.get_str(FORWARD) == Some(NEVER),
            guide,
            lines: list(event, LINES, LINES_MAX),
        })
    }
}

impl Fired {
    /// Returns one line for people, under the title of its rule.
    #[must_use]
    pub fn summary(&self, title: &str) -> String {
        let group: Vec<String> =
            self.group.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let about = if self.estimated { "about " } else { "" };
        let distinct = if self.values > 0 {
            format!(", {about}{} distinct", self.values)
        } else {
            String::new()
        };
        let measure =
            self.measure.map(|measure| format!(", measured {measure}")).unwrap_or_default();
        format!("{title}: {about}{} events{distinct}{measure}, {}", self.count, group.join(" "))
    }
}

/// Returns as much of a text as an event carries.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(GUIDE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn int(number: u64) -> Value {
    Value::from(i64::try_from(number).unwrap_or(i64::MAX))
}

fn texts<T: AsRef<str>>(all: impl IntoIterator<Item = T>) -> Value {
    Value::List(all.into_iter().map(|text| Value::text(text.as_ref())).collect())
}

/// Returns the texts of a list; one text alone counts as a list of one.
fn list<C: FromIterator<String>>(event: &Event, name: &str, max: usize) -> C {
    let all = event.get(name).into_iter().flat_map(ValueRef::items);
    all.take(max).filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        let group: [(String, String); 2] =
            [("source.ip", "203.0.113.9"), ("who", "root")].map(|(a, b)| (a.into(), b.into()));
        Told {
            fired: Fired {
                correlation_id: "brute".into(),
                group: group.into(),
                first: Timestamp::from_seconds(1_795_248_600),
                last: Timestamp::from_nanos(1_795_248_660_250_000_000),
                count: 12,
                values: 3,
                measure: Some(2.0),
                estimated: true,
                error: 0.06,
                event_ids: ["e1".to_owned(), "e2".to_owned()].into(),
                witness: Witness {
                    agent: Some("a1".into()),
                    organization: Some("H49".into()),
                    system: Some("lgsp".into()),
                    host: Some("web".into()),
                    user: Some("root".into()),
                },
                key: "0f".repeat(16),
            },
            revision: 2,
            title: "Đăng nhập sai nhiều lần".into(),
            level: Level::High,
            techniques: vec!["T1110".into()],
            timespan: Duration::from_secs(120),
            never_forward: true,
            guide: Guide {
                title_vi: Some("Dò mật khẩu".into()),
                incident_type: Some("N4".into()),
                attack_version: Some("19".into()),
                runbook_vi: None,
                runbook_en: Some("Block the address.".into()),
            },
            lines: vec!["a line".into()],
        }
    }

    #[test]
    fn what_is_told_is_understood() {
        let mut event = Event::new(Timestamp::default(), "id".into());
        for (name, value) in
            [(field::AGENT_ID, "a1"), (field::AGENT_HOST, "web"), (field::ORGANIZATION_ID, "H49")]
        {
            event.set_text(name, value);
        }
        told().write(&mut event);
        assert_eq!(Told::read(&event), Some(told()));
        assert_eq!(event.get_str(field::SOURCE_IP), Some("203.0.113.9"));
        assert_eq!(event.get("who"), None, "an alias is no field");
        assert_eq!(event.get_str(field::AGENT_HOST), Some("web"));
        assert_eq!(event.time, told().fired.last);
        assert_eq!(event.get_str(field::EVENT_KIND), Some("alert"));
        // JSON makes a whole number of 2.0.
        event.set(MEASURE, 2_i64);
        assert_eq!(Told::read(&event), Some(told()));
        for needed in [KEY, COUNT, "event.start", "rule.name", field::RULE_ID, field::VONGLAU_LEVEL]
        {
            let mut without = event.clone();
            without.remove(needed);
            assert_eq!(Told::read(&without), None, "{needed}");
        }
        event.set_text(field::EVENT_DATASET, "json");
        assert_eq!(Told::read(&event), None);
        let mut long = told();
        long.guide.runbook_vi = Some("ộ".repeat(GUIDE_BYTES_MAX));
        let mut event = Event::new(Timestamp::default(), "id".into());
        long.write(&mut event);
        let runbook = Told::read(&event).and_then(|told| told.guide.runbook_vi);
        assert_eq!(runbook, Some("ộ".repeat(GUIDE_BYTES_MAX / 3)), "whole letters");
    }
}
