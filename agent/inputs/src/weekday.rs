//! Weekdays as settings name them.

use jiff::civil::Weekday;

/// Returns the day that a word names (`mon`, …, `sun`, in any case), or none of them for `daily`; `None` for
/// any other word.
pub(crate) fn named(word: &str) -> Option<Option<Weekday>> {
    Some(match word.to_ascii_lowercase().as_str() {
        "mon" => Some(Weekday::Monday),
        "tue" => Some(Weekday::Tuesday),
        "wed" => Some(Weekday::Wednesday),
        "thu" => Some(Weekday::Thursday),
        "fri" => Some(Weekday::Friday),
        "sat" => Some(Weekday::Saturday),
        "sun" => Some(Weekday::Sunday),
        "daily" => None,
        _ => return None,
    })
}
