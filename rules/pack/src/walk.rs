//! Finding rule files in folders, within bounds and in a fixed order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::Error;

/// How deep folders may nest.
const FOLDER_DEPTH_MAX: usize = 16;
/// Rule files in all folders together; SigmaHQ has about 3,200.
const FILES_MAX: usize = 50_000;

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// The rule files, sorted, each once.
    pub files: Vec<PathBuf>,
    /// The files of lists for placeholders (`placeholders.yml` or `.toml`), sorted, each once: those in
    /// the folders, and those beside files that were named.
    pub lists: Vec<PathBuf>,
    /// Folders inside that were left out, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Returns the rule files (`*.yml`, `*.yaml`, but not `*.case.yml`) of folders and files.
///
/// # Errors
/// When a path named here cannot be read, or there are more than 50,000 files.
pub fn rule_files(paths: &[PathBuf]) -> Result<Found, Error> {
    let mut found = Found::default();
    // Folders by their real path, so that links in circles end and none is walked twice.
    let mut walked = HashSet::new();
    for path in paths {
        let unreadable = |source| Error::Folder { path: path.clone(), source };
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            let entries = std::fs::read_dir(path).map_err(unreadable)?;
            walked.extend(path.canonicalize());
            folder(entries, 1, &mut walked, &mut found)?;
        } else {
            let beside = LISTS.iter().map(|name| path.with_file_name(name));
            found.lists.extend(beside.filter(|path| path.is_file()));
            found.files.push(path.clone());
        }
    }
    for files in [&mut found.files, &mut found.lists] {
        files.sort();
        files.dedup();
    }
    Ok(found)
}

fn folder(
    entries: std::fs::ReadDir,
    depth: usize,
    walked: &mut HashSet<PathBuf>,
    found: &mut Found,
) -> Result<(), Error> {
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        // Follows links, so that a folder of links to rules works.
        if std::fs::metadata(&path).is_ok_and(|facts| facts.is_dir()) {
            if path.canonicalize().is_ok_and(|real| !walked.insert(real)) {
                continue;
            }
            match std::fs::read_dir(&path) {
                _ if depth >= FOLDER_DEPTH_MAX => {
                    let reason = format!("folders nest more than {FOLDER_DEPTH_MAX} deep");
                    found.skipped.push((path, reason));
                }
                Ok(entries) => folder(entries, depth + 1, walked, found)?,
                Err(error) => found.skipped.push((path, error.to_string())),
            }
        } else if is_list(&name) {
            found.lists.push(path);
        } else if is_rule(&path) {
            found.files.push(path);
            if found.files.len() > FILES_MAX {
                return Err(Error::TooMany { bound: FILES_MAX });
            }
        }
    }
    Ok(())
}

/// Names of files that hold lists for placeholders.
const LISTS: [&str; 3] = ["placeholders.yml", "placeholders.yaml", "placeholders.toml"];

/// Says whether a file of this name, with or without folders before it, holds lists for placeholders.
pub(crate) fn is_list(name: &str) -> bool {
    LISTS.contains(&name.rsplit(['/', '\\']).next().unwrap_or_default())
}

fn is_rule(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    (name.ends_with(".yml") && !name.ends_with(".case.yml"))
        || (name.ends_with(".yaml") && !name.ends_with(".case.yaml"))
}
