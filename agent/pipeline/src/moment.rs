//! Moments: times as logs write them.

mod forms;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use rules_event::Timestamp;

pub(crate) use forms::{asctime, dashed, dated, parts, seconds, slashed, spaced};

/// How far in the future a time without year may lie before it is taken for last year's: clocks
/// differ, but not by more than a day.
const AHEAD_MAX_S: i64 = 86_400;

/// Years tried for a date that the current one does not have: 29 February, over a century turn.
const YEARS_BACK_MAX: i16 = 8;

/// Reads `Nov 21 08:30:00 …`, perhaps with a fraction, and returns what follows the blank behind it.
///
/// Spec: RFC 3164, 4.1.2 "HEADER". The year is the latest that does not put the time more than a day
/// after `read_at`.
pub(crate) fn rfc3164<'a>(
    text: &'a str,
    read_at: Timestamp,
    zone: &TimeZone,
) -> Option<(Timestamp, &'a str)> {
    let (name, rest) = text.split_at_checked(3)?;
    let month = month(name)?;
    let rest = rest.strip_prefix(' ')?;
    // A day of one digit is padded with a blank, by some writers with a zero or not at all.
    let (day, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let day = number(day)?;
    let (clock, rest) = rest.split_once(' ')?;
    let (hour, minute, second, nanos) = time_of_day(clock.strip_suffix(':').unwrap_or(clock))?;
    let limit = read_at.as_seconds().saturating_add(AHEAD_MAX_S);
    let now = jiff::Timestamp::from_second(read_at.as_seconds()).ok()?;
    let year = zone.to_datetime(now).year();
    // One year ahead first: on 31 December the log may already say 1 January.
    for year in (year - YEARS_BACK_MAX..=year + 1).rev() {
        let Ok(date) = DateTime::new(year, month, day, hour, minute, second, nanos) else {
            continue;
        };
        let moment = zoned(date, zone)?;
        if moment.as_seconds() <= limit {
            return Some((moment, rest));
        }
    }
    None
}

/// Reads `2026-11-21T08:30:00.25+07:00`, also with a blank for the `T` and without zone, and returns
/// what follows it.
///
/// Spec: RFC 3339, 5.6; RFC 5424, 6.2.3.
pub(crate) fn rfc3339<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    let bytes = text.as_bytes();
    let is_date =
        matches!(bytes, [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't' | b' ', _, _, b':', ..]);
    if !is_date {
        return None;
    }
    let year: i16 = text.get(..4).and_then(|digits| digits.parse().ok())?;
    let month = number(text.get(5..7)?)?;
    let day = number(text.get(8..10)?)?;
    let rest = text.get(11..)?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ',')))
        .unwrap_or(rest.len());
    let (clock, rest) = rest.split_at_checked(end)?;
    let (hour, minute, second, nanos) = time_of_day(clock)?;
    let date = DateTime::new(year, month, day, hour, minute, second, nanos).ok()?;
    match rest.as_bytes() {
        [b'Z' | b'z', ..] => Some((offset_by(date, Offset::UTC)?, rest.get(1..)?)),
        [b'+' | b'-', ..] => {
            let end = rest.bytes().skip(1).take_while(|b| b.is_ascii_digit() || *b == b':').count();
            let (text, rest) = rest.split_at_checked(end + 1)?;
            Some((offset_by(date, crate::zone::offset(text)?)?, rest))
        }
        _ => Some((zoned(date, zone)?, rest)),
    }
}

/// Reads `21/Nov/2026:08:30:00 +0700`, the time of access logs.
///
/// Spec: Apache HTTP Server 2.4, mod_log_config, `%t`.
pub(crate) fn access(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(':')?;
    let mut parts = date.split('/');
    let day = number(parts.next()?)?;
    let month = month(parts.next()?)?;
    let year: i16 = parts.next()?.parse().ok()?;
    let (clock, zone) = rest.split_once(' ')?;
    let (hour, minute, second, nanos) = time_of_day(clock)?;
    let date = DateTime::new(year, month, day, hour, minute, second, nanos).ok()?;
    offset_by(date, crate::zone::offset(zone)?)
}

/// Returns the moment of a number of seconds, milli-, micro- or nanoseconds since 1970, told apart by
/// size: each means a year between 2001 and 2286 in one of them only.
pub(crate) fn epoch(number: f64) -> Option<Timestamp> {
    let unit: i64 = match number {
        n if (1e9..1e10).contains(&n) => 1_000_000_000,
        n if (1e12..1e13).contains(&n) => 1_000_000,
        n if (1e15..1e16).contains(&n) => 1_000,
        n if (1e18..9.2e18).contains(&n) => 1,
        _ => return None,
    };
    // Whole and fraction apart: a float does not hold today's nanoseconds.
    let whole = (number.trunc() as i64).saturating_mul(unit);
    let fraction = (number.fract() * unit as f64).round() as i64;
    Some(Timestamp::from_nanos(whole.saturating_add(fraction)))
}

