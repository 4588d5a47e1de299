//! Public rules on public events: the samples of a rule are hit, and no verdict of the compiled form
//! differs from the plain evaluator's.
//!
//! The numbers in `corpora/tally.txt` may only grow. Skips when the data is not there.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data must fail loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rules_event::{Event, Value};
use rules_matcher::{Naming, RuleSet, SourceOf};
use rules_sigma::{Document, Rule, parse_file};
use serde_json::Value as Json;

/// The numbers that may only grow: `name = number`.
const TALLY: &str = include_str!("corpora/tally.txt");
/// Rules that do not hit the event derived from them, and why they must not: `id TAB reason`.
const MISSES: &str = include_str!("corpora/synthpos_misses.txt");

/// An event under Sigma's own names, and where it is from.
struct Sample {
    source: [Option<String>; 3],
    event: Event,
}

impl Sample {
    fn source(&self) -> SourceOf<'_> {
        let [product, service, category] = &self.source;
        SourceOf {
            product: product.as_deref(),
            service: service.as_deref(),
            category: category.as_deref(),
        }
    }
}

/// Returns a folder of the test data, or says that it is not there.
fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn rules_below(folder: &Path, rules: &mut Vec<Rule>) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rules_below(&path, rules);
        } else if path.extension().is_some_and(|ending| ending == "yml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = parse_file(&path.display().to_string(), &text).documents;
            rules.extend(documents.into_iter().filter_map(|document| match document {
                Document::Rule(rule) => Some(rule),
                _ => None,
            }));
        }
    }
}

fn compile(rules: Vec<Rule>) -> RuleSet {
    let count = rules.len();
    let (set, diagnostics) = RuleSet::compile_as(rules, Naming::Sigma);
    assert_eq!(set.rules().len(), count, "a rule that was read was not compiled: {diagnostics:?}");
    set
}

/// Checks a number against the tally, which must name it.
#[track_caller]
fn tally(name: &str, found: usize) {
    let least = TALLY.lines().find_map(|line| {
        let (known, number) = line.split_once('=')?;
        (known.trim() == name).then(|| number.trim().parse::<usize>().unwrap())
    });
    let least = least.unwrap_or_else(|| panic!("tests/corpora/tally.txt does not name '{name}'"));
    assert!(found >= least, "{name}: {found}, but it was {least} before");
    if found > least {
        eprintln!("{name}: {found}, more than {least}: raise it in tests/corpora/tally.txt");
    }
}

/// Counts and shows the verdicts in which the compiled form and the plain evaluator differ.
fn differences(set: &RuleSet, samples: &[Sample]) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = samples.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts = samples.chunks(part).map(|part| scope.spawn(move || differences_in(set, part)));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    })
}

fn differences_in(set: &RuleSet, samples: &[Sample]) -> usize {
    let (mut compiled, mut plain, mut differing) = (Vec::new(), Vec::new(), 0);
    for sample in samples {
        set.hits_in(&sample.source(), &sample.event, &mut compiled);
        set.full_scan_in(&sample.source(), &sample.event, &mut plain);
        if compiled != plain {
            differing += 1;
            let ids = |hits: &[usize]| -> Vec<&str> {
                hits.iter().map(|index| set.rules()[*index].id.as_str()).collect()
            };
            let (compiled, plain) = (ids(&compiled), ids(&plain));
            eprintln!("compiled {compiled:?}, plain {plain:?} on {:?}", sample.event);
        }
    }
    differing
}

/// Reads `product TAB service TAB category TAB {json}`.
fn engine_samples(path: &Path) -> Vec<Sample> {
    let text = std::fs::read_to_string(path).unwrap();
    let sample = |line: &str| {
        let mut parts = line.splitn(4, '\t').map(str::to_owned);
        let mut source = || parts.next().filter(|part| !part.is_empty());
        let source = [source(), source(), source()];
        let mut event = Event::default();
        flatten("", serde_json::from_str(&parts.next().unwrap()).unwrap(), &mut event);
        Sample { source, event }
    };
    text.lines().map(sample).collect()
}

/// Sets the members of an object as fields, those of nested ones under dotted names.
fn flatten(prefix: &str, json: Json, event: &mut Event) {
    let Json::Object(object) = json else { panic!("not an object: {json}") };
    for (key, value) in object {
        let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Json::Object(_) => flatten(&name, value, event),
            value => event.set(name, scalar(value)),
        }
    }
}

fn scalar(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::String(text) => text.into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::Array(values) => Value::List(values.into_iter().map(scalar).collect()),
        Json::Object(_) => json.to_string().into(),
    }
}

