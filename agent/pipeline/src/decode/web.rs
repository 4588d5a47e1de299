//! Access logs of web servers: the combined and the common format of nginx and Apache.
//!
//! Spec: Apache HTTP Server 2.4, mod_log_config, "Common Log Format" and "Combined Log Format";
//! nginx, ngx_http_log_module, `combined`.

pub(super) mod timed;

use std::net::IpAddr;

use agent_inputs::Format;
use rules_event::{Event, Value, field};

use super::source::{is_address, is_place, set_source, set_user};
use super::table::set_dataset;
use super::url::{set_authority, set_target};
use super::{Context, program::set_action};
use crate::find;

/// Decodes a line; false when it is not of these formats.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    decode_line(text, context, event).is_some()
}

fn decode_line(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    // 203.0.113.5 - x [21/Nov/2026:08:30:00 +0700] "GET / HTTP/1.1" 200 5 "referrer" "agent"
    let (who, rest) = find::split(text, " [")?;
    let (time, rest) = find::split(rest, "] \"")?;
    let time = context.clock.access(time)?;
    let (request, rest) = quoted(rest)?;
    let rest = rest.strip_prefix(' ')?;
    let (status, rest) = find::split_byte(rest, b' ').unwrap_or((rest, "- "));
    let status = find::number(status).filter(|status| (0..1_000).contains(status))?;
    let (bytes, mut rest) = find::split_byte(rest, b' ').unwrap_or((rest, ""));
    let who = Who::of(who)?;
    event.time = time;
    begin(status, request, context, event);
    who.set(event);
    set_request(request, event);
    if let Some(bytes) = find::number(bytes) {
        event.set(field::HTTP_RESPONSE_BYTES, bytes);
    }
    for name in [field::HTTP_REFERRER, field::USER_AGENT] {
        // traefik writes a bare dash where there is none.
        if let Some(after) = rest.strip_prefix("- ") {
            rest = after;
            continue;
        }
        let Some((value, after)) = rest.strip_prefix('"').and_then(quoted) else { break };
        if value != "-" {
            event.set_text(name, value);
        }
        rest = after.trim_start_matches(' ');
    }
    if !rest.is_empty() {
        set_rest(rest, event);
    }
    Some(())
}

/// Sets what every request has.
fn begin(status: i64, request: &str, context: &Context<'_>, event: &mut Event) {
    let (module, dataset) = context.log.server;
    set_dataset(event, module, dataset);
    let outcome = if status < 400 { "success" } else { "failure" };
    set_action(event, "web", "web_request", Some(outcome));
    event.set_text(field::MESSAGE, request);
    event.set(field::HTTP_RESPONSE_STATUS, status);
}

/// Which server writes a log: module and dataset, by the configuration or by the log's path.
pub(super) fn server(format: Format, path: &str) -> (&'static str, &'static str) {
    match format {
        Format::Nginx => ("nginx", "nginx.access"),
        Format::Apache => ("apache", "apache.access"),
        _ if path.contains("nginx") => ("nginx", "nginx.access"),
        _ if path.contains("tomcat") || path.contains("localhost_access_log") => {
            ("tomcat", "tomcat.access")
        }
        _ if path.contains("traefik") => ("traefik", "traefik.access"),
        _ => ("apache", "apache.access"),
    }
}

/// What administrators add behind the combined format: nginx' own packages log
/// `"$http_x_forwarded_for"` there.
fn set_rest(rest: &str, event: &mut Event) {
    let Some((list, _)) = rest.strip_prefix('"').and_then(quoted) else { return };
    let first = list.split(',').next().unwrap_or_default().trim();
    if is_address(first) {
        event.set_text("network.forwarded_ip", first);
        event.set("network.forwarded_by_proxy", true);
    }
}

/// Most addresses kept of a list of proxies.
const PROXIES_MAX: usize = 32;

/// What stands before the time: who asked.
struct Who<'a> {
    vhost: Option<&'a str>,
    /// One address, or those of a client and its proxies.
    clients: &'a str,
    user: &'a str,
}

