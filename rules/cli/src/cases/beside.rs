//! Case files: which stand beside which rules, and which beside none.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use rules_sigma::{Case, Diagnostic, Severity, Span, codes};

use super::Subject;
use crate::nearest;
use crate::target;

/// How the name of a case file ends.
const ENDING: &str = ".case.yml";

/// Returns the name of the case file beside a rule file, and its text if it is there.
pub(crate) fn case_file(file: &str, shipped: bool) -> anyhow::Result<Option<(String, String)>> {
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
    let name = format!("{stem}{ENDING}");
    if shipped {
        let found = rules_pack::shipped_cases().iter().find(|(shipped, _)| *shipped == name);
        return Ok(found.map(|(_, text)| (name, (*text).to_owned())));
    }
    let path = Path::new(&name);
    match path.try_exists()? {
        true => Ok(Some((name.clone(), target::read(path)?))),
        false => Ok(None),
    }
}

/// Returns findings about case files in the folders of rule files that stand beside no rule file.
pub(super) fn orphans(rule_files: &[PathBuf]) -> Vec<Diagnostic> {
    let known: HashSet<&Path> = rule_files.iter().map(PathBuf::as_path).collect();
    let folders: BTreeSet<&Path> = rule_files.iter().filter_map(|path| path.parent()).collect();
    let mut found = Vec::new();
    for folder in folders {
        // A folder that cannot be read was reported when its rules were looked for.
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            let Some(stem) = name.strip_suffix(ENDING) else { continue };
            let beside = [".yml", ".yaml"].map(|ending| folder.join(format!("{stem}{ending}")));
            if !beside.iter().any(|path| known.contains(path.as_path())) {
                let file = folder.join(&name).display().to_string();
                let help = format!("rename it to match its rule, or write '{stem}.yml'");
                let place = Span::default();
                let orphan =
                    Diagnostic::in_text(&file, "", codes::BAD_CASE, Severity::Error, place);
                found.push(orphan.saying("no rule file stands beside these cases", help));
            }
        }
    }
    found
}

/// Returns findings about cases for rules that the file beside them does not hold.
pub(super) fn strangers(
    file: &str,
    text: &str,
    cases: &[&Case],
    rules: &[&Subject],
) -> Vec<Diagnostic> {
    let names: Vec<&str> =
        rules.iter().flat_map(|rule| [rule.id.as_str(), rule.name.as_str()]).collect();
    let stranger = |case: &&&Case| case.rule.as_deref().is_some_and(|name| !names.contains(&name));
    cases
        .iter()
        .filter(stranger)
        .map(|case| {
            let name = case.rule.as_deref().unwrap_or_default();
            let help = match nearest::word(name, names.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("this file is about {}", names.join(", ")),
            };
            let message = format!("'{}' is a case of '{name}', which is not here", case.name);
            Diagnostic::in_text(file, text, codes::BAD_CASE, Severity::Error, case.span)
                .saying(message, help)
        })
        .collect()
}
