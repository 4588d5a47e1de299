//! From hits to alerts: what the rules and correlations say about one range of events.
//!
//! Alert ids are derived from what fired, so recording the same thing again is an update:
//! * a rule: rule id, entity, and the hour of the event (one alert an hour and entity, with a count);
//! * a correlation: its id, its group and the slot its window ended in (the correlator's `key`). An
//!   agent that runs the same correlation over its own events tells what fires under the same key:
//!   whoever says it first, it is one alert.

use std::collections::{BTreeMap, HashMap};

use collector_incident::{Alert, Entity};
use collector_ingest::{Finding, FindingKind};
use rules_correlate::told::Told;
use rules_correlate::{Correlator, Fired, Limits, Tardy};
use rules_event::{Event, Level, Timestamp, field};
use rules_pack::Loaded;
use rules_sigma::{CorrelationKind, Custom, Diagnostic};
use uuid::Uuid;

/// Rules of this level and above alert by themselves; lower ones only feed correlations.
const ALERT_LEVEL_MIN: Level = Level::Medium;
/// One alert of a rule covers this much event time for one entity.
const RULE_WINDOW_SECONDS: i64 = 3600;
/// Set by the agent on the stub of a record that it holds back.
const QUARANTINED: &str = "vonglau.quarantined";
/// Event ids kept with an alert; its count goes on.
const EVIDENCE_MAX: usize = 100;
/// Events that are announced to the correlations together.
const AHEAD: usize = 32;
/// Name space of our alert ids (UUIDv5).
const ALERTS: Uuid = Uuid::from_bytes(*b"vonglau/alert/v1");

/// What an alert takes over from the rule that fired.
#[derive(Debug, Clone)]
struct RuleFacts {
    title: String,
    level: Level,
    techniques: Vec<String>,
    custom: Custom,
    /// A correlation of steps in order: its last event is the outcome, and says on which host and
    /// as whom. Alerts about these then join the same incident.
    ordered: bool,
    /// Only a correlation in its own file speaks for it: see [`Loaded::silent`].
    silent: bool,
    /// Nothing of its alerts may leave the house: see [`Loaded::never_forwarded`].
    never_forward: bool,
}

/// How the count of an alert is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    /// Events of this range, to be added to what is stored.
    Added,
    /// All events of the window, replacing what is stored.
    Total,
}

/// Rules, correlations and their memory.
pub(crate) struct Detector {
    rules: HashMap<String, RuleFacts>,
    correlator: Correlator,
}

impl Detector {
    /// Returns a detector for loaded rules, and what is wrong with their correlations.
    pub(crate) fn new(loaded: Loaded) -> (Self, Vec<Diagnostic>) {
        let (silent, names) = (loaded.silent(), loaded.ids_by_name());
        let kept = loaded.never_forwarded();
        let mut rules = HashMap::new();
        for rule in &loaded.rules {
            let facts = RuleFacts {
                title: rule.title.clone(),
                level: rule.level,
                techniques: rule.techniques(),
                custom: rule.custom.clone(),
                ordered: false,
                silent: silent.contains(&rule.id),
                never_forward: kept.contains(&rule.id),
            };
            rules.insert(rule.id.clone(), facts);
        }
        for correlation in &loaded.correlations {
            let facts = RuleFacts {
                title: correlation.title.clone(),
                level: correlation.level,
                techniques: correlation.techniques(),
                custom: correlation.custom.clone(),
                ordered: correlation.kind == CorrelationKind::TemporalOrdered,
                silent: silent.contains(&correlation.id),
                never_forward: kept.contains(&correlation.id),
            };
            rules.insert(correlation.id.clone(), facts);
        }
        let (correlator, problems) =
            Correlator::new(loaded.correlations, &names, Limits::default());
        (Self { rules, correlator }, problems)
    }

    /// Returns how far back hits must be replayed to rebuild the memory of correlations.
    pub(crate) fn memory(&self) -> std::time::Duration {
        self.correlator.replay_span()
    }

