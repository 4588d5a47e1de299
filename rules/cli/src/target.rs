//! Target: the rules a command is about, loaded and compiled.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use rules_correlate::{Correlator, Limits};
use rules_matcher::RuleSet;
use rules_pack::Loaded;
use rules_sigma::{Correlation, Diagnostic, Severity};

use crate::misspelt;
use crate::nearest;
use crate::progress;

/// The largest event or case file read: 16 MiB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest rule file, the bound of the rule language: 1 MiB.
const RULE_BYTES_MAX: u64 = 1024 * 1024;
/// Entries of a folder looked at for what stands beside a file.
const BESIDE_MAX: usize = 10_000;
/// What standard input is called in messages.
const STDIN_NAME: &str = "<stdin>";

/// Rules ready to be asked.
pub(crate) struct Target {
    pub(crate) set: RuleSet,
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Ids by name, of rules and correlations.
    pub(crate) names: HashMap<String, String>,
    /// Files that were not named and only stand beside those that were.
    context: HashSet<String>,
}

impl Target {
    /// Loads the shipped rules when no path is given, and otherwise only what is named; `-` is
    /// standard input.
    pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Self> {
        Ok(Self::compile(load(paths)?))
    }

    /// As [`Target::load`]; a file that is named alone is loaded with those of its folder, to which
    /// its correlations and filters may refer. Nothing is said about what is wrong with them.
    pub(crate) fn load_beside(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let beside = beside(paths);
        let mut target = Self::load(&[paths, &beside].concat())?;
        target.context = beside.iter().map(|path| path.display().to_string()).collect();
        target.diagnostics.retain(|it| !target.context.contains(&it.file));
        Ok(target)
    }

    fn compile(loaded: Loaded) -> Self {
        let mut diagnostics = loaded.diagnostics;
        let rules = loaded.rules.iter().map(|rule| (&rule.name, &rule.id));
        let correlations = loaded.correlations.iter().map(|it| (&it.name, &it.id));
        let names = rules
            .chain(correlations)
            .filter_map(|(name, id)| Some((name.clone()?, id.clone())))
            .collect();
        diagnostics.extend(loaded.rules.iter().flat_map(misspelt::fields));
        let (set, found) = RuleSet::compile(loaded.rules);
        diagnostics.extend(found);
        let correlations = loaded.correlations;
        let context = HashSet::new();
        let mut target = Self { set, correlations, diagnostics, names, context };
        let (_, problems) = target.correlator();
        target.diagnostics.extend(problems);
        target
    }

    /// Returns a fresh correlator over all correlations, and what it leaves out.
    pub(crate) fn correlator(&self) -> (Correlator, Vec<Diagnostic>) {
        Correlator::new(self.correlations.clone(), &self.names, Limits::default())
    }

    /// Returns how many rules and correlations were loaded of what was named.
    pub(crate) fn loaded(&self) -> (usize, usize) {
        let named = |file: &str| !self.context.contains(file);
        let rules = self.set.rules().iter().filter(|rule| named(&rule.file));
        let correlations = self.correlations.iter().filter(|it| named(&it.file));
        (rules.count(), correlations.count())
    }

    /// Returns how many findings are this bad.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|it| it.severity == severity).count()
    }

    /// Finds a correlation by id or name.
    pub(crate) fn correlation(&self, name: &str) -> Option<&Correlation> {
        self.correlations.iter().find(|it| it.id == name || it.name.as_deref() == Some(name))
    }

    /// Finds a rule or correlation by id or name.
    fn find(&self, name: &str) -> anyhow::Result<Asked> {
        if let Some(index) = self.set.position(name) {
            return Ok(Asked::Rule(index));
        }
        if let Some(correlation) = self.correlation(name) {
            return Ok(Asked::Correlation(Box::new(correlation.clone())));
        }
        let rules = self.set.rules().iter().filter_map(|rule| rule.name.as_deref());
        let correlations = self.correlations.iter().filter_map(|it| it.name.as_deref());
        let help = match nearest::word(name, rules.chain(correlations)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => "'vonglau-rules check' shows what is loaded".to_owned(),
        };
        Err(anyhow!("no rule has the id or name '{name}'; {help}"))
    }

    /// Loads what a command is about: the only rule or correlation of a file, or one by id or name.
    ///
    /// # Errors
    /// When there is none; what is wrong with a broken one is in the message.
    pub(crate) fn of(rule: &str, paths: &[PathBuf]) -> anyhow::Result<(Self, Asked)> {
        if !(rule.ends_with(".yml") || rule.ends_with(".yaml")) {
            let target = Self::load(paths)?;
            let asked = target.find(rule)?;
            return Ok((target, asked));
        }
        let target = Self::load_beside(&[&[PathBuf::from(rule)], paths].concat())?;
        let here = |file: &str| same_file(Path::new(file), Path::new(rule));
        let rules = target.set.rules().iter().enumerate().filter(|(_, it)| here(&it.file));
        let correlations = target.correlations.iter().filter(|it| here(&it.file));
        let mut asked: Vec<Asked> = rules.map(|(index, _)| Asked::Rule(index)).collect();
        asked.extend(correlations.map(|it| Asked::Correlation(Box::new(it.clone()))));
        if asked.len() == 1
            && let Some(only) = asked.pop()
        {
            return Ok((target, only));
        }
        // A file whose only rule is broken deserves to have its mistakes shown.
        let found = target.diagnostics.iter().filter(|it| here(&it.file));
        let found: String = found.map(Diagnostic::render).collect();
        bail!("{found}{rule} holds {} rules; name one by id with --rules", asked.len())
    }

    /// Loads the rule over single events that a command is about; see [`Target::of`].
    ///
    /// # Errors
    /// As [`Target::of`], and when it is a correlation.
    pub(crate) fn of_rule(rule: &str, paths: &[PathBuf]) -> anyhow::Result<(Self, usize)> {
        match Self::of(rule, paths)? {
            (target, Asked::Rule(index)) => Ok((target, index)),
            (_, Asked::Correlation(it)) => {
                let rules = it.rules.join(", ");
                bail!(
                    "'{rule}' is a correlation and looks at no event itself; ask about its rules: \
                     {rules}"
                )
            }
        }
    }
}

