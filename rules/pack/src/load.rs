//! Loading: many files into one set of rules and correlations with distinct names.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use rules_sigma::{
    Correlation, Diagnostic, Document, Placeholders, Rule, Severity, Span, apply_filters, codes,
    parse_file_with,
};
use sha2::{Digest, Sha256};

use crate::rule_files;
use crate::walk::is_list;

/// The largest rule file read, the bound of the rule language: 1 MiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why rules could not be loaded at all. What is wrong inside files is no error but a diagnostic.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder or file that was named cannot be read.
    #[error("cannot read rules from {}", path.display())]
    Folder {
        /// The path as named.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There are more rule files than any real pack has.
    #[error("more than {bound} rule files; name a folder that holds only rules")]
    TooMany {
        /// The bound.
        bound: usize,
    },
}

/// Rules ready to be compiled.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Rules over single events.
    pub rules: Vec<Rule>,
    /// Rules over the hits of rules.
    pub correlations: Vec<Correlation>,
    /// What is wrong in the files, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// 16 hexadecimal digits of a SHA-256 over all that was loaded: equal sets, equal identity,
    /// wherever the files lie.
    pub identity: String,
}

/// The texts of rule files, read and not yet understood.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// File names and texts: lists for placeholders, then the shipped rules, then the others.
    pub files: Vec<(String, String)>,
    /// Where the shipped rules lie in `files`.
    pub shipped: std::ops::Range<usize>,
    /// Files and folders that cannot be read.
    pub diagnostics: Vec<Diagnostic>,
}

impl Texts {
    fn read(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            match read(&path) {
                Ok(text) => self.files.push((path.display().to_string(), text)),
                Err(reason) => self.diagnostics.push(unreadable(&path, reason)),
            }
        }
    }
}

/// Loads the shipped rules (if `builtin`) and those of folders and files.
///
/// A document whose id or name is taken already is left out and diagnosed; earlier ones stand, the
/// shipped ones first.
///
/// # Errors
/// When a path of `dirs` cannot be read. A file inside that cannot be read is only diagnosed.
pub fn load(builtin: bool, dirs: &[PathBuf]) -> Result<Loaded, Error> {
    Ok(load_read(read_texts(builtin, dirs)?))
}

/// Loads what [`read_texts`] has read.
#[must_use]
pub fn load_read(texts: Texts) -> Loaded {
    let files = texts.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let mut loaded = load_texts(files);
    loaded.diagnostics.splice(0..0, texts.diagnostics);
    loaded
}

/// Reads what [`load`] loads, for whoever wants to do something in between.
///
/// # Errors
/// When a path of `dirs` cannot be read. A file inside that cannot be read is only diagnosed.
pub fn read_texts(builtin: bool, dirs: &[PathBuf]) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    let found = rule_files(dirs)?;
    let skipped = found.skipped.into_iter().map(|(path, reason)| unreadable(&path, reason));
    texts.diagnostics.extend(skipped);
    texts.read(found.lists);
    if builtin {
        let shipped = crate::shipped().iter();
        let begin = texts.files.len();
        texts.files.extend(shipped.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        texts.shipped = begin..texts.files.len();
    }
    texts.read(found.files);
    Ok(texts)
}

/// Loads rules from file names and texts, and folds the filters among them into the rules.
///
/// Files called `placeholders.yml` or `placeholders.toml` are lists, for the files after them.
#[must_use]
pub fn load_texts<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Loaded {
    let mut loaded = Loaded::default();
    let mut taken = HashMap::new();
    let mut placeholders = Placeholders::default();
    let mut filters = Vec::new();
    for (name, text) in files {
        if is_list(name) {
            let (lists, diagnostics) = Placeholders::parse(name, text);
            placeholders.extend(lists);
            loaded.diagnostics.extend(diagnostics);
            continue;
        }
        let parsed = parse_file_with(name, text, &placeholders);
        loaded.diagnostics.extend(parsed.diagnostics);
        for document in parsed.documents {
            match check_names(&document, &mut taken) {
                Some(diagnostic) => loaded.diagnostics.push(diagnostic),
                None => match document {
                    Document::Rule(rule) => loaded.rules.push(rule),
                    Document::Correlation(correlation) => loaded.correlations.push(correlation),
                    Document::Filter(filter) => filters.push(filter),
                },
            }
        }
    }
    loaded.diagnostics.extend(apply_filters(&mut loaded.rules, &filters));
    check_references(&mut loaded, &taken);
    loaded.identity = identity(&loaded);
    loaded
}

