//! Databases: the error logs of MySQL, MariaDB and PostgreSQL.
//!
//! Spec: MySQL 8.0 Reference Manual, 5.4.2.8; MariaDB Knowledge Base, "Error Log"; PostgreSQL 16,
//! 20.8 "Error Reporting and Logging".

use jiff::tz::TimeZone;
use rules_event::{Event, Timestamp, field};

use super::Context;
use super::program::{FAILURE, SUCCESS, set_action};
use super::source::{set_port, set_source, set_user};
use super::table::set_dataset;
use super::template;
use crate::moment;

const AUTH: &str = "authentication";

/// Severities of PostgreSQL. Spec: PostgreSQL 16, table 20.2, and the parts of a message.
const LEVELS: [&str; 16] = [
    "LOG",
    "FATAL",
    "ERROR",
    "WARNING",
    "PANIC",
    "NOTICE",
    "INFO",
    "DEBUG",
    "DEBUG1",
    "DEBUG2",
    "DEBUG3",
    "DEBUG4",
    "DEBUG5",
    "DETAIL",
    "HINT",
    "STATEMENT",
];

/// Decodes a line of MySQL's or MariaDB's error log; false when it is none:
/// `2026-11-21T08:30:00.123456Z 8 [Note] [MY-010926] [Server] text`,
/// `2026-11-21  8:30:00 8 [Warning] text`, `2026-11-21T08:30:00.123456Z    14 Connect   text`.
pub(super) fn decode_mysql(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    mysql(text, context, event).is_some()
}

/// Whether a number follows the time, where syslog has a host: a look that costs nothing, for lines
/// that mostly are of syslog.
pub(super) fn may_be_mysql(text: &str) -> bool {
    let at = memchr::memchr2(b' ', b'\t', text.as_bytes());
    let next = at.and_then(|at| text.as_bytes().get(at + 1));
    next.is_some_and(|next| next.is_ascii_digit() || next.is_ascii_whitespace())
}

fn mysql(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let (time, rest) = mysql_time(text, context.zone)?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (thread, message) = rest.split_at(end);
    let message = message.trim_start_matches([' ', '\t']);
    let level = message.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let is_general = ["Connect", "Query", "Quit"].iter().any(|word| message.starts_with(word));
    let is_level = level.is_some_and(|(level, _)| {
        matches!(level, "Note" | "Warning" | "ERROR" | "Error" | "System")
    });
    if !is_level && (!is_general || thread.is_empty()) {
        return None;
    }
    event.time = time;
    set_dataset(event, "mysql", "mysql.error");
    event.set(field::EVENT_CATEGORY, "database");
    if let Ok(thread) = thread.parse::<i64>() {
        event.set("mysql.thread_id", thread);
    }
    let message = match level.filter(|_| is_level) {
        Some((level, message)) => {
            event.set_text("log.level", level);
            message.trim_start()
        }
        None => message,
    };
    event.set_text(field::MESSAGE, message);
    mysql_message(message, event);
    Some(())
}

/// `2026-11-21T08:30:00.123456Z`, `2026-11-21  8:30:00` and `261121  8:30:00`.
fn mysql_time<'a>(text: &'a str, zone: &TimeZone) -> Option<(Timestamp, &'a str)> {
    if let Some(found) = moment::rfc3339(text, zone) {
        return Some(found);
    }
    let (date, rest) = text.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    let (clock, rest) = rest.split_once(' ')?;
    let (year, month, day) = match date.len() {
        10 => (date.get(..4)?, date.get(5..7)?, date.get(8..)?),
        6 => (date.get(..2)?, date.get(2..4)?, date.get(4..)?),
        _ => return None,
    };
    let year = if year.len() == 2 { format!("20{year}") } else { year.to_owned() };
    Some((moment::parts(&year, month, day, clock, zone)?, rest))
}

/// Decodes what the server says of a client.
pub(super) fn mysql_message(message: &str, event: &mut Event) {
    let holes = template::fit("…Access denied for user '{user>}'@'{place}' {_}", message)
        .or_else(|| template::fit("…Access denied for user '{user>}'@'{place}'{_}", message));
    if let Some(holes) = holes {
        template::set(&holes, event);
        set_action(event, AUTH, "database_login", FAILURE);
    } else if let Some(holes) = template::fit(
        "…Aborted connection {_} to db: '{database}' user: '{user>}' host: '{place}' {_}",
        message,
    ) {
        template::set(&holes, event);
        set_action(event, "database", "connection_aborted", None);
    }
}

/// Decodes a line of PostgreSQL's log; false when it is none:
/// `2026-11-21 08:30:00.123 +07 [4974] x@y FATAL:  text`.
pub(super) fn decode_postgres(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    postgres(text, context, event).is_some()
}

