//! Real events and rules: the cases of the shipped rules, Elastic's test documents, SigmaHQ's rules.

use std::path::{Path, PathBuf};

use rules_event::{Event, Timestamp, Value};
use rules_matcher::taxonomy;
use rules_sigma::{Document, Rule, parse_file};

/// The most events of one case: sequences for correlations repeat themselves.
const CASE_EVENTS_MAX: usize = 5;
/// The most documents of one file that are taken.
const DOCUMENTS_MAX: usize = 100;

fn data() -> PathBuf {
    std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    )
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: nothing at {}", folder.display());
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn rules(name: &str, text: &str) -> impl Iterator<Item = Rule> + use<> {
    parse_file(name, text).documents.into_iter().filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
    })
}

/// Returns the shipped rules.
pub(crate) fn shipped() -> Vec<Rule> {
    rules_pack::shipped().iter().flat_map(|(name, text)| rules(name, text)).collect()
}

/// Returns the public rules that speak of one of these datasets, or all for no dataset; none, with a
/// word on standard error, where they are not.
pub(crate) fn public(datasets: &[&str]) -> Vec<Rule> {
    let mut paths = Vec::new();
    files(&data().join("sigma_rules/rules"), ".yml", &mut paths);
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let speaks = |rule: &Rule| {
        let source = taxonomy::source(&rule.logsource);
        datasets.is_empty()
            || source.datasets.iter().any(|dataset| datasets.contains(&dataset.as_ref()))
    };
    paths.iter().flat_map(|path| rules("public.yml", &read(path))).filter(speaks).collect()
}

/// Returns SigmaHQ's regression rules, and events of Windows under the names of our taxonomy, with
/// the number of the rule that each is to hit.
pub(crate) fn regression() -> (Vec<Rule>, Vec<(usize, Event)>) {
    let folder = data().join("sigma_regression");
    let mut paths = Vec::new();
    files(&folder.join("rules"), ".yml", &mut paths);
    let (mut all, mut events) = (Vec::new(), Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(rule) = rules("regression.yml", &text).next() else { continue };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let lines = std::fs::read_to_string(folder.join("events").join(name + ".jsonl")).unwrap();
        let documents = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
        events.extend(documents.map(|json| (all.len(), windows(&json, &rule))));
        all.push(rule);
    }
    (all, events)
}

/// Returns an event of Windows as docs/spec/taxonomy.md says that decoders make it.
fn windows(json: &serde_json::Value, rule: &Rule) -> Event {
    let system = &json["Event"]["System"];
    let mut event = Event::new(Timestamp::default(), String::new());
    let channel = system["Channel"].as_str().unwrap_or_default();
    let dataset = taxonomy::CHANNELS.iter().find(|one| one.names.contains(&channel));
    event.set("event.dataset", dataset.map_or("windows.other", |one| one.dataset));
    event.set("winlog.channel", channel.to_owned());
    let provider = system["Provider"]["#attributes"]["Name"].as_str().unwrap_or_default();
    event.set("winlog.provider_name", provider.to_owned());
    let code = &system["EventID"];
    let code = if code.is_object() { &code["#text"] } else { code };
    event.set("event.code", code.to_string().trim_matches('"').to_owned());
    let data = ["EventData", "UserData"].iter().filter_map(|part| json["Event"][part].as_object());
    for (name, json) in data.flatten() {
        let name = name.replace(' ', "");
        flatten(format!("winlog.event_data.{name}"), json.clone(), &mut event);
        let ecs = taxonomy::field_name(&rule.logsource, &name).into_owned();
        flatten(ecs, json.clone(), &mut event);
    }
    event
}

/// Returns the events of all cases of the shipped rules.
pub(crate) fn cases() -> Vec<Event> {
    let mut events = Vec::new();
    for (name, text) in rules_pack::shipped_cases() {
        let (cases, _) = rules_sigma::parse_cases(name, text);
        for case in cases.matches.iter().chain(&cases.does_not_match) {
            events.extend(case.events.iter().take(CASE_EVENTS_MAX).cloned());
        }
    }
    events
}

/// Returns Elastic's documents: decoded as Elastic decodes, which is flat ECS.
pub(crate) fn beats() -> Vec<Event> {
    let mut paths = Vec::new();
    files(&data().join("beats_ecs"), "-expected.json", &mut paths);
    let mut events = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        let Ok(serde_json::Value::Array(documents)) = serde_json::from_str(&text) else { continue };
        for document in documents.into_iter().take(DOCUMENTS_MAX) {
            let serde_json::Value::Object(document) = document else { continue };
            let mut event = Event::new(Timestamp::default(), String::new());
            for (name, json) in document {
                flatten(name, json, &mut event);
            }
            events.push(event);
        }
    }
    events
}

fn flatten(name: String, json: serde_json::Value, event: &mut Event) {
    use serde_json::Value as Json;
    fn value(json: Json) -> Value {
        match json {
            Json::Bool(flag) => Value::Bool(flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Value::from(text),
            Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
            Json::Null | Json::Object(_) => Value::Null,
        }
    }
    match json {
        Json::Object(object) => {
            for (key, json) in object {
                flatten(format!("{name}.{key}"), json, event);
            }
        }
        json => event.set(name, value(json)),
    }
}
