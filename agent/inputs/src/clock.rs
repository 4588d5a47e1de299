//! The clock of this crate, in one place.

use std::time::{SystemTime, UNIX_EPOCH};

use rules_event::Timestamp;

/// Returns the time now.
pub(crate) fn now() -> Timestamp {
    from_system(SystemTime::now())
}

/// Returns a time in milliseconds since 1970 as a timestamp.
pub(crate) fn from_millis(millis: u64) -> Timestamp {
    Timestamp::from_nanos(i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000_000))
}

/// Returns a system time as a timestamp; a time before 1970 is the epoch.
pub(crate) fn from_system(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
