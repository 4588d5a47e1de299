//! Decoding: from text to ECS fields, one file per format.
//!
//! Decoders take what they understand and leave the rest: a decoder of an envelope sets what the
//! envelope says and hands the message on to the decoder of its program. Parsing is by hand: it is
//! simple, and it cannot be made slow by what an attacker gets written into a log.

mod accounts;
mod auditd;
mod journal;
mod json;
mod login;
mod pam;
mod program;
mod source;
mod sshd;
mod sudo;
mod syslog;
#[cfg(test)]
mod tests;
mod web;

use agent_inputs::Format;
use jiff::tz::TimeZone;
use rules_event::{Event, Timestamp, field};

use crate::clock::Clock;

/// What a decoder may know besides the text.
pub(crate) struct Context<'a> {
    /// When the line was read: the year of times without one.
    pub(crate) read_at: Timestamp,
    /// Zone of times without one.
    pub(crate) zone: &'a TimeZone,
    /// The last times read.
    pub(crate) clock: &'a Clock,
    /// As configured.
    pub(crate) format: Format,
    /// The log's path.
    pub(crate) path: Option<&'a str>,
}

impl Context<'_> {
    /// The log's file name; empty without a path.
    pub(crate) fn file_name(&self) -> &str {
        self.path.and_then(|path| path.rsplit('/').next()).unwrap_or_default()
    }

    fn path_contains(&self, part: &str) -> bool {
        self.path.is_some_and(|path| path.contains(part))
    }
}

/// Decodes a line into an event that so far holds nothing but its id and the time it was read.
pub(crate) fn line(text: &str, context: &Context<'_>, event: &mut Event) {
    let understood = match context.format {
        Format::Syslog => syslog::decode(text, context, event),
        Format::Nginx | Format::Apache => web::decode(text, context, event),
        Format::Auditd => auditd::decode(text, event),
        Format::Json => json::decode(text, context, event),
        Format::Journal => journal::decode(text, context, event),
        Format::Text => false,
        Format::Auto => auto(text, context, event),
    };
    if !understood {
        event.set(field::EVENT_DATASET, "text");
        event.set_text(field::MESSAGE, text);
    }
}

/// Tries the decoder that the first byte speaks for; the path only settles what the text leaves open.
fn auto(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    match text.as_bytes() {
        [b'{', ..] => json::decode(text, context, event),
        [b'<', ..] => syslog::decode(text, context, event),
        // type=…, node=…
        [b't' | b'n', ..] => auditd::decode(text, event) || web::decode(text, context, event),
        // Both begin with a digit: a time by RFC 3339, or an address.
        [first, ..] if first.is_ascii_digit() => {
            syslog::decode(text, context, event) || web::decode(text, context, event)
        }
        [first, ..] if first.is_ascii_uppercase() => {
            syslog::decode(text, context, event) || web::decode(text, context, event)
        }
        _ => web::decode(text, context, event),
    }
}