impl<'a> Who<'a> {
    /// Reads `client identity user`, with the virtual host in front (`vhost_combined`), with the list of
    /// a header in place of the client, and with blanks in the user name, as some authentication modules
    /// allow.
    fn of(text: &'a str) -> Option<Self> {
        // "a, b" c: a list in quotes, then the peer.
        if let Some((list, rest)) =
            text.strip_prefix('"').and_then(|rest| find::split_byte(rest, b'"'))
        {
            let (_, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
            let (_, user) = rest.split_once(' ')?;
            return Some(Self { vhost: None, clients: list, user });
        }
        // a, b, c: the list ends where no comma follows a word; a peer may stand behind it.
        if let Some(who) = Self::of_list(text) {
            return Some(who);
        }
        let (first, rest) = find::split_byte(text, b' ')?;
        let (second, user) = find::split_byte(rest, b' ')?;
        if let Some((_, user)) = find::split_byte(user, b' ') {
            let is_host = |text: &str| text.contains(['.', ':']) && is_place(text);
            if is_host(second) && first.contains(['.', ':']) {
                return Some(Self { vhost: Some(first), clients: second, user });
            }
        }
        Some(Self { vhost: None, clients: first, user })
    }

    fn of_list(text: &'a str) -> Option<Self> {
        let at = find::rfind(text, ", ")? + 2;
        let end = text.get(at..)?.find(' ')? + at;
        let (clients, rest) = text.split_at_checked(end)?;
        if !clients.split(", ").all(is_place) {
            return None;
        }
        let (identity, user) = rest.strip_prefix(' ')?.split_once(' ')?;
        let user = if is_address(identity) { user.split_once(' ')?.1 } else { user };
        Some(Self { vhost: None, clients, user })
    }

    fn set(&self, event: &mut Event) {
        if let Some(vhost) = self.vhost {
            set_authority(event, vhost);
        }
        if find::byte(self.clients.as_bytes(), b',').is_some() {
            let list: Vec<&str> =
                self.clients.split(',').map(str::trim).take(PROXIES_MAX).collect();
            // The first public one, as Filebeat takes it: those before it are behind its own proxy.
            let client = list.iter().find(|text| is_public(text)).or(list.first());
            set_source(event, client.copied().unwrap_or_default());
            let list = list.into_iter().map(Value::text).collect();
            event.set("network.forwarded_ip", Value::List(list));
        } else {
            set_source(event, self.clients);
        }
        if self.user != "-" {
            set_user(event, self.user.trim_matches('"'));
        }
    }
}

/// Whether the text is an address that the Internet routes.
fn is_public(text: &str) -> bool {
    match text.parse() {
        Ok(IpAddr::V4(ip)) => {
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
        }
        // Spec: RFC 4193 (fc00::/7), RFC 4291 (fe80::/10).
        Ok(IpAddr::V6(ip)) => {
            let start = ip.segments().first().copied().unwrap_or_default();
            !(ip.is_loopback() || start & 0xfe00 == 0xfc00 || start & 0xffc0 == 0xfe80)
        }
        Err(_) => false,
    }
}

/// Splits at the quote that no backslash escapes; what is inside stays as written, since undoing the
/// escapes would not be the text that was sent either (nginx and Apache escape differently).
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
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
pub(super) fn set_request(request: &str, event: &mut Event) {
    if request == "-" || request.is_empty() {
        return;
    }
    let method = find::before_byte(request, b' ');
    let is_method = !method.is_empty()
        && method.len() <= 32
        && method.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
    let target = request.get(method.len()..).and_then(|rest| rest.strip_prefix(' '));
    let Some(target) = target.filter(|_| is_method) else {
        event.set_text(field::URL_ORIGINAL, request);
        return;
    };
    // From the right: a target may hold blanks, the version never does. HTTP/0.9 has none.
    let target = match find::rsplit(target, " HTTP/") {
        Some((target, version)) => {
            event.set_text(field::HTTP_VERSION, version);
            target
        }
        None => target,
    };
    event.set_text(field::HTTP_REQUEST_METHOD, method);
    if method == "CONNECT" {
        // Authority form: a host and a port, no path. Spec: RFC 9112, 3.2.3.
        event.set_text(field::URL_ORIGINAL, target);
        set_authority(event, target);
        return;
    }
    set_target(event, target);
}
