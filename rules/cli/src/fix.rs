//! `check --fix` and `--diff`: repairs that cannot change what a rule means.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, ensure};
use rules_sigma::{Diagnostic, Fix, apply_fixes};

use crate::paint::Paint;
use crate::target;

/// The largest rule file, the bound of the rule language: 1 MiB.
const RULE_BYTES_MAX: u64 = 1024 * 1024;
/// Rounds of repair: one repair may let the next mistake be seen.
pub(crate) const ROUNDS_MAX: usize = 8;
/// Lines shown before and after a change.
const CONTEXT_LINES: usize = 3;

/// What became of one file.
pub(crate) struct Repaired {
    pub(crate) file: String,
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) repairs: usize,
}

/// Makes the repairs that findings bring, file by file, in memory.
///
/// # Errors
/// When a file cannot be read again, or the findings are about standard input.
pub(crate) fn repair(diagnostics: &[Diagnostic]) -> anyhow::Result<Vec<Repaired>> {
    let mut by_file: BTreeMap<&str, Vec<Fix>> = BTreeMap::new();
    for diagnostic in diagnostics {
        if let Some(fix) = &diagnostic.fix {
            by_file.entry(&diagnostic.file).or_default().push(fix.clone());
        }
    }
    let mut repaired = Vec::new();
    for (file, fixes) in by_file {
        let before = target::read_up_to(Path::new(file), RULE_BYTES_MAX)?;
        let after = apply_fixes(&before, &fixes);
        if after != before {
            repaired.push(Repaired { file: file.to_owned(), before, after, repairs: fixes.len() });
        }
    }
    Ok(repaired)
}

/// Replaces a file whole or not at all; keeps its mode, and a link stays a link.
pub(crate) fn write(repaired: &Repaired) -> anyhow::Result<()> {
    let named = || format!("cannot write {}", repaired.file);
    let path = Path::new(&repaired.file).canonicalize().with_context(named)?;
    let now = target::read_up_to(&path, RULE_BYTES_MAX)?;
    ensure!(now == repaired.before, "{} was changed meanwhile; check again", repaired.file);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(named)?;
    file.write_all(repaired.after.as_bytes()).with_context(named)?;
    let mode = std::fs::metadata(&path).with_context(named)?.permissions();
    file.as_file().set_permissions(mode).with_context(named)?;
    file.as_file().sync_all().with_context(named)?;
    file.persist(&path).map_err(|error| error.error).with_context(named)?;
    Ok(())
}

/// Prints the change as a unified diff that `patch` and `git apply` take.
pub(crate) fn diff(repaired: &Repaired, paint: Paint, out: &mut dyn Write) -> anyhow::Result<()> {
    let Repaired { file, before, after, .. } = repaired;
    let diff = similar::TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(CONTEXT_LINES).header(file, file).to_string();
    for line in text.split_inclusive('\n') {
        let shown = paint.screen(line.strip_suffix('\n').unwrap_or(line));
        let shown = shown.as_ref();
        match shown.bytes().next() {
            Some(b'-') => writeln!(out, "{}", paint.bad(shown))?,
            Some(b'+') => writeln!(out, "{}", paint.good(shown))?,
            _ => writeln!(out, "{shown}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rules_sigma::{Severity, Span, codes};

    use super::*;

    fn finding(file: &Path, line: usize, column: usize, len: usize, text: &str) -> Diagnostic {
        let span = Span { line, column, len };
        let file = file.display().to_string();
        let mut found =
            Diagnostic::in_text(&file, "", codes::UNKNOWN_MODIFIER, Severity::Error, span);
        found.fix = Some(Fix { span, replacement: text.to_owned() });
        found
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.yml"), folder.path().join("link.yml"));
        fs::write(&path, "a\nfeild: x\nb\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("a.yml", &link).unwrap();
        let repaired = repair(&[finding(&link, 2, 1, 5, "field")]).unwrap();
        let [one] = repaired.as_slice() else { panic!("{} files", repaired.len()) };
        assert_eq!((one.repairs, fs::read_to_string(&path).unwrap().contains("field")), (1, false));
        write(one).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nfield: x\nb\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a temporary file is left");
        // What was edited meanwhile is not overwritten.
        fs::write(&path, "other\n").unwrap();
        assert!(write(one).unwrap_err().to_string().contains("changed meanwhile"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "other\n");
    }

    #[test]
    fn a_diff_is_one_that_patch_takes() {
        let lines = |changed: &str| format!("1\n2\n3\n4\n{changed}\n6\n7\n8\n9");
        let (file, before, after) = ("a.yml".to_owned(), lines("five"), lines("5"));
        let mut out = Vec::new();
        let repaired = Repaired { file, before, after, repairs: 1 };
        diff(&repaired, Paint::none(), &mut out).unwrap();
        let expected = "--- a.yml\n+++ a.yml\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-five\n+5\n 6\n 7\n 8\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
