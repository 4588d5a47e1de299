//! Timestamp: a moment in UTC, to the nanosecond.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A moment in UTC as nanoseconds since 1970-01-01; covers the years 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 moment, or lies outside the years 1677 to 2262.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an RFC 3339 time such as 2026-11-21T08:30:00Z")]
pub struct ParseTimestampError(pub String);

impl Timestamp {
    /// Returns the moment this many nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns the moment this many milliseconds after the epoch, clamped to the covered years.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Returns the moment this many seconds after the epoch, clamped to the covered years.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Returns nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Returns whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Returns whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Returns this moment plus a duration, clamped to the covered years.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Returns this moment minus a duration, clamped to the covered years.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Returns how long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Prints RFC 3339 in UTC with the shortest fraction that loses nothing: `2026-11-21T08:30:00.25Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => write!(f, "{moment}"),
            // i64 nanoseconds lie well inside jiff's range of years, so this arm is never taken.
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        let bad = || ParseTimestampError(text.chars().take(64).collect());
        let moment: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        i64::try_from(moment.as_nanosecond()).map(Self).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_rfc_3339() {
        let moment: Timestamp = "2026-11-21T15:30:00.250+07:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-11-21T08:30:00.25Z");
        assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn clamps_instead_of_overflowing() {
        assert_eq!(Timestamp::from_seconds(i64::MAX).as_nanos(), i64::MAX);
        assert_eq!(Timestamp::from_nanos(-1).as_seconds(), -1);
        let early = Timestamp::from_seconds(10);
        assert_eq!(early.since(Timestamp::from_seconds(20)), Duration::ZERO);
    }
}
