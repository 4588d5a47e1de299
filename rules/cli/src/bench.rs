//! `bench`: what rules cost, and how often they would alert, on sample events.

mod measure;
mod report;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::time::Duration;

use rules_event::{Event, Level, Timestamp};
use rules_matcher::taxonomy;
use rules_service::exit::Exit;
use rules_sigma::{Rule, Severity};

use crate::args::{BenchArgs, Format};
use crate::events;
use crate::progress;
use crate::target::Target;

/// Rules of this level and above raise alerts.
const ALERT_LEVEL: Level = Level::Medium;
/// A sample shorter than this says little about a day.
const SPAN_SHORT: Duration = Duration::from_secs(3600);

/// What was measured.
struct Bench {
    events: usize,
    /// Between the first and the last event.
    span: Duration,
    /// Rules left out because they are broken.
    broken: usize,
    identity: String,
    /// Nanoseconds an event of the whole set.
    set_nanos: f64,
    /// The same, when every rule of an event's logsource is tried in turn: what the matcher saves.
    scan_nanos: f64,
    rules: Vec<RuleCost>,
    correlations: Vec<CorrelationRate>,
}

/// What one rule costs and yields.
struct RuleCost {
    id: String,
    name: String,
    level: Level,
    /// Events of its logsource.
    candidates: usize,
    hits: usize,
    /// Nanoseconds an event of its logsource, alone; `None` without such events.
    nanos: Option<f64>,
}

/// How often a correlation fires.
struct CorrelationRate {
    id: String,
    name: String,
    level: Level,
    fired: usize,
}

impl Bench {
    /// Returns what a count over the sample comes to in a day; `None` when the sample has no length.
    fn a_day(&self, count: usize) -> Option<f64> {
        let days = self.span.as_secs_f64() / 86_400.0;
        (self.span >= Duration::from_secs(1)).then(|| count as f64 / days)
    }

    fn alerts(&self) -> usize {
        let rules = self.rules.iter().filter(|rule| rule.level >= ALERT_LEVEL);
        let correlations = self.correlations.iter().filter(|it| it.level >= ALERT_LEVEL);
        rules.map(|rule| rule.hits).sum::<usize>() + correlations.map(|it| it.fired).sum::<usize>()
    }
}

pub(crate) fn run(args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let target = Target::load(&args.paths)?;
    let mut events = events::read(&args.events)?;
    anyhow::ensure!(
        !target.set.rules().is_empty(),
        "no rule was loaded; see 'vonglau-rules check'"
    );
    events.sort_by_key(|event| event.time);
    for (number, event) in events.iter_mut().enumerate() {
        // Correlations count an event once by its id; events written by hand have none.
        if event.id.is_empty() {
            event.id = format!("{:032x}", number + 1);
        }
    }
    let bench = measure(&target, &events);
    match args.format {
        Format::Text => report::text(&bench, args.top, out)?,
        Format::Json => report::json(&bench, args.top, out)?,
    }
    Ok(Exit::Done)
}

fn measure(target: &Target, events: &[Event]) -> Bench {
    let rules = target.set.rules();
    let hits = measure::hits(&target.set, events);
    let bar = progress::bar(rules.len());
    let mut costs: Vec<RuleCost> = rules
        .iter()
        .zip(hits)
        .map(|(rule, hits)| {
            bar.inc(1);
            cost(rule, hits, events)
        })
        .collect();
    bar.finish_and_clear();
    costs.sort_by(|a, b| {
        let cost = |it: &RuleCost| it.nanos.unwrap_or(-1.0);
        cost(b).total_cmp(&cost(a)).then_with(|| a.name.cmp(&b.name))
    });
    let every: Vec<&Event> = events.iter().collect();
    Bench {
        events: events.len(),
        span: span(events),
        broken: target.count(Severity::Error),
        identity: target.set.identity().to_owned(),
        set_nanos: measure::nanos_an_event(&target.set, &every, measure::SET_TIME),
        scan_nanos: measure::full_scan_nanos(&target.set, &every, measure::SET_TIME),
        rules: costs,
        correlations: correlations(target, events),
    }
}

fn cost(rule: &Rule, hits: usize, events: &[Event]) -> RuleCost {
    let source = taxonomy::source(&rule.logsource);
    let own: Vec<&Event> = events.iter().filter(|event| source.admits(event)).collect();
    let (alone, _) = rules_matcher::RuleSet::compile(vec![rule.clone()]);
    let nanos =
        (!own.is_empty()).then(|| measure::nanos_an_event(&alone, &own, measure::RULE_TIME));
    let (id, level) = (rule.id.clone(), rule.level);
    let name = rule.name.clone().unwrap_or_else(|| rule.title.clone());
    RuleCost { id, name, level, candidates: own.len(), hits, nanos }
}

fn correlations(target: &Target, events: &[Event]) -> Vec<CorrelationRate> {
    let (mut correlator, _) = target.correlator();
    // An episode fires once and then says more under the same key.
    let mut episodes: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    let mut hits = Vec::new();
    for event in events {
        target.set.hits(event, &mut hits);
        let rules = target.set.rules();
        let ids: Vec<&str> =
            hits.iter().filter_map(|index| Some(rules.get(*index)?.id.as_str())).collect();
        for fired in correlator.observe(event, &ids) {
            episodes.entry(fired.correlation_id).or_default().insert(fired.key);
        }
    }
    for fired in correlator.finish() {
        episodes.entry(fired.correlation_id).or_default().insert(fired.key);
    }
    let rate = |it: &rules_sigma::Correlation| CorrelationRate {
        id: it.id.clone(),
        name: it.name.clone().unwrap_or_else(|| it.title.clone()),
        level: it.level,
        fired: episodes.get(&it.id).map_or(0, HashSet::len),
    };
    let mut rates: Vec<CorrelationRate> = target.correlations.iter().map(rate).collect();
    rates.sort_by(|a, b| b.fired.cmp(&a.fired).then_with(|| a.name.cmp(&b.name)));
    rates
}

/// Returns the time from the first to the last event; those without a time do not count.
fn span(events: &[Event]) -> Duration {
    let mut times = events.iter().map(|event| event.time).filter(|it| *it != Timestamp::default());
    match (times.next(), times.next_back()) {
        (Some(first), Some(last)) => last.since(first),
        _ => Duration::ZERO,
    }
}