/// What was named.
pub(crate) enum Asked {
    /// Index in the rule set.
    Rule(usize),
    Correlation(Box<Correlation>),
}

/// Returns the rule files that stand in the folders of files that are named.
fn beside(paths: &[PathBuf]) -> Vec<PathBuf> {
    let real: HashSet<PathBuf> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let named = |path: &Path| {
        path.canonicalize().is_ok_and(|path| path.ancestors().any(|part| real.contains(part)))
    };
    let files = paths.iter().filter(|path| path.is_file());
    let folders: BTreeSet<&Path> = files.filter_map(|path| path.parent()).collect();
    let mut found = Vec::new();
    for folder in folders {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // A folder that cannot be read has nothing to add.
        let Ok(entries) = std::fs::read_dir(here) else { continue };
        for entry in entries.flatten().take(BESIDE_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let rule = name.ends_with(".yml") || name.ends_with(".yaml");
            let case = name.ends_with(".case.yml") || name.ends_with(".case.yaml");
            let path = folder.join(&name);
            if rule && !case && !name.starts_with(['.', '-']) && !is_list(&path) && path.is_file() {
                found.push(path);
            }
        }
    }
    found.retain(|path| !named(path));
    found
}

/// Lists for placeholders are found by the loader itself.
fn is_list(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "placeholders")
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn load(paths: &[PathBuf]) -> anyhow::Result<Loaded> {
    let (stdin, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.iter().cloned().partition(|path| path == Path::new("-"));
    let builtin = stdin.is_empty() && paths.is_empty();
    let mut texts = rules_pack::read_texts(builtin, &paths)?;
    if !stdin.is_empty() {
        texts.files.push((STDIN_NAME.to_owned(), read_stdin(RULE_BYTES_MAX)?));
    }
    let bar = progress::bar(texts.files.len());
    let files = texts.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let mut loaded = rules_pack::load_texts(bar.wrap_iter(files));
    bar.finish_and_clear();
    loaded.diagnostics.splice(0..0, texts.diagnostics);
    Ok(loaded)
}

/// Reads standard input as text within a bound.
pub(crate) fn read_stdin(bytes_max: u64) -> anyhow::Result<String> {
    let mut text = String::new();
    let input = std::io::stdin().lock();
    // One byte more than the bound, so that more is seen to be more.
    input.take(bytes_max + 1).read_to_string(&mut text).context("cannot read standard input")?;
    anyhow::ensure!(
        text.len() as u64 <= bytes_max,
        "standard input has more than {bytes_max} bytes, the bound"
    );
    Ok(text)
}

/// Reads a case file or other small text within the bound.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// Reads a text file of at most so many bytes.
pub(crate) fn read_up_to(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let named = || format!("cannot read {}", path.display());
    let mut text = String::new();
    // A pipe has no length beforehand: one byte more than the bound shows that there is more.
    let file = std::fs::File::open(path).with_context(named)?;
    file.take(bytes_max + 1).read_to_string(&mut text).with_context(named)?;
    let small = text.len() as u64 <= bytes_max;
    anyhow::ensure!(small, "{} has more than {bytes_max} bytes, the bound", path.display());
    Ok(text)
}
