//! Parts of a moment, as the time modifiers extract them.

/// A part of a moment, always in UTC.
///
/// Spec: Sigma appendix "modifiers" 2.1, "Time Modifiers".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// Week of the year by ISO 8601, 1 to 53: the specification says 52 and names no calendar; some
    /// years have 53.
    Week,
    /// 1 to 12.
    Month,
    /// Such as 2026.
    Year,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

impl TimePart {
    /// Every part.
    pub const ALL: [Self; 6] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Returns the Sigma word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Returns the least and the greatest value that it takes.
    #[must_use]
    pub fn range(self) -> (i64, i64) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Week => (1, 53),
            Self::Month => (1, 12),
            Self::Year => (1, 9_999),
        }
    }

    /// Returns this part of the moment that lies so many seconds after 1970-01-01 in UTC.
    #[must_use]
    pub fn of(self, seconds: i64) -> i64 {
        let (day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        match self {
            Self::Minute => second / 60 % 60,
            Self::Hour => second / 3_600,
            Self::Day => civil(day).2,
            Self::Month => civil(day).1,
            Self::Year => civil(day).0,
            Self::Week => {
                // A week belongs to the year of its Thursday; 1970-01-01 was one.
                let thursday = day - (day + 3).rem_euclid(7) + 3;
                (thursday - first_day(civil(thursday).0)) / 7 + 1
            }
        }
    }
}

/// Returns year, month and day of the day with this number after 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// Returns the number after 1970-01-01 of the first day of a year.
fn first_day(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_agree_with_a_calendar_of_others(seconds in -62_000_000_000_i64..250_000_000_000) {
            let moment = jiff::Timestamp::from_second(seconds).unwrap();
            let moment = moment.to_zoned(jiff::tz::TimeZone::UTC);
            let expected = [
                i64::from(moment.minute()),
                i64::from(moment.hour()),
                i64::from(moment.day()),
                i64::from(moment.date().iso_week_date().week()),
                i64::from(moment.month()),
                i64::from(moment.year()),
            ];
            prop_assert_eq!(TimePart::ALL.map(|part| part.of(seconds)), expected);
        }
    }

    #[test]
    fn far_moments_do_not_overflow() {
        for part in TimePart::ALL {
            let (least, greatest) = (part.of(i64::MIN), part.of(i64::MAX));
            let (from, to) = part.range();
            assert!(part == TimePart::Year || (from <= least && least <= to && greatest <= to));
        }
    }
}
