//! The rules and events that are measured: files handed to the bench, never part of the project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

/// The text of one rule file.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    /// Path below the folder of rules.
    pub name: String,
    pub text: String,
}

/// Where an event comes from, in Sigma's words. An absent part is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Source {
    pub product: String,
    pub service: String,
    pub category: String,
}

/// One event: where it comes from, and its fields as JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub source: Source,
    pub json: String,
}

/// Returns the folder of test data: `VONGLAU_TEST_DATA`, or the one beside the checkout.
pub(crate) fn data() -> PathBuf {
    std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    )
}

/// Returns all public rules, in the order of their paths.
pub(crate) fn rules() -> Result<Vec<RuleText>> {
    rules_in(&data().join("sigma_rules/rules"))
}

fn rules_in(root: &Path) -> Result<Vec<RuleText>> {
    let mut paths = Vec::new();
    collect(root, &mut paths).with_context(|| format!("no rules under {}", root.display()))?;
    paths.sort();
    let texts = paths.iter().map(|path| {
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        Ok(RuleText { name, text: std::fs::read_to_string(path)? })
    });
    texts.collect()
}

/// Returns the rules whose logsource names Linux as the product.
pub(crate) fn linux(rules: &[RuleText]) -> Vec<RuleText> {
    let of_linux = |text: &str| {
        let mut inside = false;
        text.lines().any(|line| {
            if !line.starts_with([' ', '#']) {
                inside = line.starts_with("logsource:");
            }
            inside && line.trim() == "product: linux"
        })
    };
    rules.iter().filter(|rule| of_linux(&rule.text)).cloned().collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "yml") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Returns the events of a file of `product TAB service TAB category TAB {json}` lines.
pub(crate) fn events(name: &str) -> Result<Vec<Line>> {
    let path = data().join("engine").join(name);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("no events: {}", path.display()))?;
    let lines = text.lines().map(|line| {
        let mut parts = line.splitn(4, '\t').map(str::to_owned);
        let mut part = || parts.next().context("a line has fewer than four columns");
        let source = Source { product: part()?, service: part()?, category: part()? };
        Ok(Line { source, json: part()? })
    });
    let lines: Vec<Line> = lines.collect::<Result<_>>()?;
    ensure!(!lines.is_empty(), "{} is empty", path.display());
    Ok(lines)
}

/// Returns the rules that have recorded samples.
pub(crate) fn regression_rules() -> Result<Vec<RuleText>> {
    rules_in(&data().join("sigma_regression/rules"))
}

/// Returns the recorded samples, each as if from where every rule with samples looks: so that each
/// rule is tried on each sample.
pub(crate) fn regression_events() -> Result<Vec<Line>> {
    let folder = data().join("sigma_regression");
    let manifest: Vec<Json> =
        serde_json::from_str(&std::fs::read_to_string(folder.join("manifest.json"))?)?;
    let part =
        |entry: &Json, name: &str| entry["logsource"][name].as_str().unwrap_or_default().to_owned();
    let mut sources = BTreeSet::new();
    let mut samples = Vec::new();
    for entry in &manifest {
        sources.insert(Source {
            product: part(entry, "product"),
            service: part(entry, "service"),
            category: part(entry, "category"),
        });
        let id = entry["rule_id"].as_str().context("a sample without a rule")?;
        let text = std::fs::read_to_string(folder.join(format!("events/{id}.jsonl")))?;
        for line in text.lines() {
            samples.push(windows_event(&serde_json::from_str(line)?));
        }
    }
    let each = sources.iter().flat_map(|source| {
        samples.iter().map(|json| Line { source: source.clone(), json: json.clone() })
    });
    Ok(each.collect())
}

/// Flattens a Windows event: the fields of `EventData` and, of `System`, those that rules use.
fn windows_event(event: &Json) -> String {
    let mut flat = serde_json::Map::new();
    let system = &event["Event"]["System"];
    for name in ["EventID", "Channel", "Computer", "Level", "Task", "Opcode", "Keywords"] {
        flat.insert(name.to_owned(), system[name].clone());
    }
    let provider = system["Provider"]["#attributes"]["Name"].clone();
    flat.insert("Provider_Name".to_owned(), provider);
    if let Json::Object(data) = &event["Event"]["EventData"] {
        let data = data.iter().filter(|(name, _)| !name.starts_with('#'));
        flat.extend(data.map(|(name, value)| (name.clone(), value.clone())));
    }
    Json::Object(flat).to_string()
}
