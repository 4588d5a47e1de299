//! Configuration of redaction, and what is wrong with one.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::own::Own;
use crate::Error;

/// Most names of parameters beside ours. Each costs a line without any nothing, the table some bytes.
pub(super) const NAMES_MAX: usize = 256;
/// Fewest and most bytes of such a name.
const NAME_BYTES: [usize; 2] = [3, 64];
/// Most patterns: every line is searched for each.
pub(super) const PATTERNS_MAX: usize = 32;
/// Longest pattern, bytes.
const PATTERN_BYTES_MAX: usize = 1_024;
/// Most memory of one compiled pattern, bytes.
const PATTERN_MEMORY_MAX: usize = 1024 * 1024;
/// Most globs of exempted files.
const EXEMPT_MAX: usize = 64;

/// What is hidden in records before anything is stored (`[redaction]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactionConfig {
    /// Whether secrets are hidden (default true). Without it, passwords that stand in logs are stored,
    /// sent and shown.
    pub enabled: bool,
    /// Kinds that are not hidden (default none), of `password`, `token`, `api_key`, `session`, `otp`,
    /// `oauth_code`, `saml`, `authorization`, `cookie`, `jwt`, `private_key`.
    pub off: Vec<String>,
    /// Kinds of personal data that are hidden too (default none), of `cccd`, `phone`, `email`. Each line
    /// is then read once more.
    pub personal: Vec<String>,
    /// Further names of parameters whose values are secret (default none; 3 to 64 bytes each, 256 at
    /// most); case does not matter, as a name of the whole parameter.
    pub names: Vec<String>,
    /// Whether a short keyed hash stands behind the kind (default false): `[redacted:password:0a1b2c3d]`.
    /// It tells that two events hold the same secret; who has the agent's key can try guesses on it.
    pub digest: bool,
    /// Files whose records are taken as they are (default none; 64 at most): globs over the path.
    pub exempt: Vec<String>,
    /// Own patterns by name (default none; 32 at most, 1024 bytes each): regular expressions of the crate
    /// regex. The group `secret` is hidden, or all that matches where there is no such group.
    pub patterns: BTreeMap<String, String>,
}

impl Default for RedactionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            off: Vec::new(),
            personal: Vec::new(),
            names: Vec::new(),
            digest: false,
            exempt: Vec::new(),
            patterns: BTreeMap::new(),
        }
    }
}

/// A configuration in the form it is used in.
pub(super) struct Compiled {
    /// Bits of the kinds that are hidden.
    pub(super) on: u64,
    pub(super) own: Vec<Own>,
    pub(super) exempt: GlobSet,
}

fn wrong(key: String, problem: String) -> Error {
    Error::Redaction { key, problem }
}

impl RedactionConfig {
    /// Checks it and puts it into the form it is used in.
    pub(super) fn compile(&self) -> Result<Compiled, Error> {
        let mut on = 0;
        for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_personal()) {
            on |= kind.bit();
        }
        on &= !bits("redaction.off", &self.off, false)?;
        on |= bits("redaction.personal", &self.personal, true)?;
        self.check_names()?;
        Ok(Compiled { on, own: self.compile_patterns()?, exempt: self.compile_exempt()? })
    }

    fn check_names(&self) -> Result<(), Error> {
        let key = || "redaction.names".to_owned();
        if self.names.len() > NAMES_MAX {
            let problem =
                format!("{} names are too many; give {NAMES_MAX} at most", self.names.len());
            return Err(wrong(key(), problem));
        }
        let [min, max] = NAME_BYTES;
        for name in &self.names {
            let is_good = |byte: u8| byte > b' ' && !b"=:\"'&?;,<>{}()".contains(&byte);
            if name.len() < min || name.len() > max || !name.bytes().all(is_good) {
                let problem = format!(
                    "'{name}' is no name of a parameter; give {min} to {max} bytes without blanks, \
                     quotes, '=', ':' and '&'"
                );
                return Err(wrong(key(), problem));
            }
        }
        Ok(())
    }

    fn compile_patterns(&self) -> Result<Vec<Own>, Error> {
        if self.patterns.len() > PATTERNS_MAX {
            let many = self.patterns.len();
            let problem = format!("{many} patterns are too many; give {PATTERNS_MAX} at most");
            return Err(wrong("redaction.patterns".to_owned(), problem));
        }
        let mut own = Vec::new();
        for (name, pattern) in &self.patterns {
            let key = || format!("redaction.patterns.{name}");
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || name.len() > 32 || !name.bytes().all(is_good) {
                let problem =
                    format!("'{name}' names no kind; give letters, digits and '_', 32 at most");
                return Err(wrong(key(), problem));
            }
            if Kind::of(name).is_some() {
                let problem = format!("'{name}' is a kind of ours; choose another name");
                return Err(wrong(key(), problem));
            }
            if pattern.len() > PATTERN_BYTES_MAX {
                let problem =
                    format!("the pattern is longer than {PATTERN_BYTES_MAX} bytes; split it");
                return Err(wrong(key(), problem));
            }
            let regex = RegexBuilder::new(pattern).size_limit(PATTERN_MEMORY_MAX).build();
            let regex = regex.map_err(|error| {
                wrong(key(), format!("no regular expression that can be used: {error}"))
            })?;
            if regex.is_match("") {
                let problem = "the pattern matches an empty text; it has to ask for something";
                return Err(wrong(key(), problem.to_owned()));
            }
            own.push(Own { name: name.clone(), regex });
        }
        Ok(own)
    }

    fn compile_exempt(&self) -> Result<GlobSet, Error> {
        let key = || "redaction.exempt".to_owned();
        if self.exempt.len() > EXEMPT_MAX {
            let problem =
                format!("{} globs are too many; give {EXEMPT_MAX} at most", self.exempt.len());
            return Err(wrong(key(), problem));
        }
        let mut set = GlobSetBuilder::new();
        for glob in &self.exempt {
            set.add(Glob::new(glob).map_err(|error| wrong(key(), error.to_string()))?);
        }
        set.build().map_err(|error| wrong(key(), error.to_string()))
    }
}

/// Returns the bits of named kinds.
fn bits(key: &str, names: &[String], personal: bool) -> Result<u64, Error> {
    let good = || Kind::ALL.into_iter().filter(move |kind| kind.is_personal() == personal);
    let mut bits = 0;
    for name in names {
        let Some(kind) = good().find(|kind| kind.as_str() == name) else {
            let all: Vec<&str> = good().map(Kind::as_str).collect();
            let problem = format!("'{name}' is no kind here; give some of {}", all.join(", "));
            return Err(wrong(key.to_owned(), problem));
        };
        bits |= kind.bit();
    }
    Ok(bits)
}
