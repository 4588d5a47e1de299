//! Windows: the local times of the week at which the bulk lane may send.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;

const MINUTES_PER_DAY: u32 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One window: days, and a stretch of time that begins on each of them. If it ends before it begins,
/// it ends on the day after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// By day, Monday first.
    days: [bool; 7],
    /// Minutes since midnight.
    from: u32,
    to: u32,
}

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadWindow(String);

impl fmt::Display for BadWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// Inside a window, or there are none.
    Open,
    /// Outside; the next one opens in so many minutes.
    ClosedFor(u32),
}

impl FromStr for Window {
    type Err = BadWindow;

    /// Reads `18:00-06:00`, `sat,sun 00:00-24:00`, `mon-fri 18:00-06:00`.
    fn from_str(text: &str) -> Result<Self, BadWindow> {
        let bad = |what: &str| BadWindow(format!("{what} in '{text}'"));
        let mut words = text.split_whitespace();
        let (days, hours) = match (words.next(), words.next(), words.next()) {
            (Some(hours), None, None) => ([true; 7], hours),
            (Some(days), Some(hours), None) => {
                let days = days.to_ascii_lowercase();
                (
                    days_of(&days)
                        .ok_or_else(|| bad("a day is not one of mon tue wed thu fri sat sun"))?,
                    hours,
                )
            }
            _ => return Err(bad("there are not one or two words")),
        };
        let (from, to) = hours.split_once('-').ok_or_else(|| bad("there is no HH:MM-HH:MM"))?;
        let time = |text: &str| minutes(text).ok_or_else(|| bad("a time is not HH:MM"));
        let (from, to) = (time(from)?, time(to)?);
        if from == to || from == MINUTES_PER_DAY {
            return Err(bad("the window is empty (a whole day is 00:00-24:00)"));
        }
        Ok(Self { days, from, to })
    }
}

/// Reads `mon-fri`, `sat,sun`, `fri-mon,wed`.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        while at != last {
            days[at] = true;
            at = (at + 1) % 7;
        }
        days[last] = true;
    }
    Some(days)
}

fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= MINUTES_PER_DAY).then_some(sum)
}

impl Window {
    /// Returns whether it covers a minute of a day.
    fn covers(&self, day: usize, minute: u32) -> bool {
        let yesterday = (day + 6) % 7;
        if self.from < self.to {
            self.days[day] && (self.from..self.to).contains(&minute)
        } else {
            (self.days[day] && minute >= self.from) || (self.days[yesterday] && minute < self.to)
        }
    }
}

/// Says whether a local time lies in one of the windows; without windows it always does.
pub(crate) fn time(windows: &[Window], day: Weekday, minute: u32) -> Time {
    let day = day.to_monday_zero_offset() as usize;
    let is_open = |day, minute| windows.iter().any(|window| window.covers(day, minute));
    if windows.is_empty() || is_open(day, minute) {
        return Time::Open;
    }
    // The next opening is the beginning of a window on some day of the coming week.
    let openings = (0..=7).flat_map(|ahead| {
        let of = (day + ahead as usize) % 7;
        let starts = windows.iter().filter(move |window| window.days[of]);
        starts.map(move |window| ahead * MINUTES_PER_DAY + window.from)
    });
    let next = openings.filter(|opening| *opening > minute).min();
    Time::ClosedFor(next.map_or(MINUTES_PER_DAY, |opening| opening - minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(windows: &[&str], day: Weekday, clock: &str) -> Time {
        let windows: Vec<Window> = windows.iter().map(|text| text.parse().unwrap()).collect();
        time(&windows, day, minutes(clock).unwrap())
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_it_begins_on() {
        let nights = ["mon-fri 18:00-06:00", "sat,sun 00:00-24:00"];
        assert_eq!(at(&nights, Weekday::Monday, "18:00"), Time::Open);
        assert_eq!(at(&nights, Weekday::Monday, "17:59"), Time::ClosedFor(1));
        assert_eq!(at(&nights, Weekday::Tuesday, "05:59"), Time::Open);
        assert_eq!(at(&nights, Weekday::Tuesday, "06:00"), Time::ClosedFor(12 * 60));
        assert_eq!(at(&nights, Weekday::Saturday, "12:00"), Time::Open);
        assert_eq!(at(&nights, Weekday::Sunday, "23:59"), Time::Open);
        // Sunday is no day of the first window, so its night does not reach into Monday.
        assert_eq!(at(&nights, Weekday::Monday, "00:00"), Time::ClosedFor(18 * 60));
        let friday = ["fri 22:00-02:00"];
        assert_eq!(at(&friday, Weekday::Saturday, "01:59"), Time::Open);
        assert_eq!(at(&friday, Weekday::Saturday, "02:00"), Time::ClosedFor(6 * 1440 + 20 * 60));
        assert_eq!(at(&[], Weekday::Friday, "12:00"), Time::Open);
        assert_eq!(at(&["22:30-23:00"], Weekday::Sunday, "23:00"), Time::ClosedFor(1410));
        assert_eq!(at(&["fri-mon 00:00-01:00"], Weekday::Monday, "00:59"), Time::Open);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [
            ("18:00", "HH:MM-HH:MM"),
            ("monday 18:00-19:00", "mon tue wed"),
            ("T2 18:00-19:00", "mon tue wed"),
            ("mon 6:00-7:00", "not HH:MM"),
            ("mon 06:00-24:01", "not HH:MM"),
            ("mon 06:60-07:00", "not HH:MM"),
            ("06:00-06:00", "00:00-24:00"),
            ("24:00-06:00", "empty"),
            ("mon 06:00 - 07:00", "one or two words"),
            ("", "one or two words"),
        ] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains(named) && error.contains(text), "{error}");
        }
    }
}
