//! Timespans that are nearly right.

/// Returns the Sigma spelling of a timespan written in other words, such as `5m` for `5 minutes`.
pub(crate) fn respelt(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u32 = number.parse().ok()?;
    // `M` is a month to some: only words and small letters are certain.
    let unit = match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" | "S" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" | "H" => "h",
        "d" | "day" | "days" | "D" => "d",
        "w" | "week" | "weeks" => return Some(format!("{}d", number.checked_mul(7)?)),
        _ => return None,
    };
    let spelt = format!("{number}{unit}");
    (spelt != text && number > 0).then_some(spelt)
}

#[cfg(test)]
mod tests {
    use super::respelt;

    #[test]
    fn other_words_are_understood_and_unclear_ones_are_not() {
        assert_eq!(respelt("5 minutes").as_deref(), Some("5m"));
        assert_eq!(respelt(" 1H").as_deref(), Some("1h"));
        assert_eq!(respelt("2 weeks").as_deref(), Some("14d"));
        for text in ["5m", "5M", "0 hours", "5", "m", "five minutes", "99999999999s", ""] {
            assert_eq!(respelt(text), None, "{text}");
        }
    }
}
