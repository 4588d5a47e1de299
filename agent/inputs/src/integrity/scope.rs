//! Scope: which paths are watched.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::IntegrityConfig;
use crate::Error;
use crate::expand::{check, expand};

/// Never looked into: what is there is no file on a disk, and changes with every look.
const NEVER: [&str; 3] = ["/proc", "/sys", "/dev"];

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Scope {
    patterns: Vec<String>,
    exclude: GlobSet,
    uploads: GlobSet,
}

/// One path to look at, with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    /// Index of the configured path it comes from.
    pub(super) pattern: usize,
}

impl Scope {
    pub(super) fn new(config: &IntegrityConfig) -> Result<Self, Error> {
        for pattern in &config.paths {
            check(pattern)?;
        }
        let patterns = config
            .paths
            .iter()
            .map(|path| path.trim_end_matches('/').to_owned())
            .filter(|path| !path.is_empty())
            .collect();
        Ok(Self { patterns, exclude: set(&config.exclude)?, uploads: set(&config.upload_folders)? })
    }

    /// Returns the configured path of an index.
    pub(super) fn pattern(&self, index: usize) -> &str {
        self.patterns.get(index).map_or("", String::as_str)
    }

    /// Returns how many paths are configured.
    pub(super) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Returns what there is to look at. What lies below another root is left out: it is looked at
    /// with it.
    pub(super) fn roots(&self) -> Vec<Root> {
        let mut roots = Vec::new();
        for (pattern, text) in self.patterns.iter().enumerate() {
            let paths = expand(text);
            roots.extend(paths.into_iter().map(|path| Root { path, pattern }));
        }
        roots.sort_by(|a, b| a.path.cmp(&b.path));
        let mut kept: Vec<Root> = Vec::new();
        for root in roots {
            // In the order of components, what lies below follows directly.
            if !kept.last().is_some_and(|last| root.path.starts_with(&last.path)) {
                kept.push(root);
            }
        }
        kept
    }

    /// Returns whether a path is left out.
    pub(super) fn is_excluded(&self, path: &Path) -> bool {
        self.exclude.is_match(path) || NEVER.iter().any(|never| path.starts_with(never))
    }

    /// Returns whether visitors can write into a folder.
    pub(super) fn is_upload(&self, folder: &Path) -> bool {
        !self.uploads.is_empty() && folder.ancestors().any(|above| self.uploads.is_match(above))
    }
}

fn set(globs: &[String]) -> Result<GlobSet, Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let built = GlobBuilder::new(glob).literal_separator(true).build();
        set.add(built.map_err(|source| Error::Glob { glob: glob.clone(), source })?);
    }
    set.build().map_err(|source| Error::Glob { glob: globs.join(", "), source })
}

/// Splits a path into folder and name, as bytes.
pub(super) fn split(path: &Path) -> (&[u8], &[u8]) {
    let folder = path.parent().map_or(&b"/"[..], |folder| folder.as_os_str().as_bytes());
    (folder, path.file_name().unwrap_or_default().as_bytes())
}

/// Joins them again.
pub(super) fn join(folder: &[u8], name: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(folder)).join(OsStr::from_bytes(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_expanded_and_nested_once() {
        let dir = tempfile::tempdir().unwrap();
        for user in ["an", "binh"] {
            std::fs::create_dir(dir.path().join(user)).unwrap();
        }
        let top = dir.path().display();
        let config = IntegrityConfig {
            paths: vec![format!("{top}/*/.ssh"), format!("{top}/an"), format!("{top}/an/x")],
            exclude: vec!["**/*.swp".to_owned()],
            upload_folders: vec![format!("{top}/*/uploads")],
            ..IntegrityConfig::default()
        };
        let scope = Scope::new(&config).unwrap();
        let roots: Vec<_> = scope.roots().into_iter().map(|root| root.path).collect();
        // The folder holds the others; the key folder that is not there yet is waited for.
        assert_eq!(roots, [dir.path().join("an"), dir.path().join("binh/.ssh")]);
        assert!(scope.is_excluded(&dir.path().join("a/.x.swp")));
        assert!(scope.is_excluded(Path::new("/proc/1/maps")));
        assert!(scope.is_upload(&dir.path().join("an/uploads/2026/11")));
        assert!(!scope.is_upload(&dir.path().join("an/other")));
        let bad = IntegrityConfig { exclude: vec!["[".to_owned()], ..config };
        assert!(Scope::new(&bad).unwrap_err().to_string().contains('['));
    }
}
