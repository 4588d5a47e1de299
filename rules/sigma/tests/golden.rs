//! Golden pairs: each `NAME.yml` must draw exactly the diagnostics of `NAME.stderr`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p rules-sigma --test golden` writes the `.stderr` files anew.

use std::collections::BTreeSet;
use std::path::Path;

use rules_sigma::{codes, parse_file};

/// Codes that are not drawn by reading one rule file alone; other crates test them.
const ELSEWHERE: &[&str] =
    &["R002", "R018", "R031", "R032", "R033", "R053", "R061", "R070", "R071", "R072", "R073"];

#[test]
fn every_file_draws_its_diagnostics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut drawn = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yml") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let parsed = parse_file(&name, &std::fs::read_to_string(&path).unwrap());
        drawn.extend(parsed.diagnostics.iter().map(|diagnostic| diagnostic.code));
        let mut text: String = parsed.diagnostics.iter().map(|d| d.render() + "\n").collect();
        text.push_str(&format!("loaded: {}\n", parsed.documents.len()));
        let golden = path.with_extension("stderr");
        if update {
            std::fs::write(&golden, &text).unwrap();
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
