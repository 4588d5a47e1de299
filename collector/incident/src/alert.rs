//! Alert: a rule or correlation fired, and whom it speaks of.

use std::collections::BTreeMap;

use rules_event::{Level, Timestamp, field};
use serde::{Deserialize, Serialize};

use crate::moment;

/// Whom or what an alert speaks of; alerts of the same entity make one incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entity {
    /// Address the action came from (`source.ip`).
    pub source_ip: Option<String>,
    /// Account (`user.name`).
    pub user: Option<String>,
    /// Host it happened on (`host.name`).
    pub host: Option<String>,
    /// Further fields by their ECS names, such as `url.path`.
    pub others: BTreeMap<String, String>,
}

impl Entity {
    /// Returns the entity of a correlation's group: pairs of ECS field name and value.
    #[must_use]
    pub fn from_group(group: &[(String, String)]) -> Self {
        let mut entity = Self::default();
        for (name, value) in group {
            entity.set(name, value);
        }
        entity
    }

    /// Sets one field by its ECS name; an empty value is left out.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        match name {
            field::SOURCE_IP => self.source_ip = Some(value.into()),
            field::USER_NAME => self.user = Some(value.into()),
            field::AGENT_HOST | field::HOST_NAME => self.host = Some(value.into()),
            other => {
                self.others.insert(other.into(), value.into());
            }
        }
    }

    /// Returns the pairs of ECS field name and value, sorted by name.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let named = [
            (field::SOURCE_IP, &self.source_ip),
            (field::USER_NAME, &self.user),
            (field::AGENT_HOST, &self.host),
        ];
        let mut pairs: Vec<_> = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .chain(self.others.iter().map(|(name, value)| (name.clone(), value.clone())))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        pairs.sort();
        pairs
    }

    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }
}

/// A rule or correlation fired. The same id always means the same happening: recording it again
/// updates it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Identity; the caller makes it deterministic, so that a replay names the same alert.
    pub id: String,
    /// The rule or correlation.
    pub rule_id: String,
    /// Title in English.
    pub title: String,
    /// Title in Vietnamese; empty means that the English one is shown.
    pub title_vi: String,
    /// How serious.
    #[serde(with = "moment::level")]
    pub level: Level,
    /// ATT&CK techniques, such as `T1110.001`.
    pub techniques: Vec<String>,
    /// ATT&CK version the techniques are taken from; may be empty.
    pub attack_version: String,
    /// Whom it speaks of.
    pub entity: Entity,
    /// Time of the first event.
    #[serde(with = "moment")]
    pub first: Timestamp,
    /// Time of the last event.
    #[serde(with = "moment")]
    pub last: Timestamp,
    /// How many events stand behind it (may exceed the listed ids).
    pub count: u64,
    /// Ids of the events behind it, first ones first.
    pub event_ids: Vec<String>,
    /// Ids of the agents that saw it.
    pub agents: Vec<String>,
    /// Organisation code of the agency.
    pub organization: Option<String>,
    /// The information system it is of, by its id in the register.
    #[serde(default)]
    pub system: Option<String>,
    /// Group of incident, `N1` to `N9`.
    pub incident_type: Option<String>,
    /// What to do, in Vietnamese.
    pub runbook_vi: Option<String>,
    /// What to do, in English.
    pub runbook_en: Option<String>,
    /// One line for people: what was seen.
    pub summary: String,
    /// Nothing of it may leave the house: its rule says `forward: never`.
    #[serde(default)]
    pub never_forward: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_becomes_named_fields_and_back() {
        let group = [("url.path", "/x"), ("source.ip", "203.0.113.9"), ("user.name", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let entity = Entity::from_group(&group);
        assert_eq!(entity.source_ip.as_deref(), Some("203.0.113.9"));
        assert_eq!(entity.user, None);
        let names: Vec<_> = entity.pairs().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["source.ip", "url.path"]);
        assert!(Entity::default().is_empty());
    }
}
