//! `test`: the cases beside each rule.

mod beside;
mod report;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use rules_service::exit::Exit;
use rules_sigma::{Case, Diagnostic, Severity, codes, parse_cases};

use crate::args::TestArgs;
use crate::paint::Paint;
use crate::target::Target;

pub(crate) use beside::case_file;

/// A rule or correlation under test.
struct Subject {
    id: String,
    name: String,
    title: String,
    file: String,
    kind: Kind,
    line: usize,
    source: std::sync::Arc<str>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Index in the rule set.
    Rule(usize),
    Correlation,
}

/// What came of one rule's cases.
#[derive(Default)]
struct Outcome {
    matches: usize,
    does_not_match: usize,
    /// Names of the cases, and whether they came out as they say.
    cases: Vec<(String, Option<Diagnostic>)>,
    /// What is wrong with the case file itself.
    unreadable: Vec<Diagnostic>,
}

impl Outcome {
    fn failures(&self) -> impl Iterator<Item = &Diagnostic> {
        self.unreadable.iter().chain(self.cases.iter().filter_map(|(_, wrong)| wrong.as_ref()))
    }

    fn failed(&self) -> bool {
        self.failures().next().is_some()
    }

    fn missing(&self) -> bool {
        self.cases.is_empty() && self.unreadable.is_empty()
    }
}

/// What came of all cases.
struct Results {
    rules: Vec<(Subject, Outcome)>,
    /// Errors in the rules themselves.
    broken: Vec<Diagnostic>,
    allow_missing: bool,
}

impl Results {
    fn failed(&self) -> usize {
        self.rules.iter().filter(|(_, outcome)| outcome.failed()).count()
    }

    fn missing(&self) -> usize {
        self.rules.iter().filter(|(_, outcome)| outcome.missing()).count()
    }

    fn sound(&self) -> bool {
        self.failed() == 0 && self.broken.is_empty() && (self.allow_missing || self.missing() == 0)
    }
}

pub(crate) fn run(args: &TestArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    // A rule file named alone is loaded with its neighbours, to which a correlation may refer.
    let context: Vec<PathBuf> = args.paths.iter().map(|path| folder_of(path)).collect();
    let results = test_all(&Target::load(&context)?, args)?;
    report::print(&results, args.format, paint, out)?;
    Ok(if results.sound() { Exit::Done } else { Exit::Problems })
}

/// Prints what fails and the summary, without the rules that pass and without what is wrong in the
/// rules themselves, which `check` has shown.
pub(crate) fn run_quietly(
    args: &TestArgs,
    paint: Paint,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let context: Vec<PathBuf> = args.paths.iter().map(|path| folder_of(path)).collect();
    let results = test_all(&Target::load(&context)?, args)?;
    report::print_quietly(&results, paint, out)
}

fn test_all(target: &Target, args: &TestArgs) -> anyhow::Result<Results> {
    let files = rules_pack::rule_files(&args.paths)?.files;
    let named: HashSet<PathBuf> = files.iter().map(|path| real(path)).collect();
    let under_test = |file: &str| named.is_empty() || named.contains(&real(Path::new(file)));
    let wanted = |subject: &Subject| {
        let texts = [&subject.name, &subject.title, &subject.id].map(|it| it.to_lowercase());
        let inside = |name: &String| {
            let name = name.to_lowercase();
            texts.iter().any(|text| text.contains(&name))
        };
        args.names.is_empty() || args.names.iter().any(inside)
    };
    let broken = |it: &&Diagnostic| it.severity == Severity::Error && under_test(&it.file);
    let mut broken: Vec<Diagnostic> = target.diagnostics.iter().filter(broken).cloned().collect();
    // Beside a file that is named alone stand cases that are not its own.
    if args.names.is_empty() && args.paths.iter().all(|path| path.is_dir()) {
        broken.extend(beside::orphans(&files));
    }
    let subjects = subjects(target);
    let mut outcomes = Vec::new();
    for subject in &subjects {
        let chosen = under_test(&subject.file) && wanted(subject);
        let outcome = chosen.then(|| test(subject, &subjects, target, args.paths.is_empty()));
        outcomes.push(outcome.transpose()?);
    }
    let rules: Vec<(Subject, Outcome)> = subjects
        .into_iter()
        .zip(outcomes)
        .filter_map(|(it, outcome)| Some((it, outcome?)))
        .collect();
    anyhow::ensure!(
        !rules.is_empty() || args.names.is_empty(),
        "no rule here has '{}' in its name, title or id",
        args.names.join("' or '")
    );
    Ok(Results { rules, broken, allow_missing: args.allow_missing })
}

/// Returns the path under which a file is known whatever it is called.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if path.is_file() && parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) if path.is_file() => parent.to_owned(),
        _ => path.to_owned(),
    }
}

