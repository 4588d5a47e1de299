//! Access logs that begin with the time: two formats of nginx that ready-made images use.

use rules_event::{Event, field};

use super::super::Context;
use super::super::source::{is_place, set_destination, set_source};
use super::super::url::{set_authority, set_target};
use super::{begin, quoted, set_request};
use crate::moment;

/// Decodes a line; false when it is of neither format.
pub(in super::super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let Some((time, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return false;
    };
    let Some(time) = moment::access(time) else { return false };
    let known = plain(rest, context, event).or_else(|| manager(rest, context, event));
    if known.is_some() {
        event.time = time;
    }
    known.is_some()
}

/// `www.example.org 203.0.113.5 0.227 "GET / HTTP/1.1" 200 125 440 - agent`
fn plain(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let (head, rest) = text.split_once(" \"")?;
    let mut words = head.split(' ');
    let (host, client, _) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !is_place(client) {
        return None;
    }
    let (request, rest) = quoted(rest)?;
    let mut words = rest.strip_prefix(' ')?.splitn(5, ' ');
    let status: i64 = words.next()?.parse().ok().filter(|status| (0..1_000).contains(status))?;
    let bytes: i64 = words.next()?.parse().ok()?;
    begin(status, request, context, event);
    event.set(field::HTTP_RESPONSE_BYTES, bytes);
    if host != "_" {
        set_authority(event, host);
    }
    set_source(event, client);
    set_request(request, event);
    let _length = words.next();
    let referrer = words.next().filter(|referrer| *referrer != "-");
    if let Some(referrer) = referrer {
        event.set_text(field::HTTP_REFERRER, referrer);
    }
    if let Some(agent) = words.next().filter(|agent| *agent != "-") {
        event.set_text(field::USER_AGENT, agent);
    }
    Some(())
}

/// Nginx Proxy Manager: `- 200 200 - GET https www.example.org "/x" [Client 203.0.113.5] [Length 2048]
/// [Gzip 1.2] [Sent-to 10.0.0.9] "agent" "referrer"`.
fn manager(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let (head, rest) = text.split_once(" \"")?;
    // From the right: what its cache said stands in front, in some versions.
    let mut words = head.rsplitn(4, ' ');
    let (host, scheme, method) = (words.next()?, words.next()?, words.next()?);
    let status = words.next()?.split(' ').find_map(|word| word.parse::<i64>().ok())?;
    let (target, rest) = quoted(rest)?;
    let fact = |name: &str| rest.split_once(name)?.1.split(']').next();
    let client = fact("[Client ")?;
    begin(status, target, context, event);
    set_authority(event, host);
    event.set_text("url.scheme", scheme);
    event.set_text(field::HTTP_REQUEST_METHOD, method);
    set_target(event, target);
    set_source(event, client);
    if let Some(length) = fact("[Length ").and_then(|length| length.parse::<i64>().ok()) {
        event.set(field::HTTP_RESPONSE_BYTES, length);
    }
    if let Some(server) = fact("[Sent-to ") {
        set_destination(event, server);
    }
    let mut rest = rest.rsplit_once(']').map(|(_, rest)| rest.trim_start()).unwrap_or_default();
    for name in [field::USER_AGENT, field::HTTP_REFERRER] {
        let Some((value, behind)) = rest.strip_prefix('"').and_then(quoted) else { break };
        if value != "-" {
            event.set_text(name, value);
        }
        rest = behind.trim_start();
    }
    Some(())
}
