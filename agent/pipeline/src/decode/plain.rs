//! Plain files of servers: a time, and a sentence that some rules look for. They stay of dataset
//! `text`, where rules for Linux read what has no dataset of its own; what is known of the sentence
//! is added.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::services::{XRDP, say};
use super::source::{set_source, set_user};
use super::{Context, mail};
use crate::moment;

/// Decodes a line that begins with a time and no host; false when nothing of it is known.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let found = moment::spaced(text, context.zone).or_else(|| moment::rfc3339(text, context.zone));
    let Some((time, rest)) = found else { return false };
    let message = rest.trim_start_matches([' ', ':']);
    if mssql(message, event) {
        event.time = time;
        return true;
    }
    let known = zimbra(message, event)
        || mail::exim(message, event)
        || mail::dovecot(message, event)
        || lighttpd(message, event);
    if known {
        finish(time, text, event);
    }
    known
}

/// Decodes a line of PHP's and Roundcube's own log: `[21-Nov-2026 08:30:00 +0700]: <id> text`.
pub(super) fn decode_php(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Some(rest) = text.strip_prefix('[') else { return false };
    let Some((time, rest)) = moment::dashed(rest, context.zone) else { return false };
    let Some((zone, message)) = rest.split_once(']') else { return false };
    let zone = crate::timezone(zone.trim()).ok().filter(|_| !zone.trim().is_empty());
    let time = match zone {
        Some(zone) => text
            .get(1..)
            .and_then(|text| moment::dashed(text, &zone))
            .map_or(time, |(time, _)| time),
        None => time,
    };
    let message = message.trim_start_matches([':', ' ']);
    mail::roundcube(message, event);
    finish(time, text, event);
    true
}

/// Decodes a line of xrdp's session manager: `[20261121-08:30:00] [INFO ] text`.
pub(super) fn decode_xrdp(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Some((stamp, message)) = text.strip_prefix('[').and_then(|it| it.split_once("] [")) else {
        return false;
    };
    let parts = (stamp.get(..4), stamp.get(4..6), stamp.get(6..8), stamp.get(9..));
    let (Some(year), Some(month), Some(day), Some(clock)) = parts else { return false };
    let Some(time) = moment::parts(year, month, day, clock, context.zone) else { return false };
    say(XRDP, message, event);
    finish(time, text, event);
    true
}

/// `Logon       Login failed for user 'x'. Reason: … [CLIENT: 203.0.113.5]`. Spec: Microsoft SQL Server,
/// error log, MSSQLSERVER_18456.
fn mssql(message: &str, event: &mut Event) -> bool {
    let Some(message) = message.strip_prefix("Logon") else { return false };
    let message = message.trim_start();
    super::table::set_dataset(event, "mssql", "mssql.log");
    event.set(field::EVENT_CATEGORY, "database");
    event.set_text(field::MESSAGE, message);
    let known = say(
        &[
            (
                "Login failed for user '{user>}'. Reason: {reason>} [CLIENT: {place}]",
                "database_login",
                FAILURE,
            ),
            ("Login failed for user '{user>}'. [CLIENT: {place}]", "database_login", FAILURE),
            (
                "Login succeeded for user '{user>}'. Connection made using {_}. [CLIENT: {place}]",
                "database_login",
                SUCCESS,
            ),
        ],
        message,
        event,
    );
    let _ = known;
    true
}

fn finish(time: rules_event::Timestamp, text: &str, event: &mut Event) {
    event.time = time;
    event.set(field::EVENT_MODULE, "text");
    event.set(field::EVENT_DATASET, "text");
    event.set_text(field::MESSAGE, text);
}

/// `INFO  [qtp…] [name=x@y;oip=203.0.113.5;…] SoapEngine - … authentication failed for [x@y], invalid password`
fn zimbra(message: &str, event: &mut Event) -> bool {
    let Some((before, after)) = message.split_once("authentication failed for [") else {
        return false;
    };
    let Some((user, reason)) = after.split_once(']') else { return false };
    set_action(event, "authentication", "mail_login", FAILURE);
    set_user(event, user);
    event.set_text("event.reason", reason.trim_start_matches([',', ' ']));
    // oip is the client's address as a proxy saw it, ip that of the proxy.
    let place = ["oip=", ";ip=", "[ip="].iter().find_map(|word| before.split_once(word));
    if let Some((_, place)) = place {
        set_source(event, place.split([';', ',', ' ', ']']).next().unwrap_or_default());
    }
    event.set(field::PROCESS_NAME, "zimbra");
    true
}

/// `(mod_auth.c.525) password doesn't match for /x username: y, IP: 203.0.113.5`
fn lighttpd(message: &str, event: &mut Event) -> bool {
    let message = message.trim_start_matches([':', ' ']);
    say(
        &[
            ("…password doesn't match for {_} username: {user>}, IP: {ip}", "web_login", FAILURE),
            ("…password doesn't match for {_} username: {user>} IP: {ip}", "web_login", FAILURE),
            ("…digest: auth failed for {user>} : {reason}, IP: {ip}", "web_login", FAILURE),
            ("…digest: auth failed: {reason}, IP: {ip}", "web_login", FAILURE),
            ("…get_password failed, IP: {ip}", "web_login", FAILURE),
        ],
        message,
        event,
    )
}
