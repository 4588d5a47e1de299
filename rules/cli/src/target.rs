//! Target: the rules a command is about, loaded and compiled.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use rules_correlate::{Correlator, Limits};
use rules_matcher::RuleSet;
use rules_pack::Loaded;
use rules_sigma::{Correlation, Diagnostic, Document, Severity, Span, codes};

use crate::nearest;
use crate::progress;

/// The largest event or case file read: 16 MiB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest rule file, the bound of the rule language: 1 MiB.
const RULE_BYTES_MAX: u64 = 1024 * 1024;
/// What standard input is called in messages.
const STDIN_NAME: &str = "<stdin>";

/// Rules ready to be asked.
pub(crate) struct Target {
    pub(crate) set: RuleSet,
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Ids by name, of rules and correlations.
    pub(crate) names: HashMap<String, String>,
}

impl Target {
    /// Loads the shipped rules when no path is given, and otherwise only what is named; `-` is
    /// standard input.
    pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Self> {
        Ok(Self::compile(load(paths)?))
    }

    fn compile(loaded: Loaded) -> Self {
        let mut diagnostics = loaded.diagnostics;
        let rules = loaded.rules.iter().map(|rule| (&rule.name, &rule.id));
        let correlations = loaded.correlations.iter().map(|it| (&it.name, &it.id));
        let names = rules
            .chain(correlations)
            .filter_map(|(name, id)| Some((name.clone()?, id.clone())))
            .collect();
        let (set, found) = RuleSet::compile(loaded.rules);
        diagnostics.extend(found);
        let mut target = Self { set, correlations: loaded.correlations, diagnostics, names };
        let (_, problems) = target.correlator();
        for problem in problems {
            let found =
                Diagnostic::in_text("", "", codes::BAD_THRESHOLD, Severity::Error, Span::default());
            let help = "see what the correlation asks for; bounds are those of the collector";
            target.diagnostics.push(found.saying(problem, help));
        }
        target
    }

    /// Returns a fresh correlator over all correlations, and what it leaves out.
    pub(crate) fn correlator(&self) -> (Correlator, Vec<String>) {
        Correlator::new(self.correlations.clone(), &self.names, Limits::default())
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
    /// A correlation in a file is loaded with the rules of its folder, to which it refers.
    ///
    /// # Errors
    /// When there is none; what is wrong with a broken one is in the message.
    pub(crate) fn of(rule: &str, paths: &[PathBuf]) -> anyhow::Result<(Self, Asked)> {
        if !(rule.ends_with(".yml") || rule.ends_with(".yaml")) {
            let target = Self::load(paths)?;
            let asked = target.find(rule)?;
            return Ok((target, asked));
        }
        let path = Path::new(rule);
        let text = read_up_to(path, RULE_BYTES_MAX)?;
        let parsed = rules_sigma::parse_file(rule, &text);
        if let [Document::Correlation(it)] = parsed.documents.as_slice() {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            let mut context = vec![folder.unwrap_or(Path::new(".")).to_owned()];
            context.extend_from_slice(paths);
            let target = Self::load(&context)?;
            let asked = target.find(&it.id)?;
            return Ok((target, asked));
        }
        let target = Self::load(&[path.to_owned()])?;
        match target.set.rules().len() {
            1 => Ok((target, Asked::Rule(0))),
            count => {
                // A file whose only rule is broken deserves to have its mistakes shown.
                let found: String = target.diagnostics.iter().map(Diagnostic::render).collect();
                bail!("{found}{rule} holds {count} rules; name one by id with --rules")
            }
        }
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
