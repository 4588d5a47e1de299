//! Forms of times that only some logs write.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rules_event::Timestamp;

use super::{month, number, time_of_day, zoned};

/// A moment of its parts as text: `2026`, `11`, `21`, `08:30:00.25`.
pub(crate) fn parts(
    year: &str,
    month: &str,
    day: &str,
    clock: &str,
    zone: &TimeZone,
) -> Option<Timestamp> {
    at(year, number(month)?, day, clock, zone)
}

/// Reads `2026/11/21 08:30:00` and returns what follows. Spec: nginx, ngx_times.c.
pub(crate) fn slashed<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    let bytes = text.as_bytes();
    let is_date = matches!(bytes, [_, _, _, _, b'/', _, _, b'/', _, _, b' ', _, _, b':', ..]);
    if !is_date {
        return None;
    }
    let (clock, rest) = clock_of(text.get(11..)?);
    let time = parts(text.get(..4)?, text.get(5..7)?, text.get(8..10)?, clock, zone)?;
    Some((time, rest))
}

/// Reads `2026-11-21 08:30:00,123` without a zone, perhaps with a colon behind, and returns what follows.
pub(crate) fn spaced<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    let bytes = text.as_bytes();
    let is_date = matches!(bytes, [_, _, _, _, b'-', _, _, b'-', _, _, b' ', _, _, b':', ..]);
    if !is_date {
        return None;
    }
    let (clock, rest) = clock_of(text.get(11..)?);
    if rest.starts_with(['+', 'Z']) {
        return None;
    }
    let time = parts(text.get(..4)?, text.get(5..7)?, text.get(8..10)?, clock, zone)?;
    Some((time, rest))
}

/// Reads `Mon Dec 26 16:15:55.103522 2016`, the time of C's `asctime`, and returns what follows.
pub(crate) fn asctime<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    let rest = text.get(3..)?.strip_prefix(' ')?;
    let (name, rest) = rest.split_at_checked(3)?;
    let month = month(name)?;
    let (day, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let (clock, rest) = rest.split_once(' ')?;
    let (year, rest) = rest.split_at_checked(4)?;
    Some((at(year, month, day, clock, zone)?, rest))
}

/// Reads `Nov 21 2026 08:30:00`, as Cisco and Huawei write it, and returns what follows.
pub(crate) fn dated<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    let (name, rest) = text.split_at_checked(3)?;
    let month = month(name)?;
    let (day, rest) = rest.strip_prefix(' ')?.trim_start_matches(' ').split_once(' ')?;
    let (year, rest) = rest.split_once(' ')?;
    let (clock, rest) = clock_of(rest);
    Some((at(year, month, day, clock, zone)?, rest))
}

/// Reads `21-Nov-2026 08:30:00.25`, as named and PHP write it, and returns what follows.
pub(crate) fn dashed<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    let (day, rest) = text.split_once('-')?;
    let (name, rest) = rest.split_once('-')?;
    let (year, rest) = rest.split_at_checked(4)?;
    let (clock, rest) = clock_of(rest.strip_prefix(' ')?);
    Some((at(year, month(name)?, day, clock, zone)?, rest))
}

/// A number of seconds since 1970 with up to six digits of fraction, exactly.
pub(crate) fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok().filter(|seconds| (0..1 << 33).contains(seconds))?;
    let mut micros = 0;
    let mut scale = 100_000;
    for digit in fraction.bytes() {
        micros += i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * scale;
        scale /= 10;
    }
    Some(Timestamp::from_nanos(whole * 1_000_000_000 + micros * 1_000))
}

/// The digits of a clock, and what follows them.
fn clock_of(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ',')))
        .unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    // "08:30:00: text": the colon is not of the clock.
    match clock.strip_suffix(':') {
        Some(bare) => (bare, text.get(bare.len()..).unwrap_or_default()),
        None => (clock, rest),
    }
}

fn at(year: &str, month: i8, day: &str, clock: &str, zone: &TimeZone) -> Option<Timestamp> {
    let year: i16 = year.parse().ok().filter(|_| year.len() == 4)?;
    let (hour, minute, second, nanos) = time_of_day(clock)?;
    let date = DateTime::new(year, month, number(day)?, hour, minute, second, nanos).ok()?;
    zoned(date, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Option<(Timestamp, &str)>, expected: &str, rest: &str) {
        let (time, behind) = found.unwrap();
        assert_eq!((time.to_string().as_str(), behind), (expected, rest));
    }

    #[test]
    fn forms_are_read() {
        let zone = crate::timezone("+07:00").unwrap();
        let expected = "2026-11-21T01:30:00Z";
        check(slashed("2026/11/21 08:30:00 [error]", &zone), expected, " [error]");
        check(asctime("Sat Nov 21 08:30:00 2026 [pid 1]", &zone), expected, " [pid 1]");
        check(asctime("Sat Nov  1 08:30:00 2026]", &zone), "2026-11-01T01:30:00Z", "]");
        check(dated("Nov 21 2026 08:30:00: %ASA", &zone), expected, ": %ASA");
        check(dashed("21-Nov-2026 08:30:00.25 x", &zone), "2026-11-21T01:30:00.25Z", " x");
        assert_eq!(dated("Nov 21 08:30:00 2026", &zone), None);
        assert_eq!(seconds("1521911725.396014").unwrap().as_nanos(), 1_521_911_725_396_014_000);
        assert_eq!(seconds("-1").or(seconds("99999999999")), None);
    }
}
