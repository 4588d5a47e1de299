//! named: BIND's server, through syslog or in a file of its own.
//!
//! Spec: ISC BIND 9, lib/ns/client.c (`ns_client_logv`), lib/ns/query.c (`log_query`,
//! `log_queryerror`).

use rules_event::{Event, field};

use super::Context;
use super::program::set_action;
use super::source::{is_address, set_port, set_source};
use crate::{find, moment};

/// Decodes a line of a file: `21-Nov-2026 08:30:00.123 security: info: client @0x7f 203.0.113.5#53 (x): …`.
pub(super) fn decode_file(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Some((time, rest)) = moment::dashed(text, context.zone) else { return false };
    let Some(rest) = rest.strip_prefix(' ') else { return false };
    event.time = time;
    event.set(field::EVENT_MODULE, "system");
    event.set(field::EVENT_DATASET, "system.syslog");
    event.set(field::PROCESS_NAME, "named");
    event.set_text(field::MESSAGE, rest);
    decode(rest, event);
    true
}

/// Decodes a message.
pub(super) fn decode(message: &str, event: &mut Event) {
    let _ = client(message, event);
}

fn client(message: &str, event: &mut Event) -> Option<()> {
    // Categories and levels may stand in front, if named is told to print them.
    let at = find::find(message, "client ").filter(|at| *at < 64)?;
    let rest = message.get(at + 7..)?;
    let rest = match rest.strip_prefix('@') {
        Some(rest) => find::split_byte(rest, b' ')?.1,
        None => rest,
    };
    let (address, rest) =
        find::split_byte(rest, b'#').filter(|(address, _)| is_address(address))?;
    let end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (port, rest) = rest.split_at(end);
    set_source(event, address);
    set_port(event, port);
    event.set(field::EVENT_CATEGORY, "network");
    // "(name): view x: " may stand between.
    let rest = rest.trim_start_matches([':', ' ']);
    let (name, rest) = match rest.strip_prefix('(').and_then(|rest| find::split_byte(rest, b')')) {
        Some((name, rest)) => (name, rest),
        None => ("", rest),
    };
    set_question(event, name, "");
    if let Some((_, question)) = find::split(rest, "query: ") {
        // example.org IN A +E(0) (10.0.0.1)
        let mut words = find::pieces(question, b' ');
        let (name, _, kind) = (words.next()?, words.next()?, words.next()?);
        set_action(event, "network", "dns_query", None);
        set_question(event, name, kind);
        return Some(());
    }
    let refused =
        rest.contains("denied") || rest.contains("refused") || rest.contains("bad zone transfer");
    if !refused {
        return Some(());
    }
    set_action(event, "network", "dns_refused", Some("failure"));
    // "query (cache) 'example.org/A/IN' denied", "zone transfer 'example.org/AXFR/IN' denied"
    if let Some((_, inside)) = rest.split_once('\'') {
        let mut parts = inside.split('\'').next().unwrap_or_default().rsplitn(3, '/');
        let (_, kind, name) = (parts.next(), parts.next(), parts.next());
        set_question(event, name.unwrap_or_default(), kind.unwrap_or_default());
    }
    Some(())
}

fn set_question(event: &mut Event, name: &str, kind: &str) {
    if !name.is_empty() {
        event.set_text("dns.question.name", name);
    }
    if !kind.is_empty() {
        event.set_text("dns.question.type", kind);
    }
}