    /// Returns what the correlations hold, and what they gave up or got out of time.
    pub(crate) fn load(&self) -> Load {
        Load {
            groups: self.correlator.keys(),
            bytes: self.correlator.bytes(),
            evicted: self.correlator.evicted(),
            tardy: self.correlator.tardy(),
        }
    }

    /// Says what time it is: event times far beyond it are not believed.
    pub(crate) fn clock(&mut self, now: Timestamp) {
        self.correlator.clock(now);
    }

    /// Feeds an event to the correlations without raising anything: used to rebuild their memory.
    pub(crate) fn remember(&mut self, event: &Event) {
        let ids: Vec<&str> = event.rule_ids().collect();
        self.correlator.observe(event, &ids);
    }

    /// Returns the alerts that the events give rise to, merged by id.
    pub(crate) fn judge<'a>(
        &mut self,
        events: impl Iterator<Item = &'a Event>,
    ) -> BTreeMap<String, (Alert, Tally)> {
        let mut alerts = BTreeMap::new();
        let mut events = events.map(|event| (event, event.rule_ids().collect())).peekable();
        while events.peek().is_some() {
            let next: Vec<(&Event, Vec<&str>)> = events.by_ref().take(AHEAD).collect();
            self.correlator.expect(next.iter().map(|(event, ids)| (*event, ids.as_slice())));
            for (event, ids) in &next {
                match Told::read(event) {
                    Some(told) => self.judge_told(event, &told, &mut alerts),
                    None => {
                        ids.iter().for_each(|id| self.judge_hit(event, id, &mut alerts));
                    }
                }
                // An event that no rule hit still says how far time has come.
                let fired = match ids.is_empty() {
                    true => self.correlator.advance(event.time),
                    false => self.correlator.observe(event, ids),
                };
                for fired in fired {
                    self.judge_fired(&fired, &mut alerts);
                }
            }
        }
        alerts
    }

    fn judge_hit(
        &self,
        event: &Event,
        rule_id: &str,
        alerts: &mut BTreeMap<String, (Alert, Tally)>,
    ) {
        let Some(facts) = self.rules.get(rule_id) else { return };
        if facts.level < ALERT_LEVEL_MIN || facts.silent {
            return;
        }
        let entity = entity_of(event);
        let (key, window) = facts.window_of(&entity, event);
        let slot = event.time.as_seconds().div_euclid(window);
        let id = alert_id(&format!("rule|{rule_id}|{key:?}|{slot}"));
        let (alert, _) = alerts
            .entry(id.clone())
            .or_insert_with(|| (facts.alert_of_hit(id, rule_id, entity, event), Tally::Added));
        alert.count += 1;
        alert.first = alert.first.min(event.time);
        alert.last = alert.last.max(event.time);
        add(&mut alert.event_ids, &event.id);
        add(&mut alert.agents, event.get_str(field::AGENT_ID).unwrap_or_default());
    }

    fn judge_fired(&self, fired: &Fired, alerts: &mut BTreeMap<String, (Alert, Tally)>) {
        if let Some(facts) = self.rules.get(&fired.correlation_id) {
            record_fired(facts, fired, None, alerts);
        }
    }

    /// Takes over what a correlation on a host has fired for. A rule that only the host knows is told
    /// by what the host says of it.
    fn judge_told(
        &self,
        event: &Event,
        told: &Told,
        alerts: &mut BTreeMap<String, (Alert, Tally)>,
    ) {
        let id = Some(event.id.as_str());
        match self.rules.get(&told.fired.correlation_id) {
            Some(facts) => record_fired(facts, &told.fired, id, alerts),
            // Of a rule that only the host knows.
            None => record_fired(&RuleFacts::of_told(told), &told.fired, id, alerts),
        }
    }
}

