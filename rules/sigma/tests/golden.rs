//! Golden pairs: each `NAME.yml` must draw exactly the diagnostics of `NAME.stderr`, fixes included.
//!
//! `UPDATE_GOLDEN=1 cargo test -p rules-sigma --test golden` writes the `.stderr` files anew.

use std::collections::BTreeSet;
use std::path::Path;

use rules_sigma::{Diagnostic, Fix, Parsed, apply_fixes, codes, parse_file};

/// Codes that are not drawn by reading one rule file alone; other crates test them.
const ELSEWHERE: &[&str] = &[
    "R002", "R018", "R031", "R032", "R033", "R053", "R057", "R061", "R070", "R071", "R072", "R073",
];

#[test]
fn every_file_draws_its_diagnostics() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut drawn = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, text) in files() {
        let parsed = parse_file(&name, &text);
        drawn.extend(parsed.diagnostics.iter().map(|diagnostic| diagnostic.code));
        let text = shown(&parsed);
        let golden = folder().join(&name).with_extension("stderr");
        if update {
            std::fs::write(&golden, &text).expect("the file is readable");
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if text != expected {
            wrong.push(format!("--- {name}: expected\n{expected}--- found\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (code, meaning) in codes::CODES {
        assert!(
            drawn.contains(code) || ELSEWHERE.contains(code),
            "no golden file draws {code}: {meaning}"
        );
    }
}

/// A fix mends what it belongs to, and what it makes needs no further fix of that kind.
#[test]
fn fixes_take_away_what_they_belong_to() {
    let mut made = 0;
    for (name, text) in files() {
        let before = parse_file(&name, &text).diagnostics;
        let fixes: Vec<Fix> = before.iter().filter_map(|it| it.fix.clone()).collect();
        let fixed = apply_fixes(&text, &fixes);
        let after = parse_file(&name, &fixed).diagnostics;
        let key = |it: &Diagnostic| (it.code, it.message.clone());
        for mended in before.iter().filter(|it| it.fix.is_some()) {
            let count = |all: &[Diagnostic]| all.iter().filter(|it| key(it) == key(mended)).count();
            assert!(count(&after) < count(&before), "{name}: {}\n{fixed}", mended.render());
        }
        made += fixes.len();
        // Where there is nothing to fix, nothing is touched.
        assert!(!fixes.is_empty() || fixed == text);
    }
    assert!(made >= 20, "only {made} fixes in all golden files");
}

fn shown(parsed: &Parsed) -> String {
    let mut text = String::new();
    for diagnostic in &parsed.diagnostics {
        text.push_str(&diagnostic.render());
        if let Some(Fix { span, replacement }) = &diagnostic.fix {
            let (line, column, len) = (span.line, span.column, span.len);
            text.push_str(&format!("  = fix: {line}:{column}+{len} {replacement:?}\n"));
        }
        text.push('\n');
    }
    text.push_str(&format!("loaded: {}\n", parsed.documents.len()));
    text
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("the file is readable") {
        let path = entry.expect("the file is readable").path();
        if path.extension().is_some_and(|ending| ending == "yml") {
            let name =
                path.file_name().expect("the file is readable").to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path).expect("the file is readable")));
        }
    }
    files.sort();
    files
}
