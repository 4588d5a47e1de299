//! Window: a time in which changes were announced.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::{Error, weekday};

/// One announced window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Window {
    /// From one moment to another.
    Once(Timestamp, Timestamp),
    /// Every week; `None` is every day. An end before the start is on the next day.
    Weekly(Option<Weekday>, Time, Time),
}

impl Window {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        Self::once(text).or_else(|| Self::weekly(text)).ok_or_else(|| Error::Text {
            name: "integrity.change_windows",
            text: text.to_owned(),
            remedy: "give '2026-11-28T22:00+07:00/2026-11-29T04:00+07:00', 'Sat 22:00-04:00' or 'daily 01:00-02:00'",
        })
    }

    fn once(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        let (start, end) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
        (start < end).then_some(Self::Once(start, end))
    }

    fn weekly(text: &str) -> Option<Self> {
        let (day, times) = text.trim().split_once(' ')?;
        let day = weekday::named(day)?;
        let (start, end) = times.trim().split_once('-')?;
        Some(Self::Weekly(day, time(start)?, time(end)?))
    }

    /// Returns whether a moment lies within; `zone` is the host's.
    pub(crate) fn holds(&self, at: Timestamp, zone: &TimeZone) -> bool {
        match self {
            Self::Once(start, end) => (*start..*end).contains(&at),
            Self::Weekly(day, start, end) => {
                let here = at.to_zoned(zone.clone());
                let is_day = |at: &Zoned| day.is_none_or(|day| at.weekday() == day);
                let clock = here.time();
                if start <= end {
                    return is_day(&here) && (*start..*end).contains(&clock);
                }
                let yesterday = here.checked_sub(1.day());
                (is_day(&here) && clock >= *start)
                    || (clock < *end && yesterday.is_ok_and(|before| is_day(&before)))
            }
        }
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_what_they_say() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // 28 November 2026 is a Saturday.
        for (window, moment, wanted) in [
            ("2026-11-28T22:00+07:00/2026-11-29T04:00+07:00", "2026-11-28T15:00:00Z", true),
            ("2026-11-28T22:00+07:00/2026-11-29T04:00+07:00", "2026-11-28T21:00:00Z", false),
            ("Sat 22:00-04:00", "2026-11-28T22:00:00+07:00", true),
            ("Sat 22:00-04:00", "2026-11-29T03:59:00+07:00", true),
            ("Sat 22:00-04:00", "2026-11-29T04:00:00+07:00", false),
            ("Sat 22:00-04:00", "2026-11-28T03:00:00+07:00", false),
            ("daily 01:00-02:00", "2026-11-26T01:30:00+07:00", true),
            ("daily 01:00-02:00", "2026-11-26T02:30:00+07:00", false),
        ] {
            let parsed = Window::parse(window).unwrap();
            assert_eq!(parsed.holds(at(moment), &zone), wanted, "{window} {moment}");
        }
        for bad in ["", "Sat", "Sat 25:00-26:00", "Sam 1:00-2:00", "2026-11-28/2026-11-27"] {
            let error = Window::parse(bad).unwrap_err().to_string();
            assert!(error.contains("change_windows") && error.contains("Sat 22:00"), "{error}");
        }
    }
}