/// Claims the id and name of a document; returns what is wrong when one of them is taken.
fn check_names(
    document: &Document,
    taken: &mut HashMap<String, (String, usize)>,
) -> Option<Diagnostic> {
    let (id, name, file, line, source) = match document {
        Document::Rule(rule) => (&rule.id, &rule.name, &rule.file, rule.line, &rule.source),
        Document::Correlation(it) => (&it.id, &it.name, &it.file, it.line, &it.source),
        Document::Filter(it) => (&it.id, &None, &it.file, it.line, &it.source),
    };
    let keys = [("id", Some(id)), ("name", name.as_ref().filter(|name| *name != id))];
    for (key, value) in keys {
        let Some(value) = value else { continue };
        if let Some((other_file, other_line)) = taken.get(value) {
            let span = Diagnostic::key_span(source, line, key);
            let message = format!("the {key} '{value}' is taken; this document is left out");
            let help = format!("the other document is {other_file}:{other_line}");
            let found =
                Diagnostic::in_text(file, source, codes::DUPLICATE_ID, Severity::Error, span);
            return Some(found.saying(message, help));
        }
    }
    for value in keys.into_iter().filter_map(|(_, value)| value) {
        taken.insert(value.clone(), (file.clone(), line));
    }
    None
}

/// Leaves out correlations that refer to what is not there, or to each other in a circle.
fn check_references(loaded: &mut Loaded, taken: &HashMap<String, (String, usize)>) {
    let is_rule = |name: &str| taken.contains_key(name);
    let mut names: Vec<&str> = loaded.rules.iter().filter_map(|it| it.name.as_deref()).collect();
    names.sort_unstable();
    let found = rules_sigma::check_references(&loaded.correlations, &is_rule, &names);
    let mut out = vec![false; loaded.correlations.len()];
    for (index, diagnostic) in found {
        if let Some(out) = out.get_mut(index) {
            *out = true;
        }
        loaded.diagnostics.push(diagnostic);
    }
    let mut out = out.into_iter();
    loaded.correlations.retain(|_| !out.next().unwrap_or(false));
}

fn identity(loaded: &Loaded) -> String {
    let rules = loaded.rules.iter().map(|it| (&it.id, &it.source, it.detection.tuning.as_slice()));
    let correlations = loaded.correlations.iter().map(|it| (&it.id, &it.source, [].as_slice()));
    let mut parts: Vec<_> = rules.chain(correlations).collect();
    parts.sort();
    let mut hash = Sha256::new();
    for (id, source, tuning) in parts {
        for text in [id, &**source].into_iter().chain(tuning.iter().map(|text| &**text)) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
    hex::encode(&hash.finalize()[..8])
}

fn read(path: &Path) -> Result<String, String> {
    // A pipe or device would be read for ever.
    if !std::fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is no regular file".into());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    // One byte more than the bound, so that a larger file is seen to be larger.
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8: byte {} is not", error.utf8_error().valid_up_to())
    })
}

fn unreadable(path: &Path, reason: String) -> Diagnostic {
    let file = path.display().to_string();
    let span = Span::default();
    Diagnostic::in_text(&file, "", codes::UNREADABLE_FILE, Severity::Error, span)
        .saying(format!("the file or folder cannot be read: {reason}"), "the others are loaded")
}
