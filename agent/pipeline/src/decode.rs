//! Decoding: from text to ECS fields, one file per format.
//!
//! Decoders take what they understand and leave the rest: a decoder of an envelope sets what the
//! envelope says and hands the message on to the decoder of its program. Parsing is by hand: it is
//! simple, and it cannot be made slow by what an attacker gets written into a log.

mod accounts;
mod auditd;
mod columns;
mod database;
mod devices;
mod errors;
mod evtx;
mod haproxy;
mod iis;
mod journal;
mod json;
mod kernel;
mod laurel;
mod login;
mod mail;
mod named;
mod pairs;
mod pam;
mod plain;
mod program;
mod services;
mod source;
mod squid;
mod sshd;
mod sudo;
mod suricata;
mod syslog;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod url;
mod wazuh;
mod web;
mod webjson;
mod zeek;

use agent_inputs::Format;
use jiff::tz::TimeZone;
use rules_event::{Event, Timestamp, field};

use crate::clock::Clock;
pub(crate) use columns::Headers;

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
    /// What the path says.
    pub(crate) log: &'a LogFacts,
    /// What names the log, for what is kept of its head.
    pub(crate) source: &'a str,
    /// The heads of all logs.
    pub(crate) headers: &'a Headers,
}

/// What is known of a log before its first line: found once, asked for every line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFacts {
    /// Module and dataset of its lines, if they are those of an access log.
    server: (&'static str, &'static str),
    /// Whether it holds the lines of `auth` and `authpriv`.
    is_auth: bool,
}

