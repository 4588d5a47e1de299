//! `import --out`: copies rules that work here, and says under what terms they stand.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// What whoever copies rules of SigmaHQ must know.
pub(super) const LICENCE_NOTE: &str = "\
note: these rules keep their licence. Those of SigmaHQ stand under the Detection Rule License 1.1:
pass them on only with author, references and licence, and name the author where their alerts are
shown.";

/// Copies files into a new or empty folder, each at its place below the old one.
///
/// # Errors
/// When the folder holds something already, or a file cannot be copied.
pub(super) fn copy(from: &Path, to: &Path, files: &BTreeSet<&Path>) -> anyhow::Result<usize> {
    let named = || format!("cannot write to {}", to.display());
    std::fs::create_dir_all(to).with_context(named)?;
    let empty = std::fs::read_dir(to).with_context(named)?.next().is_none();
    ensure!(empty, "{} is not empty; name a new folder", to.display());
    for file in files {
        // A single file that was named stands under its own name.
        let below = file.strip_prefix(from).ok().filter(|rest| !rest.as_os_str().is_empty());
        let below = below.or(file.file_name().map(Path::new)).unwrap_or(file);
        let target = to.join(below);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).with_context(named)?;
        }
        std::fs::copy(file, &target)
            .with_context(|| format!("cannot copy {} to {}", file.display(), target.display()))?;
    }
    Ok(files.len())
}