/// `08:30:00`, `08:30:00.250`, `08:30:00,250`. A leap second counts as the second before it.
fn time_of_day(text: &str) -> Option<(i8, i8, i8, i32)> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, fraction),
        None => (text, ""),
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = number(parts.next().unwrap_or("0"))?;
    if parts.next().is_some() {
        return None;
    }
    let mut nanos = 0;
    let mut scale = 100_000_000;
    for digit in fraction.bytes() {
        nanos += i32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * scale;
        scale /= 10;
    }
    Some((hour, minute, second.min(59), nanos))
}

fn zoned(date: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    to_ours(zone.to_timestamp(date).ok()?)
}

fn offset_by(date: DateTime, offset: Offset) -> Option<Timestamp> {
    to_ours(offset.to_timestamp(date).ok()?)
}

fn to_ours(moment: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(moment.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// One or two digits.
fn number(text: &str) -> Option<i8> {
    let digit = |byte: u8| byte.checked_sub(b'0').filter(|digit| *digit < 10);
    let value = match text.as_bytes() {
        [one] => digit(*one)?,
        [ten, one] => digit(*ten)? * 10 + digit(*one)?,
        _ => return None,
    };
    i8::try_from(value).ok()
}

fn month(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let index = MONTHS.iter().position(|month| *month == name)?;
    i8::try_from(index + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hanoi() -> TimeZone {
        crate::timezone("+07:00").unwrap()
    }

    #[track_caller]
    fn check_3164(text: &str, read_at: &str, expected: &str) {
        let (moment, rest) = rfc3164(text, at(read_at), &hanoi()).unwrap();
        assert_eq!((moment.to_string().as_str(), rest), (expected, "host x"));
    }

    #[test]
    fn a_year_is_found() {
        let text = "Nov 21 08:30:00 host x";
        check_3164(text, "2026-11-21T02:00:00Z", "2026-11-21T01:30:00Z");
        check_3164(text, "2026-11-20T02:00:00Z", "2026-11-21T01:30:00Z");
        check_3164(text, "2026-11-19T02:00:00Z", "2025-11-21T01:30:00Z");
        check_3164("Dec 31 23:59:59 host x", "2027-01-01T00:10:00Z", "2026-12-31T16:59:59Z");
        check_3164("Jan  1 00:00:01 host x", "2026-12-31T16:59:00Z", "2026-12-31T17:00:01Z");
        check_3164("Feb 29 01:00:00 host x", "2026-03-05T00:00:00Z", "2024-02-28T18:00:00Z");
        check_3164("Feb  9 01:00:00.250 host x", "2026-03-05T00:00:00Z", "2026-02-08T18:00:00.25Z");
    }

    #[test]
    fn a_zone_with_gaps_and_overlaps() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let (gap, _) = rfc3164("Mar 29 02:30:00 h", at("2026-04-01T00:00:00Z"), &zone).unwrap();
        assert_eq!(gap.to_string(), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn rfc_3339_in_all_its_forms() {
        for (text, expected) in [
            ("2026-11-21T08:30:00Z", "2026-11-21T08:30:00Z"),
            ("2026-11-21T08:30:00.123456+07:00", "2026-11-21T01:30:00.123456Z"),
            ("2026-11-21 08:30:00,5-0330", "2026-11-21T12:00:00.5Z"),
            ("2026-11-21T08:30:00", "2026-11-21T01:30:00Z"),
            ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59Z"),
        ] {
            let with_rest = format!("{text} rest");
            let (moment, rest) = rfc3339(&with_rest, &hanoi()).unwrap();
            assert_eq!((moment.to_string().as_str(), rest), (expected, " rest"), "{text}");
        }
        for bad in ["2026-13-21T08:30:00Z", "2026-11-21", "", "2026-11-21T25:30:00Z"] {
            assert_eq!(rfc3339(bad, &hanoi()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_since_1970() {
        for number in [1_780_000_000.25, 1_780_000_000_250.0, 1_780_000_000_250_000.0] {
            assert_eq!(epoch(number).unwrap().as_millis(), 1_780_000_000_250);
        }
        assert_eq!(epoch(12.0), None);
        assert_eq!(epoch(f64::NAN), None);
    }
}
