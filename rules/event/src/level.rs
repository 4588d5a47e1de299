//! Level: how serious a rule or an incident is.

use std::fmt;
use std::str::FromStr;

/// Severity, ordered from least to most serious.
///
/// Spec: Sigma rules specification 2.1, "level".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// A fact worth attaching to the event; never alerts by itself.
    #[default]
    Informational,
    /// Notable, rarely an attack by itself.
    Low,
    /// Should be looked at.
    Medium,
    /// Should be looked at now.
    High,
    /// An attack that succeeded, or is about to.
    Critical,
}

impl Level {
    /// Every level, least serious first.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the Sigma word for the level.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns 1 (informational) to 5 (critical): the number stored in tables.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }

    /// Returns the level of a stored rank; a rank out of range is the nearest level.
    #[must_use]
    pub fn from_rank(rank: u8) -> Self {
        match rank {
            0 | 1 => Self::Informational,
            2 => Self::Low,
            3 => Self::Medium,
            4 => Self::High,
            _ => Self::Critical,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_survives_its_word_and_its_rank() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(Level::from_rank(level.rank()), level);
        }
        assert!(Level::Critical > Level::High);
    }
}
