//! Clock: the last times read from a log, since the next line mostly bears the same second.

use std::cell::Cell;

use jiff::tz::TimeZone;
use rules_event::Timestamp;

use crate::moment;

/// `Nov 21 08:30:00 ` with the blank behind it: the usual form, of which only this length is kept.
const SYSLOG_BYTES: usize = 16;
/// `21/Nov/2026:08:30:00 +0700`.
const ACCESS_BYTES: usize = 26;

/// What a thread remembers of times. Gives exactly what [`moment`] gives.
#[derive(Default)]
pub(crate) struct Clock {
    /// A time without year and zone means another moment when it is read later: the time of reading
    /// is part of what must be equal. Lines read together share it.
    syslog: Cell<Option<([u8; SYSLOG_BYTES], Timestamp, Timestamp)>>,
    access: Cell<Option<([u8; ACCESS_BYTES], Timestamp)>>,
}

impl Clock {
    /// As [`moment::rfc3164`]. The zone must be the same at each call: it is the agent's.
    pub(crate) fn rfc3164<'a>(
        &self,
        text: &'a str,
        read_at: Timestamp,
        zone: &TimeZone,
    ) -> Option<(Timestamp, &'a str)> {
        let start = text.as_bytes().first_chunk::<SYSLOG_BYTES>();
        if let (Some(start), Some((known, at, moment))) = (start, self.syslog.get())
            && known == *start
            && at == read_at
        {
            // The text known is ASCII, so a character begins behind it.
            return Some((moment, text.get(SYSLOG_BYTES..)?));
        }
        let (moment, rest) = moment::rfc3164(text, read_at, zone)?;
        if let Some(start) = start.filter(|_| text.len() - rest.len() == SYSLOG_BYTES) {
            self.syslog.set(Some((*start, read_at, moment)));
        }
        Some((moment, rest))
    }

    /// As [`moment::access`].
    pub(crate) fn access(&self, text: &str) -> Option<Timestamp> {
        let start = text.as_bytes().first_chunk::<ACCESS_BYTES>();
        let start = start.filter(|_| text.len() == ACCESS_BYTES);
        if let (Some(start), Some((known, moment))) = (start, self.access.get())
            && known == *start
        {
            return Some(moment);
        }
        let moment = moment::access(text)?;
        if let Some(start) = start {
            self.access.set(Some((*start, moment)));
        }
        Some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_gives_what_reading_gives() {
        let (clock, zone) = (Clock::default(), crate::timezone("Europe/Berlin").unwrap());
        let texts = [
            "Nov 21 08:30:00 h x",
            "Nov 21 08:30:00 h y",
            "Nov  1 08:30:00 h y",
            "Nov 1 08:30:00 h y",
            "Nov 21 08:30:00.5 h",
            "Nov 21 08:30:0",
            "Nov 21 08:30:61 h",
            "Nov 21 08:30:00  h",
            "đ",
        ];
        for read_at in ["2026-11-21T09:00:00Z", "2026-11-19T09:00:00Z", "2026-11-21T09:00:00Z"] {
            let read_at = read_at.parse().unwrap();
            for text in texts.into_iter().chain(texts) {
                let expected = moment::rfc3164(text, read_at, &zone);
                assert_eq!(clock.rfc3164(text, read_at, &zone), expected, "{text}");
            }
        }
        let texts = [
            "21/Nov/2026:08:30:00 +0700",
            "21/Nov/2026:08:30:00 +0800",
            "21/Nov/2026:08:30:00 +07:00",
            "1/Nov/2026:08:30:00 +0700",
            "21/Nov/2026:08:30:00 +0700 ",
        ];
        for text in texts.into_iter().chain(texts) {
            assert_eq!(clock.access(text), moment::access(text), "{text}");
        }
    }
}
