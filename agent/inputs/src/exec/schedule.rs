//! Schedule: times of the week at which a command runs.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::{Error, weekday};

/// Entries of a schedule at most: a command that runs more often is better given an interval.
const ENTRIES_MAX: usize = 64;

/// One time of every week; without a day, of every day.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry(Option<Weekday>, Time);

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule(Vec<Entry>);

impl Schedule {
    /// Reads entries such as `daily 02:30` and `sat 22:00`.
    pub(super) fn parse(texts: &[String]) -> Result<Self, Error> {
        if texts.len() > ENTRIES_MAX {
            let (value, max) = (texts.len() as u64, ENTRIES_MAX as u64);
            return Err(Error::Bounds { name: "exec.schedule (entries)", value, min: 0, max });
        }
        let entry = |text: &String| {
            entry(text).ok_or_else(|| Error::Text {
                name: "exec.schedule",
                text: text.clone(),
                remedy: "give a day and a time such as 'daily 02:30' or 'sat 22:00'",
            })
        };
        Ok(Self(texts.iter().map(entry).collect::<Result<_, _>>()?))
    }

    /// Returns the first time after a moment; `zone` is the host's.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let today = after.to_zoned(zone.clone()).date();
        // A week and a day: the time of today's weekday may have passed. A time that a change of the
        // clock leaves out is moved behind it.
        let days = (0..=8).filter_map(|day| today.checked_add(day.days()).ok());
        let times = days.flat_map(|date| {
            let fitting =
                self.0.iter().filter(move |entry| entry.0.is_none_or(|day| day == date.weekday()));
            fitting.filter_map(move |entry| {
                date.to_datetime(entry.1).to_zoned(zone.clone()).ok().map(|at| at.timestamp())
            })
        });
        times.filter(|at| *at > after).min()
    }

    /// Returns how many times lie after the first moment and not after the second, a thousand at most.
    pub(super) fn between(&self, first: Timestamp, last: Timestamp, zone: &TimeZone) -> u64 {
        let mut at = first;
        (0..1_000)
            .take_while(|_| match self.next(at, zone) {
                Some(next) if next <= last => {
                    at = next;
                    true
                }
                _ => false,
            })
            .count() as u64
    }
}

fn entry(text: &str) -> Option<Entry> {
    let (day, time) = text.trim().split_once(' ')?;
    let day = weekday::named(day)?;
    let (hour, minute) = time.trim().split_once(':')?;
    Some(Entry(day, Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(texts: &[&str]) -> Result<Schedule, Error> {
        Schedule::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_next_time_is_found() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // 28 November 2026 is a Saturday.
        for (entries, after, wanted) in [
            (&["daily 02:30"][..], "2026-11-28T02:29:59+07:00", "2026-11-28T02:30:00+07:00"),
            (&["daily 02:30"], "2026-11-28T02:30:00+07:00", "2026-11-29T02:30:00+07:00"),
            (&["sat 22:00"], "2026-11-28T23:00:00+07:00", "2026-12-05T22:00:00+07:00"),
            (
                &["Mon 6:00", "daily 23:00"],
                "2026-11-29T23:30:00+07:00",
                "2026-11-30T06:00:00+07:00",
            ),
        ] {
            let schedule = schedule(entries).unwrap();
            assert_eq!(schedule.next(at(after), &zone), Some(at(wanted)), "{entries:?} {after}");
        }
        let daily = schedule(&["daily 02:30"]).unwrap();
        let (from, to) = (at("2026-11-01T02:30:00+07:00"), at("2026-11-08T02:30:00+07:00"));
        assert_eq!(daily.between(from, to, &zone), 7);
        assert_eq!(daily.between(to, to, &zone), 0);
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["", "02:30", "sam 02:30", "daily 24:00", "daily"] {
            let error = schedule(&[bad]).unwrap_err().to_string();
            assert!(error.contains("exec.schedule") && error.contains("daily 02:30"), "{error}");
        }
    }
}