impl LogFacts {
    /// Returns what format and path say.
    pub(crate) fn of(format: Format, path: Option<&str>) -> Self {
        let path = path.unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        Self { server: web::server(format, path), is_auth: syslog::is_auth_file(name) }
    }
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
        Format::Nginx => {
            web::decode(text, context, event)
                || web::timed::decode(text, context, event)
                || errors::decode_nginx(text, context, event)
                || is_object(text) && webjson::decode(text, context, event)
        }
        Format::Apache => {
            web::decode(text, context, event)
                || errors::decode_apache(text, context, event)
                || is_object(text) && webjson::decode(text, context, event)
        }
        Format::Iis => head(text, context, event) || iis::decode(text, context, event),
        Format::Zeek if is_object(text) => zeek::decode_json(text, context, event),
        Format::Zeek => head(text, context, event) || zeek::decode(text, context, event),
        Format::Suricata if is_object(text) => suricata::decode(text, context, event),
        Format::Suricata => suricata::decode_fast(text, context, event),
        Format::Wazuh => wazuh::decode(text, context, event),
        Format::Squid => squid::decode(text, event),
        Format::Mysql => database::decode_mysql(text, context, event),
        Format::Postgresql => {
            database::decode_postgres(text, context, event)
                || database::decode_postgres_csv(text, context, event)
        }
        Format::Auditd if is_object(text) => laurel::decode(text, event),
        Format::Auditd => auditd::decode(text, event),
        Format::Evtx => evtx::decode(text, event),
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

fn is_object(text: &str) -> bool {
    text.starts_with('{')
}

/// Tries the decoder that the first byte speaks for; the path only settles what the text leaves open.
fn auto(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    match text.as_bytes() {
        [b'{', ..] => {
            laurel::is_line(text) && laurel::decode(text, event) || object(text, context, event)
        }
        [b'<', ..] => syslog::decode(text, context, event),
        // type=…, node=…
        [b't' | b'n', ..] => auditd::decode(text, event) || web::decode(text, context, event),
        [b'#', ..] => head(text, context, event),
        [b'[', ..] => {
            errors::decode_apache(text, context, event)
                || web::timed::decode(text, context, event)
                || plain::decode_php(text, context, event)
                || plain::decode_xrdp(text, context, event)
        }
        [first, ..] if first.is_ascii_digit() => number(text, context, event),
        [first, ..] if first.is_ascii_uppercase() => {
            syslog::decode(text, context, event)
                || services::decode_vsftpd(text, context, event)
                || web::decode(text, context, event)
        }
        [b'd' | b'i' | b'l' | b'%', ..] => {
            web::decode(text, context, event) || syslog::decode_device(text, context, event)
        }
        _ => web::decode(text, context, event),
    }
}

/// Lines that begin with a digit: a time in one of many forms, or an address.
fn number(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    match text.as_bytes() {
        // 2026-11-21T08:30:00 host program: …
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => {
            database::may_be_mysql(text) && database::decode_mysql(text, context, event)
                || syslog::decode(text, context, event)
        }
        // The same with a blank: IIS, databases, mail servers, and syslog as some write it.
        [_, _, _, _, b'-', _, _, b'-', _, _, b' ', ..] => {
            if iis::decode(text, context, event) {
                return true;
            }
            // A line of other columns than its log's head says is none of another kind.
            if iis::is_log(context) {
                return false;
            }
            database::decode_postgres(text, context, event)
                || database::decode_postgres_csv(text, context, event)
                || database::decode_mysql(text, context, event)
                || plain::decode(text, context, event)
                || syslog::decode(text, context, event)
        }
        [_, _, _, _, b'/', _, _, b'/', ..] => errors::decode_nginx(text, context, event),
        [_, _, b'/', _, _, b'/', ..] => suricata::decode_fast(text, context, event),
        [_, _, b'-', b'A'..=b'Z', ..] => named::decode_file(text, context, event),
        bytes if zeek::is_row(bytes) => zeek::decode(text, context, event),
        [_, _, _, _, _, _, _, _, _, _, b'.', _, _, _, b' ', ..] => {
            squid::decode(text, event) || web::decode(text, context, event)
        }
        _ => {
            web::decode(text, context, event)
                || database::decode_postgres(text, context, event)
                || database::decode_mysql(text, context, event)
        }
    }
}

/// Bytes of a JSON line that are looked at to tell whose it is; what tells it stands first in all of
/// them.
const START_BYTES: usize = 512;

fn object(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let start = text.as_bytes().get(..START_BYTES).unwrap_or(text.as_bytes());
    let names = Names::of(start);
    if names.suricata() {
        suricata::decode(text, context, event)
    } else if names.zeek {
        zeek::decode_json(text, context, event)
    } else if names.wazuh {
        wazuh::decode(text, context, event)
    } else if names.client && names.request {
        webjson::decode(text, context, event)
    } else {
        json::decode(text, context, event)
    }
}

/// Which telling names the first members of a JSON line have.
#[derive(Default)]
struct Names {
    event_type: bool,
    flow: bool,
    zeek: bool,
    wazuh: bool,
    client: bool,
    request: bool,
}

impl Names {
    fn of(start: &[u8]) -> Self {
        let mut names = Self::default();
        for at in memchr::memchr_iter(b'"', start) {
            let rest = start.get(at + 1..).unwrap_or_default();
            let is = |word: &[u8]| rest.starts_with(word);
            // By the first letter, since most texts of a line are no such name.
            match rest.first() {
                Some(b'e') => names.event_type |= is(b"event_type\":"),
                Some(b'f') => names.flow |= is(b"flow_id\":"),
                Some(b'p') => names.flow |= is(b"pcap_cnt\":"),
                Some(b's') => {
                    names.flow |= is(b"src_ip\":") || is(b"stats\":");
                    names.request |= is(b"status\":");
                }
                Some(b'_') => names.zeek |= is(b"_path\":"),
                Some(b'@') => names.zeek |= is(b"@stream\":"),
                Some(b'i') => names.zeek |= is(b"id.orig_h\":") || is(b"id_orig_h\":"),
                Some(b'r') => {
                    names.wazuh |= is(b"rule\":{\"level\":");
                    names.client |= is(b"remote_addr\":") || is(b"remote_ip\":");
                    names.request |= is(b"request");
                }
                Some(b'c') => names.client |= is(b"clientip\":"),
                Some(b'C') => names.client |= is(b"ClientHost\":"),
                Some(b'R') => names.request |= is(b"Request"),
                Some(b'm') => names.request |= is(b"method\":"),
                _ => {}
            }
        }
        names
    }

    fn suricata(&self) -> bool {
        self.event_type && self.flow
    }
}

/// Takes a line of a log's head.
fn head(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    if !text.starts_with('#') || !context.headers.learn(context.source, text) {
        return false;
    }
    event.set(field::EVENT_MODULE, "text");
    event.set(field::EVENT_DATASET, "text");
    event.set(field::MESSAGE, text.to_owned());
    true
}
