//! Expand: paths whose components may be globs.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::Error;

/// Most paths that one configured path may stand for: a glob over an attacker's folder must end.
const EXPANDED_MAX: usize = 10_000;

/// Checks the globs of a pattern.
pub(crate) fn check(pattern: &str) -> Result<(), Error> {
    pattern.split('/').filter(|part| is_glob(part)).try_for_each(|part| compile(part).map(drop))
}

/// Returns the paths a pattern stands for. What follows the last glob need not exist: its appearance
/// is what is waited for.
pub(crate) fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let matcher = is_glob(part).then(|| compile(part));
        let Some(matcher) = matcher else {
            for path in &mut paths {
                path.push(part);
            }
            continue;
        };
        let Ok(matcher) = matcher else { return Vec::new() };
        let mut next = Vec::new();
        for path in &paths {
            let Ok(entries) = std::fs::read_dir(path) else { continue };
            let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
            let fitting = names.filter(|name| matcher.is_match(Path::new(name)));
            next.extend(fitting.take(EXPANDED_MAX - next.len()).map(|name| path.join(name)));
        }
        paths = next;
    }
    paths
}

fn is_glob(part: &str) -> bool {
    part.contains(['*', '?', '[', '{'])
}

fn compile(glob: &str) -> Result<GlobMatcher, Error> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|source| Error::Glob { glob: glob.to_owned(), source })
}
