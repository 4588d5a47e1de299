//! Names of rotated logs: is this file an earlier one of that log?

/// Endings of compressed files, which are not read.
const COMPRESSED: [&str; 6] = ["gz", "xz", "bz2", "zst", "lz4", "Z"];

/// What a rotated file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotated {
    /// Readable as it is.
    Plain,
    /// Compressed.
    Compressed,
}

/// Returns whether a file name ends like a compressed file.
pub(crate) fn is_compressed(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| COMPRESSED.contains(&end))
}

/// Returns what `name` is if it is a rotated `base`: logrotate's `x.log.1`, `x.log-20261121`,
/// `x-20261121.log` (`extension`, `dateext`), `x.log.old` and the like, perhaps compressed.
pub(crate) fn rotated(base: &str, name: &str) -> Option<Rotated> {
    let (plain, kind) = match name.rsplit_once('.') {
        Some((plain, end)) if COMPRESSED.contains(&end) => (plain, Rotated::Compressed),
        _ => (name, Rotated::Plain),
    };
    if plain == base && kind == Rotated::Compressed {
        return Some(kind);
    }
    let appended = plain.strip_prefix(base).is_some_and(is_counter);
    let inserted = || {
        let (stem, end) = base.rsplit_once('.')?;
        let middle = plain.strip_prefix(stem)?.strip_suffix(end)?.strip_suffix('.')?;
        Some(is_counter(middle))
    };
    (appended || inserted().unwrap_or(false)).then_some(kind)
}

/// Returns the names of logs that `name` may be a plain rotated file of: those for which [`rotated`]
/// says so.
pub(crate) fn bases(name: &str) -> Vec<String> {
    let mut bases = Vec::new();
    for (at, _) in name.char_indices().filter(|(at, c)| *at > 0 && ".-_".contains(*c)) {
        let (stem, rest) = name.split_at(at);
        if is_counter(rest) {
            bases.push(stem.to_owned());
        }
        for (end, _) in rest.char_indices().filter(|(end, c)| *end > 0 && *c == '.') {
            let (middle, end) = rest.split_at(end);
            if is_counter(middle) {
                bases.push(format!("{stem}{end}"));
            }
        }
    }
    bases.retain(|base| rotated(base, name) == Some(Rotated::Plain));
    bases
}

/// Returns the log that a rotated file's name speaks of: `x.log` of `x.log.1`.
pub(crate) fn root(name: &str) -> Option<&str> {
    let mut cuts = name.char_indices().filter(|(at, c)| *at > 0 && ".-_".contains(*c));
    cuts.find_map(|(at, _)| Some(name.split_at(at)).filter(|(_, end)| is_counter(end)))
        .map(|(root, _)| root)
}

/// `.1`, `-20261121`, `-2026-11-21T08:30:00`, `.old`.
fn is_counter(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['.', '-', '_']) else { return false };
    matches!(rest, "old" | "bak" | "prev" | "0")
        || rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_digit() || "-_.:TZ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_rotated_names() {
        for name in
            ["a.log.1", "a.log.12", "a.log-20261121", "a-20261121.log", "a.1.log", "a.log.old"]
        {
            assert_eq!(rotated("a.log", name), Some(Rotated::Plain), "{name}");
            assert!(bases(name).contains(&"a.log".to_owned()), "{name}: {:?}", bases(name));
        }
        assert_eq!(rotated("a.log", "a.log.2.gz"), Some(Rotated::Compressed));
        assert_eq!(rotated("a.log", "a.log.gz"), Some(Rotated::Compressed));
        assert_eq!((root("a.log.1"), root("a.log-20261121")), (Some("a.log"), Some("a.log")));
        assert_eq!((root("a.log"), root(".1"), root("")), (None, None, None));
        assert_eq!(rotated("secure", "secure-20261121"), Some(Rotated::Plain));
        for name in ["a.log", "b.log.1", "a.log.conf", "a-error.log", "ab.log.1", "a.log.1.tmp"] {
            assert_eq!(rotated("a.log", name), None, "{name}");
            assert!(!bases(name).contains(&"a.log".to_owned()), "{name}: {:?}", bases(name));
        }
    }
}
