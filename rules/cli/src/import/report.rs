//! Coverage as text and as JSON.

use std::collections::BTreeMap;
use std::io::Write;

use rules_sigma::codes;
use serde_json::{Value, json};

use super::{Coverage, Findings};
use crate::paint::safe;

/// Logsources and fields listed in the text; JSON has all.
const LISTED_MAX: usize = 20;

pub(super) fn text(coverage: &Coverage, out: &mut dyn Write) -> anyhow::Result<()> {
    let Coverage { files, rules, correlations, .. } = coverage;
    let refused = coverage.refused_files.len();
    writeln!(out, "{files} files: {rules} rules and {correlations} correlations load")?;
    match refused {
        0 => writeln!(out, "nothing is refused")?,
        _ => writeln!(out, "{refused} files with something refused, by code:")?,
    }
    findings(&coverage.errors, out)?;
    if !coverage.warnings.is_empty() {
        writeln!(out, "warnings, by code:")?;
        findings(&coverage.warnings, out)?;
    }
    for mapped in [true, false] {
        let mut list: Vec<(&String, usize)> = coverage
            .logsources
            .iter()
            .filter(|(_, used)| used.mapped == mapped)
            .map(|(name, used)| (name, used.rules))
            .collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let rules: usize = list.iter().map(|(_, rules)| rules).sum();
        let what =
            if mapped { "with events here" } else { "without events here: their rules idle" };
        writeln!(out, "{} logsources {what} ({rules} rules)", list.len())?;
        let lines = list.iter().map(|(name, rules)| format!("{rules:>6}  {name}"));
        listed(lines.collect(), out)?;
    }
    let unmapped: usize = coverage.unmapped_fields.len();
    writeln!(
        out,
        "{} field names known; {unmapped} in no table, looked for as they are written",
        coverage.mapped_fields.len()
    )?;
    let mut list: Vec<_> = coverage.unmapped_fields.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let lines = list.iter().map(|((log, name), rules)| format!("{rules:>6}  {name} ({log})"));
    listed(lines.collect(), out)?;
    let (all, new) = (coverage.techniques.len(), coverage.new_techniques.len());
    writeln!(out, "{all} ATT&CK techniques, {new} of them not in the shipped rules")?;
    Ok(())
}

fn findings(list: &BTreeMap<&'static str, Findings>, out: &mut dyn Write) -> anyhow::Result<()> {
    for (code, found) in list {
        let meaning = codes::meaning(code).unwrap_or_default();
        writeln!(out, "{:>6}  {code} {meaning}; first: {}", found.count, safe(&found.first))?;
    }
    Ok(())
}

fn listed(lines: Vec<String>, out: &mut dyn Write) -> anyhow::Result<()> {
    for line in lines.iter().take(LISTED_MAX) {
        writeln!(out, "{}", safe(line))?;
    }
    if lines.len() > LISTED_MAX {
        writeln!(out, "        … and {} more; --format json lists all", lines.len() - LISTED_MAX)?;
    }
    Ok(())
}

pub(super) fn json(coverage: &Coverage, out: &mut dyn Write) -> anyhow::Result<()> {
    let logsources: Vec<Value> = coverage
        .logsources
        .iter()
        .map(
            |(name, used)| json!({ "logsource": name, "rules": used.rules, "mapped": used.mapped }),
        )
        .collect();
    let fields: Vec<Value> = coverage
        .unmapped_fields
        .iter()
        .map(|((log, name), rules)| json!({ "logsource": log, "field": name, "rules": rules }))
        .collect();
    let report = json!({
        "files": coverage.files,
        "rules": coverage.rules,
        "correlations": coverage.correlations,
        "refused_files": coverage.refused_files,
        "errors": by_code(&coverage.errors),
        "warnings": by_code(&coverage.warnings),
        "logsources": logsources,
        "fields": { "mapped": coverage.mapped_fields, "unmapped": fields },
        "techniques": coverage.techniques,
        "techniques_not_shipped": coverage.new_techniques,
    });
    writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

fn by_code(list: &BTreeMap<&'static str, Findings>) -> Value {
    list.iter()
        .map(|(code, it)| {
            let value = json!({ "findings": it.count, "files": it.files.len(), "first": it.first });
            ((*code).to_owned(), value)
        })
        .collect::<serde_json::Map<String, Value>>()
        .into()
}
