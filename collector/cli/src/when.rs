//! When: times as people type them and as people read them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::failure::{Failure, Result};

/// Reads `90m`, `24h`, `7d` (ago), a day `2026-11-21` (its start here) or an RFC 3339 time, and
/// returns RFC 3339 in UTC.
pub(crate) fn read(text: &str, now: &Zoned) -> Result<String> {
    let bad = || {
        let text: String = text.chars().take(40).collect();
        Failure::Misuse(format!(
            "'{text}' is no time; write 90m, 24h, 7d, 2026-11-21 or 2026-11-21T08:30:00+07:00"
        ))
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.to_string());
    }
    if let Ok(day) = text.parse::<Date>() {
        let start = day.to_zoned(now.time_zone().clone()).map_err(|_| bad())?;
        return Ok(start.timestamp().to_string());
    }
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let count: i64 =
        text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(bad)?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(bad()),
    };
    // A hundred years is more than any log.
    let minutes = count.checked_mul(minutes).filter(|all| (0..=52_560_000).contains(all));
    let ago = now.timestamp().checked_sub(minutes.ok_or_else(bad)?.minutes());
    Ok(ago.map_err(|_| bad())?.to_string())
}

/// Returns an RFC 3339 time as it is here, to the second; something else as it is.
pub(crate) fn shown(text: &str, zone: &TimeZone) -> String {
    match text.parse::<Timestamp>() {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime("%d/%m/%Y %H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Returns how far a time lies from now: `3h 20m left`, `2d 1h ago`.
pub(crate) fn distance(text: &str, now: Timestamp) -> String {
    let Ok(moment) = text.parse::<Timestamp>() else { return String::new() };
    let seconds = moment.as_second() - now.as_second();
    let minutes = seconds.abs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let span = match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    };
    format!("{span} {}", if seconds >= 0 { "left" } else { "ago" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh")
            .unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(7)));
        let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
        let here = now.to_zoned(zone.clone());
        let read = |text| read(text, &here);
        assert_eq!(read("24h").unwrap(), "2026-11-20T08:30:00Z");
        assert_eq!(read("90m").unwrap(), "2026-11-21T07:00:00Z");
        assert_eq!(read("7d").unwrap(), "2026-11-14T08:30:00Z");
        assert_eq!(read("2026-11-21").unwrap(), "2026-11-20T17:00:00Z");
        assert_eq!(read("2026-11-21T08:30:00+07:00").unwrap(), "2026-11-21T01:30:00Z");
        for bad in ["", "h", "7w", "-1d", "99999999999d", "đ", "hôm qua"] {
            assert!(read(bad).unwrap_err().to_string().contains("24h"), "{bad}");
        }
        assert_eq!(shown("2026-11-21T08:30:00.5Z", &zone), "21/11/2026 15:30:00");
        assert_eq!(shown("soon", &zone), "soon");
        assert_eq!(distance("2026-11-21T11:50:00Z", now), "3h 20m left");
        assert_eq!(distance("2026-11-19T07:30:00Z", now), "2d 1h ago");
    }
}
