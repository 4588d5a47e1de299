//! The public Sigma rules as a parse corpus: which load, and which are refused by what code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rules_sigma::{Severity, parse_file};

/// Codes that may leave out a rule of the public set: each says plainly why. Anything else would be
/// a rule that we ought to read.
const ACCEPTED: &[&str] = &["R026", "R040", "R041", "R042", "R043"];

#[test]
fn the_public_rules_load_or_say_why_not() {
    let root = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let rules = root.join("sigma_rules/rules");
    let mut files = Vec::new();
    collect(&rules, &mut files);
    if files.is_empty() {
        eprintln!("skipped: no rules under {}", rules.display());
        return;
    }
    let mut loaded = 0;
    let mut tally: BTreeMap<(Severity, &str), (usize, String)> = BTreeMap::new();
    let mut unexpected = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(&rules).unwrap().display().to_string();
        let parsed = parse_file(&name, &text);
        loaded += parsed.documents.len();
        for diagnostic in parsed.diagnostics {
            let entry = tally.entry((diagnostic.severity, diagnostic.code)).or_default();
            entry.0 += 1;
            if entry.1.is_empty() {
                entry.1 = diagnostic.render();
            }
            if diagnostic.severity == Severity::Error && !ACCEPTED.contains(&diagnostic.code) {
                unexpected.push(diagnostic.render());
            }
        }
    }
    eprintln!("{} files, {loaded} documents loaded", files.len());
    for ((severity, code), (count, first)) in &tally {
        eprintln!("{} {code}: {count}, for example\n{first}", severity.as_str());
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(loaded * 1000 >= files.len() * 985, "fewer than 98.5 % of the public rules load");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "yml") {
            files.push(path);
        }
    }
}