/// Merges what fired into its alert: it may be told by several hosts, and by us. `telling` is the
/// event that told it, the one piece of evidence that is always in the store.
fn record_fired(
    facts: &RuleFacts,
    fired: &Fired,
    telling: Option<&str>,
    alerts: &mut BTreeMap<String, (Alert, Tally)>,
) {
    if facts.level < ALERT_LEVEL_MIN || facts.silent {
        return;
    }
    let id = alert_id(&format!("correlation|{}", fired.key));
    let witness = &fired.witness;
    let mut entity = Entity::from_group(&fired.group);
    if facts.ordered {
        entity.set(field::AGENT_HOST, witness.host.as_deref().unwrap_or_default());
        entity.set(field::USER_NAME, witness.user.as_deref().unwrap_or_default());
    }
    let (alert, _) = alerts
        .entry(id.clone())
        .or_insert_with(|| (facts.alert(id, &fired.correlation_id, fired.first), Tally::Total));
    alert.entity = entity;
    alert.organization.clone_from(&witness.organization);
    alert.system.clone_from(&witness.system);
    if alert.count <= fired.count {
        alert.count = fired.count;
        alert.summary = fired.summary(&facts.title);
    }
    alert.first = alert.first.min(fired.first);
    alert.last = alert.last.max(fired.last);
    for id in telling.into_iter().chain(fired.event_ids.iter().map(String::as_str)) {
        add(&mut alert.event_ids, id);
    }
    add(&mut alert.agents, witness.agent.as_deref().unwrap_or_default());
}

/// What correlations hold, and what they gave up or got out of time since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) groups: usize,
    pub(crate) bytes: usize,
    pub(crate) evicted: u64,
    pub(crate) tardy: Tardy,
}

impl RuleFacts {
    /// What is known of a correlation that only the host has.
    fn of_told(told: &Told) -> Self {
        Self {
            title: told.title.clone(),
            level: told.level,
            techniques: told.techniques.clone(),
            custom: told.guide.custom(),
            ordered: false,
            silent: false,
            never_forward: told.never_forward,
        }
    }

    /// Returns what tells an alert of this rule from others, and how much event time it covers. A
    /// rule with `suppress` says so itself: its repeats add to the count of the alert, on whichever
    /// lane they came. Windows begin at fixed times, so that nothing has to be remembered and the
    /// repeat of an alert is the same alert after every restart.
    fn window_of(&self, entity: &Entity, event: &Event) -> (Vec<(String, String)>, i64) {
        let Some(suppress) = &self.custom.suppress else {
            return (entity.pairs(), RULE_WINDOW_SECONDS);
        };
        let value =
            |name: &String| event.get(name).map(|value| value.to_string()).unwrap_or_default();
        let key = suppress.by.iter().map(|name| (name.clone(), value(name)));
        (key.collect(), i64::try_from(suppress.span.as_secs().max(1)).unwrap_or(i64::MAX))
    }

    fn alert_of_hit(&self, id: String, rule_id: &str, entity: Entity, event: &Event) -> Alert {
        let quarantined = event.get(QUARANTINED) == Some(rules_event::ValueRef::Bool(true));
        let summary = match quarantined {
            true => place_of(event),
            false => event.get_str(field::MESSAGE).map(short).unwrap_or_default(),
        };
        Alert {
            summary,
            entity,
            never_forward: self.never_forward || quarantined,
            organization: event.get_str(field::ORGANIZATION_ID).map(str::to_owned),
            system: event.get_str(field::VONGLAU_SYSTEM_ID).map(str::to_owned),
            ..self.alert(id, rule_id, event.time)
        }
    }

    fn alert(&self, id: String, rule_id: &str, at: Timestamp) -> Alert {
        Alert {
            id,
            rule_id: rule_id.to_owned(),
            title: self.title.clone(),
            title_vi: self.custom.title_vi.clone().unwrap_or_default(),
            level: self.level,
            techniques: self.techniques.clone(),
            attack_version: self.custom.attack_version.clone().unwrap_or_default(),
            summary: String::new(),
            entity: Entity::default(),
            first: at,
            last: at,
            count: 0,
            event_ids: Vec::new(),
            agents: Vec::new(),
            organization: None,
            system: None,
            incident_type: self.custom.incident_type.clone(),
            runbook_vi: self.custom.runbook_vi.clone(),
            runbook_en: self.custom.runbook_en.clone(),
            never_forward: self.never_forward,
        }
    }
}

