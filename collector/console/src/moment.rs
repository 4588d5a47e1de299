//! Moments: the clock, and times as people here read them.

use std::time::{SystemTime, UNIX_EPOCH};

use rules_event::Timestamp;

/// Vietnam keeps UTC+7 all year.
const OFFSET_SECONDS: i64 = 7 * 60 * 60;

/// Returns the present moment.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().saturating_add(since)
}

/// A moment as a page shows it: local, with UTC on hover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// `dd/MM/yyyy HH:mm`, UTC+7.
    pub(crate) local: String,
    /// RFC 3339 in UTC.
    pub(crate) utc: String,
}

/// Returns how a page shows a moment, to the minute.
pub(crate) fn shown(moment: Timestamp) -> Shown {
    Shown { local: local(moment, "%d/%m/%Y %H:%M"), utc: moment.to_string() }
}

/// Returns how a timeline shows a moment, to the second.
pub(crate) fn shown_exactly(moment: Timestamp) -> Shown {
    Shown { local: local(moment, "%d/%m/%Y %H:%M:%S"), utc: moment.to_string() }
}

fn local(moment: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_second(moment.as_seconds() + OFFSET_SECONDS)
        .map(|moment| moment.strftime(format).to_string())
        .unwrap_or_else(|_| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_seven_hours_ahead() {
        let moment = "2026-11-20T17:05:59Z".parse().unwrap();
        assert_eq!(shown(moment).local, "21/11/2026 00:05");
        assert_eq!(shown(moment).utc, "2026-11-20T17:05:59Z");
        assert_eq!(shown_exactly(moment).local, "21/11/2026 00:05:59");
    }
}
