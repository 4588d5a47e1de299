//! Access logs of web servers: the combined and the common format of nginx and Apache.
//!
//! Spec: Apache HTTP Server 2.4, mod_log_config, "Common Log Format" and "Combined Log Format";
//! nginx, ngx_http_log_module, `combined`.

use std::borrow::Cow;

use agent_inputs::Format;
use rules_event::{Event, field};

use super::source::{is_place, set_source, set_user};
use super::{Context, program::set_action};

/// Decodes a line; false when it is not of these formats.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    decode_line(text, context, event).is_some()
}

fn decode_line(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    // 203.0.113.5 - x [21/Nov/2026:08:30:00 +0700] "GET / HTTP/1.1" 200 5 "referrer" "agent"
    let (who, rest) = text.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let time = context.clock.access(time)?;
    let (request, rest) = quoted(rest)?;
    let mut numbers = rest.strip_prefix(' ')?.splitn(3, ' ');
    let status: i64 = numbers.next()?.parse().ok().filter(|status| (0..1_000).contains(status))?;
    let bytes = numbers.next().unwrap_or("-");
    let mut words = who.split(' ');
    let mut client = words.next()?;
    // vhost_combined has the virtual host in front.
    let (_, user) = match (words.next()?, words.next()?, words.next()) {
        (identity, user, None) => (identity, Cow::Borrowed(user)),
        (address, identity, Some(user))
            if address.contains(['.', ':']) && is_place(address) && client.contains(['.', ':']) =>
        {
            let host = client.rsplit_once(':').map_or(client, |(host, _)| host);
            event.set_text(field::URL_DOMAIN, host);
            client = address;
            (identity, joined(&[user], words))
        }
        // A user name with blanks, as some authentication modules allow.
        (identity, first, Some(second)) => (identity, joined(&[first, second], words)),
    };
    event.time = time;
    let is_nginx = match context.format {
        Format::Nginx => true,
        Format::Apache => false,
        _ => context.path_contains("nginx"),
    };
    event.set(field::EVENT_MODULE, if is_nginx { "nginx" } else { "apache" });
    event.set(field::EVENT_DATASET, if is_nginx { "nginx.access" } else { "apache.access" });
    let outcome = if status < 400 { "success" } else { "failure" };
    set_action(event, "web", "web_request", Some(outcome));
    event.set_text(field::MESSAGE, request);
    set_source(event, client);
    if user != "-" {
        set_user(event, user.trim_matches('"'));
    }
    set_request(request, event);
    event.set(field::HTTP_RESPONSE_STATUS, status);
    if let Ok(bytes) = bytes.parse::<i64>() {
        event.set(field::HTTP_RESPONSE_BYTES, bytes);
    }
    let mut rest = numbers.next().unwrap_or_default();
    for name in [field::HTTP_REFERRER, field::USER_AGENT] {
        let Some((value, after)) = rest.strip_prefix('"').and_then(quoted) else { break };
        if value != "-" {
            event.set_text(name, value);
        }
        rest = after.trim_start_matches(' ');
    }
    Some(())
}

fn joined<'a>(first: &[&'a str], rest: impl Iterator<Item = &'a str>) -> Cow<'a, str> {
    let words: Vec<&str> = first.iter().copied().chain(rest).collect();
    Cow::Owned(words.join(" "))
}

/// Splits at the quote that no backslash escapes; what is inside stays as written, since undoing the
/// escapes would not be the text that was sent either (nginx and Apache escape differently).
fn quoted(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..)?) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        at += 2;
    }
    None
}

/// `GET /path?query HTTP/1.1`. What is no request, such as the bytes of a TLS hello, stays whole as
/// `url.original`.
fn set_request(request: &str, event: &mut Event) {
    if request == "-" || request.is_empty() {
        return;
    }
    let method = request.split(' ').next().unwrap_or_default();
    let is_method = !method.is_empty()
        && method.len() <= 32
        && method.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
    let target = request.get(method.len()..).and_then(|rest| rest.strip_prefix(' '));
    let Some(target) = target.filter(|_| is_method) else {
        event.set_text(field::URL_ORIGINAL, request);
        return;
    };
    // From the right: a target may hold blanks, the version never does. HTTP/0.9 has none.
    let target = match target.rsplit_once(" HTTP/") {
        Some((target, version)) => {
            event.set_text(field::HTTP_VERSION, version);
            target
        }
        None => target,
    };
    event.set_text(field::HTTP_REQUEST_METHOD, method);
    event.set_text(field::URL_ORIGINAL, target);
    if method == "CONNECT" {
        // Authority form: a host and a port, no path. Spec: RFC 9112, 3.2.3.
        let domain = target.rsplit_once(':').map_or(target, |(domain, _)| domain);
        event.set_text(field::URL_DOMAIN, domain);
        return;
    }
    let path = match target.split_once("://") {
        // Absolute form: somebody takes this server for a proxy. Spec: RFC 9112, 3.2.2.
        Some((scheme, rest)) if scheme.len() <= 8 && !scheme.contains(['/', '?']) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (domain, path) = rest.split_at(end);
            event.set_text(field::URL_DOMAIN, domain);
            path
        }
        _ => target,
    };
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    event.set_text(field::URL_PATH, path);
    if let Some(query) = query {
        event.set_text(field::URL_QUERY, query);
    }
}