/// A Windows event as JSON: what `EventData` or `UserData` holds are the fields of the rules, and of
/// `System` those that the taxonomy names.
///
/// Spec: Sigma taxonomy appendix 2.1, "Specific" (fields of the Windows event log keep their names;
/// `Provider_Name` stands for `System.Provider.Name`).
fn windows_event(json: &Json) -> Event {
    let mut event = Event::default();
    let system = &json["Event"]["System"];
    for name in ["EventID", "Channel", "Computer", "Level", "Task", "Opcode", "Keywords"] {
        // An identifier with qualifiers is an object whose text holds the number.
        let value = match &system[name] {
            Json::Object(object) => object.get("#text").cloned().unwrap_or_default(),
            value => value.clone(),
        };
        event.set(name, scalar(value));
    }
    event.set("Provider_Name", scalar(system["Provider"]["#attributes"]["Name"].clone()));
    for part in ["EventData", "UserData"] {
        if let Json::Object(object) = &json["Event"][part] {
            for (name, value) in object.iter().filter(|(name, _)| !name.starts_with('#')) {
                match value {
                    Json::Object(_) => flatten("", value.clone(), &mut event),
                    value => event.set(name.clone(), scalar(value.clone())),
                }
            }
        }
    }
    event
}

#[test]
fn the_samples_of_a_rule_are_hit_as_often_as_they_should_be() {
    let Some(folder) = data("sigma_regression") else { return };
    let mut rules = Vec::new();
    rules_below(&folder.join("rules"), &mut rules);
    let set = compile(rules);
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Vec<Json> = serde_json::from_str(&manifest).unwrap();
    let mut samples = Vec::new();
    let (mut exactly, mut once) = (0, 0);
    for entry in &manifest {
        let id = entry["rule_id"].as_str().unwrap();
        let rule = set.position(id).unwrap_or_else(|| panic!("rule {id} was not read"));
        let part = |name: &str| entry["logsource"][name].as_str().map(str::to_owned);
        let text = std::fs::read_to_string(folder.join(format!("events/{id}.jsonl"))).unwrap();
        let (mut matched, mut hits) = (0, Vec::new());
        for line in text.lines() {
            let event = windows_event(&serde_json::from_str(line).unwrap());
            let source = [part("product"), part("service"), part("category")];
            let sample = Sample { source, event };
            set.hits_in(&sample.source(), &sample.event, &mut hits);
            matched += u64::from(hits.contains(&rule));
            samples.push(sample);
        }
        let expected = entry["expected_match_count"].as_u64();
        let right = expected.map_or(matched > 0, |expected| matched == expected);
        if !right {
            eprintln!("{id}: {matched} of {} events, expected {expected:?}", text.lines().count());
        }
        exactly += usize::from(right);
        once += usize::from(matched > 0);
    }
    tally("regression rules that hit as often as expected", exactly);
    tally("regression rules that hit at all", once);
    // Each rule on every event, as if each were from where the rule looks.
    let sources: BTreeMap<_, _> =
        samples.iter().map(|sample| (sample.source.clone(), ())).collect();
    let mut differing = 0;
    for source in sources.into_keys() {
        for sample in &mut samples {
            sample.source.clone_from(&source);
        }
        differing += differences(&set, &samples);
    }
    assert_eq!(differing, 0, "verdicts that differ from the plain evaluator's");
}

#[test]
fn all_rules_agree_with_the_plain_evaluator_on_a_mixture_of_linux_events() {
    let Some(set) = public_rules() else { return };
    let Some(folder) = data("engine") else { return };
    let samples = engine_samples(&folder.join("linmix.tsv"));
    assert_eq!(differences(set, &samples), 0, "verdicts that differ from the plain evaluator's");
    tally("linmix events compared", samples.len());
}

#[test]
fn rules_hit_the_events_derived_from_them_or_have_a_reason_not_to() {
    let Some(set) = public_rules() else { return };
    let Some(folder) = data("engine") else { return };
    let samples = engine_samples(&folder.join("synthpos.tsv"));
    assert_eq!(differences(set, &samples), 0, "verdicts that differ from the plain evaluator's");
    let reasons: BTreeMap<&str, &str> =
        MISSES.lines().filter_map(|line| line.split_once('\t')).collect();
    let expected = std::fs::read_to_string(folder.join("synthpos.exp")).unwrap();
    let (mut hit, mut hits, mut unexplained) = (0, Vec::new(), Vec::new());
    for (sample, id) in samples.iter().zip(expected.lines()) {
        // Some are derived from rules that are not in this collection.
        let Some(rule) = set.position(id) else { continue };
        set.hits_in(&sample.source(), &sample.event, &mut hits);
        if hits.contains(&rule) {
            hit += 1;
            if reasons.contains_key(id) {
                eprintln!("{id} is hit: take it out of tests/corpora/synthpos_misses.txt");
            }
        } else if !reasons.contains_key(id) {
            unexplained.push(format!("{}", set.why(rule, &sample.event)));
        }
    }
    assert!(unexplained.is_empty(), "misses without a reason:\n{}", unexplained.join("\n"));
    tally("synthpos rules that hit their event", hit);
}

/// The public rules, compiled once for all tests.
fn public_rules() -> Option<&'static RuleSet> {
    static SET: OnceLock<Option<RuleSet>> = OnceLock::new();
    let set = SET.get_or_init(|| {
        let mut rules = Vec::new();
        rules_below(&data("sigma_rules")?.join("rules"), &mut rules);
        tally("public rules read", rules.len());
        Some(compile(rules))
    });
    set.as_ref()
}