fn subjects(target: &Target) -> Vec<Subject> {
    let rules = target.set.rules().iter().enumerate().map(|(index, rule)| Subject {
        id: rule.id.clone(),
        name: rule.name.clone().unwrap_or_else(|| rule.title.clone()),
        title: rule.title.clone(),
        file: rule.file.clone(),
        kind: Kind::Rule(index),
        line: rule.line,
        source: rule.source.clone(),
    });
    let correlations = target.correlations.iter().map(|it| Subject {
        id: it.id.clone(),
        name: it.name.clone().unwrap_or_else(|| it.title.clone()),
        title: it.title.clone(),
        file: it.file.clone(),
        kind: Kind::Correlation,
        line: it.line,
        source: it.source.clone(),
    });
    let mut subjects: Vec<Subject> = rules.chain(correlations).collect();
    subjects.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    subjects
}

fn test(
    subject: &Subject,
    all: &[Subject],
    target: &Target,
    shipped: bool,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let Some((file, text)) = case_file(&subject.file, shipped)? else { return Ok(outcome) };
    let (cases, diagnostics) = parse_cases(&file, &text);
    outcome.unreadable = diagnostics;
    let together: Vec<&Subject> = all.iter().filter(|it| it.file == subject.file).collect();
    let whole = |it: &&Diagnostic| it.file == subject.file && it.severity == Severity::Error;
    // Said once a file, and not about rules that are left out because they are broken.
    if together.first().is_some_and(|first| first.id == subject.id)
        && !target.diagnostics.iter().any(|it| whole(&it))
    {
        let list: Vec<&Case> = cases.matches.iter().chain(&cases.does_not_match).collect();
        outcome.unreadable.extend(beside::strangers(&file, &text, &list, &together));
    }
    let of_subject = |case: &&Case| {
        case.rule.as_ref().is_none_or(|rule| *rule == subject.id || *rule == subject.name)
    };
    for (expected, list) in [(true, &cases.matches), (false, &cases.does_not_match)] {
        for case in list.iter().filter(of_subject) {
            let count = if expected { &mut outcome.matches } else { &mut outcome.does_not_match };
            *count += 1;
            let wrong = match subject.kind {
                Kind::Rule(index) => test_rule(index, case, expected, target),
                Kind::Correlation => test_correlation(&subject.id, case, expected, target),
            };
            let wrong = wrong.map(|reason| {
                let severity = Severity::Error;
                let found =
                    Diagnostic::in_text(&file, &text, codes::FAILED_CASE, severity, case.span);
                let verb =
                    if expected { "must match and does not" } else { "must not match and does" };
                found.saying(format!("'{}' {verb}", case.name), reason)
            });
            outcome.cases.push((case.name.clone(), wrong));
        }
    }
    Ok(outcome)
}

/// Returns why the case fails, if it does.
fn test_rule(index: usize, case: &Case, expected: bool, target: &Target) -> Option<String> {
    let mut hits = Vec::new();
    for event in &case.events {
        target.set.hits(event, &mut hits);
        if hits.contains(&index) != expected {
            return Some(format!("\n{}", target.set.why(index, event)));
        }
    }
    None
}

fn test_correlation(id: &str, case: &Case, expected: bool, target: &Target) -> Option<String> {
    let (mut correlator, _) = target.correlator();
    let rules = target.set.rules();
    let mut hits = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fired = Vec::new();
    for event in &case.events {
        target.set.hits(event, &mut hits);
        let ids: Vec<&str> = hits.iter().map(|index| rules[*index].id.as_str()).collect();
        for index in &hits {
            let rule = &rules[*index];
            *counts.entry(rule.name.as_deref().unwrap_or(&rule.id)).or_default() += 1;
        }
        fired.extend(
            correlator.observe(event, &ids).into_iter().filter(|it| it.correlation_id == id),
        );
    }
    fired.extend(correlator.finish().into_iter().filter(|it| it.correlation_id == id));
    let in_group = |it: &&rules_correlate::Fired| {
        case.expect_group
            .as_ref()
            .is_none_or(|group| group.iter().all(|pair| it.group.contains(pair)))
    };
    let held = fired.iter().any(|it| in_group(&it));
    if held == expected {
        return None;
    }
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name} {count}×")).collect();
    let hits = if counts.is_empty() {
        "no rule hit".into()
    } else {
        format!("hits: {}", counts.join(", "))
    };
    let groups: Vec<String> = fired.iter().map(|it| format!("{:?}", it.group)).collect();
    let fired = match groups.first() {
        None => "it never fired".to_owned(),
        Some(group) => format!("it fired {} times, first for {group}", groups.len()),
    };
    Some(format!("{} events; {hits}; {fired}", case.events.len()))
}

fn no_cases(subject: &Subject) -> Diagnostic {
    let span = Diagnostic::key_span(&subject.source, subject.line, "title");
    let severity = Severity::Warning;
    Diagnostic::in_text(&subject.file, &subject.source, codes::NO_CASES, severity, span).saying(
        format!("'{}' has no cases", subject.name),
        "write NAME.case.yml beside it, with 'matches:' and 'does_not_match:'",
    )
}
