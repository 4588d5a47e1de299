//! `import`: what a folder of foreign rules, such as a SigmaHQ checkout, would give us.

mod copy;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use rules_matcher::taxonomy::{self, Mapping};
use rules_service::exit::Exit;
use rules_sigma::{Body, Diagnostic, Logsource, Rule, Severity, Test, codes};

use crate::args::{Format, ImportArgs};
use crate::target::Target;

/// Coverage of a folder.
#[derive(Default)]
struct Coverage {
    files: usize,
    rules: usize,
    correlations: usize,
    /// Files of which at least one document is left out.
    refused_files: BTreeSet<String>,
    /// Errors by code.
    errors: BTreeMap<&'static str, Findings>,
    /// Warnings by code.
    warnings: BTreeMap<&'static str, Findings>,
    logsources: BTreeMap<String, LogsourceUse>,
    /// Field names that no table knows, by logsource and name, with the number of rules.
    unmapped_fields: BTreeMap<(String, String), usize>,
    /// Field names that are known.
    mapped_fields: BTreeSet<String>,
    techniques: BTreeSet<String>,
    /// Those that the shipped rules do not have.
    new_techniques: BTreeSet<String>,
}

/// Findings of one code.
struct Findings {
    count: usize,
    files: BTreeSet<String>,
    first: String,
}

/// How many rules speak of a logsource, and whether anything here yields its events.
#[derive(Default)]
struct LogsourceUse {
    rules: usize,
    mapped: bool,
}

pub(crate) fn run(args: &ImportArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let folder = std::slice::from_ref(&args.folder);
    let target = Target::load(folder)?;
    let coverage = cover(&target, rules_pack::rule_files(folder)?.files.len())?;
    match args.format {
        Format::Text => report::text(&coverage, out)?,
        Format::Json => report::json(&coverage, out)?,
    }
    if let Some(to) = &args.out {
        let copied = copy::copy(&args.folder, to, &loaded_and_mapped(&target, &coverage))?;
        if args.format == Format::Text {
            writeln!(out, "{copied} files copied to {}\n{}", to.display(), copy::LICENCE_NOTE)?;
        }
    }
    let any = coverage.rules + coverage.correlations > 0;
    Ok(if any { Exit::Done } else { Exit::Problems })
}

fn cover(target: &Target, files: usize) -> anyhow::Result<Coverage> {
    let mut coverage = Coverage {
        files,
        rules: target.set.rules().len(),
        correlations: target.correlations.len(),
        ..Coverage::default()
    };
    for diagnostic in &target.diagnostics {
        let list = match diagnostic.severity {
            Severity::Error => {
                coverage.refused_files.insert(diagnostic.file.clone());
                &mut coverage.errors
            }
            Severity::Warning | Severity::Note => &mut coverage.warnings,
        };
        let found = list.entry(diagnostic.code).or_insert_with(|| Findings {
            count: 0,
            files: BTreeSet::new(),
            first: first(diagnostic),
        });
        found.count += 1;
        found.files.insert(diagnostic.file.clone());
    }
    let idle: BTreeSet<(&str, usize)> = target
        .diagnostics
        .iter()
        .filter(|it| it.code == codes::UNMAPPED_LOGSOURCE)
        .map(|it| (it.file.as_str(), it.span.line))
        .collect();
    for rule in target.set.rules() {
        let name = logsource(&rule.logsource);
        let mapped = !idle.contains(&(rule.file.as_str(), rule.logsource.span.line));
        let used = coverage.logsources.entry(name.clone()).or_default();
        used.rules += 1;
        used.mapped = mapped;
        coverage.techniques.extend(rule.techniques());
        for field in fields(rule) {
            if is_known(&rule.logsource, &field) {
                coverage.mapped_fields.insert(field);
            } else {
                *coverage.unmapped_fields.entry((name.clone(), field)).or_default() += 1;
            }
        }
    }
    coverage.techniques.extend(target.correlations.iter().flat_map(|it| it.techniques()));
    let shipped = rules_pack::load(true, &[])?;
    let mut have: BTreeSet<String> = shipped.rules.iter().flat_map(Rule::techniques).collect();
    have.extend(shipped.correlations.iter().flat_map(|it| it.techniques()));
    coverage.new_techniques = coverage.techniques.difference(&have).cloned().collect();
    Ok(coverage)
}

/// Returns the files whose documents all load and of which some events here can match each rule.
fn loaded_and_mapped<'t>(target: &'t Target, coverage: &Coverage) -> BTreeSet<&'t Path> {
    let rules = target.set.rules().iter();
    let idle = |rule: &&Rule| {
        coverage.logsources.get(&logsource(&rule.logsource)).is_some_and(|it| !it.mapped)
    };
    let idle: BTreeSet<&str> = rules.clone().filter(idle).map(|rule| rule.file.as_str()).collect();
    rules
        .map(|rule| rule.file.as_str())
        .chain(target.correlations.iter().map(|it| it.file.as_str()))
        .filter(|file| !idle.contains(file) && !coverage.refused_files.contains(*file))
        .map(Path::new)
        .collect()
}

fn first(diagnostic: &Diagnostic) -> String {
    format!("{}:{}: {}", diagnostic.file, diagnostic.span.line, diagnostic.message)
}

/// Returns a logsource as `product/category/service`, a dash for what is absent.
fn logsource(it: &Logsource) -> String {
    [&it.product, &it.category, &it.service].map(|part| part.as_deref().unwrap_or("-")).join("/")
}

/// Returns the names of all fields that a rule looks at, each once.
fn fields(rule: &Rule) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for search in &rule.detection.searches {
        collect(&search.body, &mut found);
    }
    found
}

fn collect(body: &Body, found: &mut BTreeSet<String>) {
    match body {
        Body::All(parts) | Body::Any(parts) => parts.iter().for_each(|part| collect(part, found)),
        Body::Item(item) => {
            found.extend(item.field.clone());
            for test in &item.tests {
                if let Test::Field { field, .. } = test {
                    found.insert(field.clone());
                }
            }
        }
    }
}

/// Says whether a table knows the name; others are looked for as they are written.
fn is_known(logsource: &Logsource, name: &str) -> bool {
    taxonomy::mapping(logsource, name).1 != Mapping::AsIs
}
