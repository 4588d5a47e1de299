//! The public Sigma rules as a parse corpus: how many load, and by what code others are refused.
//!
//! `corpus-tally.txt` holds what was reached; it may only improve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rules_sigma::{Placeholders, Severity, parse_file_with};

/// Codes for which the specification itself refuses a rule: metacharacters beyond its flavour of
/// regular expressions ("Regular Expression"), placeholders without a list ("Placeholders"), custom
/// taxonomies ("Taxonomy"), aggregations behind `|` (dropped by 2.0). Any other would be a rule that
/// we ought to read.
const BY_SPECIFICATION: [&str; 4] = ["R026", "R030", "R042", "R043"];

/// The tally of one reading.
#[derive(Default)]
struct Tally {
    loaded: usize,
    errors: BTreeMap<&'static str, usize>,
    warnings: usize,
    examples: Vec<String>,
    /// Placeholders that had no list.
    names: BTreeSet<String>,
}

impl Tally {
    fn read(files: &[(String, String)], lists: &Placeholders) -> Self {
        let mut tally = Self::default();
        for (name, text) in files {
            let parsed = parse_file_with(name, text, lists);
            tally.loaded += parsed.documents.len();
            for diagnostic in parsed.diagnostics {
                if diagnostic.code == "R030" {
                    let name = diagnostic.message.split('%').nth(1).unwrap_or_default();
                    tally.names.insert(name.to_owned());
                }
                if diagnostic.severity == Severity::Error {
                    *tally.errors.entry(diagnostic.code).or_default() += 1;
                } else {
                    tally.warnings += 1;
                }
                tally.examples.push(diagnostic.render());
            }
        }
        tally
    }

    fn line(&self, name: &str) -> String {
        let mut line = format!("{name}: loaded {}, warnings {}", self.loaded, self.warnings);
        for (code, count) in &self.errors {
            line.push_str(&format!(", {code} {count}"));
        }
        line
    }

    /// Says what is worse than a line of the tally file, if anything is.
    fn worse_than(&self, line: &str) -> Option<String> {
        let number = |word: &str| -> usize {
            let found = line.split([',', ':']).find_map(|part| part.trim().strip_prefix(word));
            found.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
        };
        if self.loaded < number("loaded") {
            return Some(format!("only {} documents load", self.loaded));
        }
        if self.warnings > number("warnings") {
            return Some(format!("{} warnings", self.warnings));
        }
        self.errors.iter().find_map(|(code, count)| {
            (*count > number(code)).then(|| format!("{count} refusals by {code}"))
        })
    }
}

#[test]
fn the_public_rules_load_or_are_refused_by_the_specification() {
    let root = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("sigma_rules/rules");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    if files.is_empty() {
        eprintln!("skipped: no rules under {}", folder.display());
        return;
    }
    let without = Tally::read(&files, &Placeholders::default());
    let mut lists = Placeholders::default();
    for name in &without.names {
        lists.insert(name, ["a".to_owned(), "b*".to_owned()]);
    }
    let with = Tally::read(&files, &lists);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus-tally.txt");
    let kept = std::fs::read_to_string(&file).expect("the file is readable");
    for (name, tally) in [("without lists", &without), ("with lists for all names", &with)] {
        let line = tally.line(name);
        let old = kept.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        eprintln!("{} files, {line}", files.len());
        let wrong = tally.errors.keys().find(|code| !BY_SPECIFICATION.contains(code));
        assert_eq!(wrong, None, "{}", tally.examples.join("\n"));
        if let Some(worse) = tally.worse_than(old) {
            panic!("worse than '{old}': {worse}\n{}", tally.examples.join("\n"));
        }
        assert_eq!(line, old, "better than the tally: write the new line into {}", file.display());
    }
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "yml") {
            files.push((
                path.display().to_string(),
                std::fs::read_to_string(&path).expect("the file is readable"),
            ));
        }
    }
}

#[test]
fn a_worse_tally_is_seen() {
    let rule = "title: A\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
                logsource: {product: linux}\ndetection:\n  sel: {a|expand: '%x%', b|re: '(?=c)'}\n  \
                condition: sel\n";
    let files = [("a.yml".to_owned(), rule.to_owned())];
    let tally = Tally::read(&files, &Placeholders::default());
    assert_eq!(tally.line("x"), "x: loaded 0, warnings 0, R026 1, R030 1");
    assert_eq!(tally.names.iter().collect::<Vec<_>>(), ["x"]);
    assert_eq!(tally.worse_than("x: loaded 0, warnings 0, R026 1, R030 1"), None);
    assert!(tally.worse_than("x: loaded 1, warnings 0, R026 1, R030 1").is_some());
    assert!(tally.worse_than("x: loaded 0, warnings 0, R026 1").is_some());
    assert!(tally.worse_than("").is_some());
}