/// Returns an alert about the pipeline itself, such as a broken chain.
///
/// One alert covers an hour of one chain and kind, with a count: the same trouble months later is a
/// new alert. What nobody vouches for (a bad signature, bytes that are no record) is not put down to
/// the agent it names, or a stranger could open incidents about any agent at will.
pub(crate) fn alert_about_pipeline(finding: &Finding, titles: (&str, &str)) -> Alert {
    let proven = !matches!(finding.kind, FindingKind::BadSignature | FindingKind::Undecodable);
    let agent = finding.agent.filter(|_| proven).map(|agent| agent.to_string()).unwrap_or_default();
    let kind = finding.kind.as_str();
    let hour = finding.at.as_seconds().div_euclid(RULE_WINDOW_SECONDS);
    let place = match proven {
        true => format!("{:?}|{:?}|{:?}", finding.lane, finding.epoch, finding.batches),
        false => String::new(),
    };
    let mut entity = Entity::default();
    entity.set(field::AGENT_ID, &agent);
    if !proven {
        entity.set("vonglau.finding", kind);
    }
    Alert {
        id: alert_id(&format!("pipeline|{kind}|{agent}|{place}|{hour}")),
        rule_id: format!("vonglau-{}", kind.replace('_', "-")),
        title: titles.0.to_owned(),
        title_vi: titles.1.to_owned(),
        level: finding.kind.level(),
        // ATT&CK v19: Impair Defenses became T1685.
        techniques: vec!["T1685".to_owned()],
        attack_version: "19".to_owned(),
        entity,
        first: finding.at,
        last: finding.at,
        count: 1,
        event_ids: Vec::new(),
        agents: Some(agent).filter(|agent| !agent.is_empty()).into_iter().collect(),
        organization: None,
        system: None,
        incident_type: None,
        runbook_vi: None,
        runbook_en: None,
        never_forward: false,
        summary: finding.detail.clone(),
    }
}

/// Whom an event speaks of: the address it came from; without one, host and user.
///
/// An attacker's address is the same on every host they try, so it alone groups their alerts.
fn entity_of(event: &Event) -> Entity {
    let mut entity = Entity::default();
    if let Some(address) = event.get_str(field::SOURCE_IP) {
        entity.set(field::SOURCE_IP, address);
        return entity;
    }
    add_host_and_user(&mut entity, event);
    entity
}

fn add_host_and_user(entity: &mut Entity, event: &Event) {
    let host = event.get_str(field::AGENT_HOST).or_else(|| event.get_str(field::HOST_NAME));
    entity.set(field::AGENT_HOST, host.unwrap_or_default());
    entity.set(field::USER_NAME, event.get_str(field::USER_NAME).unwrap_or_default());
}

/// Says where the record of a stub lies: the person in charge looks there, not here.
fn place_of(event: &Event) -> String {
    let text = |name: &str| event.get(name).map(|value| value.to_string());
    let place = [
        (field::LOG_FILE_PATH, ""),
        (field::LOG_SOURCE_ADDRESS, ""),
        (field::LOG_OFFSET, "byte "),
        ("file.inode", "inode "),
        ("vonglau.quarantine.cursor", "cursor "),
        ("vonglau.quarantine.bytes", "length "),
    ];
    let known = place.iter().filter_map(|(name, what)| Some(format!("{what}{}", text(name)?)));
    format!("held back on the host / giữ lại trên máy: {}", known.collect::<Vec<_>>().join(", "))
}

fn alert_id(text: &str) -> String {
    Uuid::new_v5(&ALERTS, text.as_bytes()).to_string()
}

fn add(list: &mut Vec<String>, item: &str) {
    if !item.is_empty() && list.len() < EVIDENCE_MAX && !list.iter().any(|known| known == item) {
        list.push(item.to_owned());
    }
}

/// Cuts a line for a summary at 300 characters.
fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests;
