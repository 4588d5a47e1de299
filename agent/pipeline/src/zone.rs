//! The zone of times written without one.

use jiff::tz::{Offset, TimeZone};

use crate::Error;

/// Returns the zone of this name; empty is the host's own zone.
///
/// Takes IANA names and offsets such as `+07:00`. Vietnam's zone is known even on hosts without
/// tzdata: UTC+7 without daylight saving since 1975.
///
/// # Errors
///
/// [`Error::Timezone`] when the name is not known here.
pub fn timezone(name: &str) -> Result<TimeZone, Error> {
    if name.is_empty() {
        return Ok(TimeZone::system());
    }
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).or_else(|source| match name {
        "UTC" => Ok(TimeZone::UTC),
        "Asia/Ho_Chi_Minh" | "Asia/Saigon" => Ok(TimeZone::fixed(jiff::tz::offset(7))),
        _ => Err(Error::Timezone { name: name.to_owned(), source }),
    })
}

/// Reads `+07:00` or `-0330`.
pub(crate) fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.as_bytes() {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let number = |byte: &u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let (hours, minutes) = match digits {
        [a, b, b':', c, d] | [a, b, c, d] => {
            (number(a)? * 10 + number(b)?, number(c)? * 10 + number(d)?)
        }
        [a, b] => (number(a)? * 10 + number(b)?, 0),
        _ => return None,
    };
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets() {
        let moment = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        for name in ["Asia/Ho_Chi_Minh", "+07:00", "+0700", "+07"] {
            assert_eq!(timezone(name).unwrap().to_offset(moment).seconds(), 7 * 3_600, "{name}");
        }
        assert!(timezone("").is_ok());
        assert!(timezone("Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
    }
}