fn postgres(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    // log_line_prefix may put the client in front: '%h %m [%p] %q%u@%d '.
    let (client, stamped) = match text.split_once(' ') {
        Some((word, rest)) if super::source::is_address(word) => (word, rest),
        _ => ("", text),
    };
    let (time, rest) = stamp(stamped, context)?;
    // Between the time and the level stands what the prefix is set to: [pid], [pid-line], user@db.
    let (level_at, level) = LEVELS
        .iter()
        .filter_map(|level| {
            let at = rest.find(&format!("{level}:  "))?;
            let starts = at == 0 || rest.as_bytes().get(at - 1) == Some(&b' ');
            starts.then_some((at, *level))
        })
        .min()
        .filter(|(at, _)| *at <= 160)?;
    let (prefix, message) = rest.split_at_checked(level_at)?;
    let message = message.get(level.len() + 3..)?;
    event.time = time;
    set_dataset(event, "postgresql", "postgresql.log");
    event.set(field::EVENT_CATEGORY, "database");
    event.set("log.level", level);
    set_source(event, client);
    for word in prefix.split(' ') {
        if let Some(inside) = word.strip_prefix('[').and_then(|word| word.split(['-', ']']).next())
        {
            if let Ok(pid) = inside.parse::<i64>() {
                event.set(field::PROCESS_PID, pid);
            }
        } else if let Some((user, database)) = word.split_once('@') {
            if user != "[unknown]" {
                set_user(event, user);
            }
            event.set_text("db.name", database.trim_end_matches(':'));
        }
    }
    // log_error_verbosity = verbose puts the code in front: "28P01: password …".
    let message = match message.split_once(": ") {
        Some((code, rest))
            if code.len() == 5 && code.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            event.set_text("event.code", code);
            rest
        }
        _ => message,
    };
    event.set_text(field::MESSAGE, message);
    postgres_message(message, event);
    Some(())
}

/// `2026-11-21 08:30:00.123 +07 `: the zone by its name is the server's own, which is ours.
fn stamp<'a>(text: &'a str, context: &Context<'_>) -> Option<(Timestamp, &'a str)> {
    let (date, rest) = text.split_once(' ')?;
    let (clock, rest) = rest.split_once(' ')?;
    let (name, rest) = rest.split_once(' ')?;
    let is_zone = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-:".contains(&b));
    if date.len() != 10 || !is_zone || name.is_empty() {
        return None;
    }
    let named = match name {
        "UTC" | "GMT" => Some(TimeZone::UTC),
        // Spec: PostgreSQL, src/timezone/tznames/Default.
        "ICT" => Some(TimeZone::fixed(jiff::tz::offset(7))),
        "CET" => Some(TimeZone::fixed(jiff::tz::offset(1))),
        "CEST" => Some(TimeZone::fixed(jiff::tz::offset(2))),
        "EST" => Some(TimeZone::fixed(jiff::tz::offset(-5))),
        "EDT" => Some(TimeZone::fixed(jiff::tz::offset(-4))),
        _ => crate::timezone(name).ok().filter(|_| name.starts_with(['+', '-'])),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let zone = named.as_ref().unwrap_or(context.zone);
    Some((moment::parts(year, month, day, clock, zone)?, rest))
}

/// Decodes what the server says of a client.
pub(super) fn postgres_message(message: &str, event: &mut Event) {
    const SENTENCES: &[(&str, Option<&str>)] = &[
        ("…{method} authentication failed for user \"{user>}\"", FAILURE),
        (
            "…no pg_hba.conf entry for host \"{ip}\", user \"{user}\", database \"{database}\"{_}",
            FAILURE,
        ),
        ("…role \"{user>}\" does not exist", FAILURE),
        ("…connection authorized: user={user} database={database}", SUCCESS),
        ("…connection authorized: user={user} database={database} {_}", SUCCESS),
    ];
    for (words, outcome) in SENTENCES {
        let Some(holes) = template::fit(words, message) else { continue };
        template::set(&holes, event);
        set_action(event, AUTH, "database_login", *outcome);
        return;
    }
    if let Some(holes) = template::fit("connection received: host={place} port={port}", message) {
        template::set(&holes, event);
        set_action(event, "network", "database_connect", None);
        return;
    }
    if let Some((number, _)) = message
        .strip_prefix("duration: ")
        .and_then(|rest| rest.split_once(" ms"))
        .and_then(|(number, rest)| Some((number.parse::<f64>().ok()?, rest)))
    {
        event.set("event.duration", (number * 1e6).round() as i64);
    }
}

/// Decodes a line of PostgreSQL's `csvlog`; false when it is none.
/// Spec: PostgreSQL 16, 20.8.4 "Using CSV-Format Log Output".
pub(super) fn decode_postgres_csv(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    csv(text, context, event).is_some()
}

fn csv(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let mut cells = [""; 14];
    let mut rest = text;
    for cell in &mut cells {
        let (value, behind) = cell_of(rest)?;
        *cell = value;
        rest = behind;
    }
    let [time, user, database, pid, client, _, _, tag, _, _, _, level, code, message] = cells;
    let (time, _) = stamp(&format!("{time} "), context).map(|(time, _)| (time, ""))?;
    if !LEVELS.contains(&level) || code.len() != 5 {
        return None;
    }
    event.time = time;
    set_dataset(event, "postgresql", "postgresql.log");
    event.set(field::EVENT_CATEGORY, "database");
    event.set_text("log.level", level);
    event.set_text("event.code", code);
    set_user(event, user);
    if !database.is_empty() {
        event.set_text("db.name", database);
    }
    if let Ok(pid) = pid.parse::<i64>() {
        event.set(field::PROCESS_PID, pid);
    }
    if let Some((address, port)) = client.rsplit_once(':') {
        set_source(event, address);
        set_port(event, port);
    }
    if !tag.is_empty() {
        event.set_text("postgresql.log.command_tag", tag);
    }
    let message = message.replace("\"\"", "\"");
    event.set_text(field::MESSAGE, &message);
    postgres_message(&message, event);
    Some(())
}

/// The next cell, in quotes (doubled within) or not, and what is behind its comma.
fn cell_of(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else { return text.split_once(',') };
    let bytes = quoted.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(at + 1) == Some(&b'"') {
            at += 2;
            continue;
        }
        let (cell, rest) = quoted.split_at_checked(at)?;
        return Some((cell, rest.get(1..)?.strip_prefix(',').unwrap_or_default()));
    }
}
