//! HAProxy: its HTTP and TCP logs, as syslog brings them.
//!
//! Spec: HAProxy Configuration Manual, 8.2 "Log formats".

use rules_event::{Event, field};

use super::source::{is_place, set_destination, set_destination_port, set_port, set_source};
use super::table::set_dataset;
use super::web;

/// Decodes a message; false when it is none of traffic.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    traffic(message, event).or_else(|| connect(message, event)).is_some()
}

/// `203.0.113.5:4711 [21/Nov/2026:08:30:00.123] front back/server 0/0/1/0/2 200 168 - - ---- 6/6/0/0/0 0/0 "GET / HTTP/1.1"`
fn traffic(message: &str, event: &mut Event) -> Option<()> {
    let (client, rest) = message.split_once(" [")?;
    let (address, port) = client.rsplit_once(':').filter(|(address, _)| is_place(address))?;
    let (_, rest) = rest.split_once("] ")?;
    let mut words = rest.split(' ');
    let frontend = words.next()?;
    let (backend, server) = words.next()?.split_once('/')?;
    let mut timers = words.next()?;
    // A log format of its own may have the host between.
    if !timers.contains('/') {
        event.set_text("destination.domain", timers);
        timers = words.next()?;
    }
    if !timers.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'+')) {
        return None;
    }
    set_dataset(event, "haproxy", "haproxy.log");
    event.set(field::EVENT_CATEGORY, "web");
    if address != "-" {
        set_source(event, address);
    }
    set_port(event, port);
    event.set_text("haproxy.frontend_name", frontend);
    event.set_text("haproxy.backend_name", backend);
    event.set_text("haproxy.server_name", server);
    let total = timers.rsplit('/').next().unwrap_or_default().trim_start_matches('+');
    if let Ok(total) = total.parse::<i64>() {
        event.set("event.duration", total.saturating_mul(1_000_000));
    }
    let first = words.next()?;
    let Some(request) = rest.split_once('"').map(|(_, request)| request) else {
        // TCP: bytes and the state in which it ended.
        if let Ok(bytes) = first.parse::<i64>() {
            event.set("destination.bytes", bytes);
        }
        return Some(());
    };
    let bytes = words.next()?;
    let status: i64 = first.parse().unwrap_or(-1);
    if status > 0 {
        event.set(field::HTTP_RESPONSE_STATUS, status);
        event.set(field::EVENT_OUTCOME, if status < 400 { "success" } else { "failure" });
    }
    if let Ok(bytes) = bytes.parse::<i64>() {
        event.set("http.response.bytes", bytes);
    }
    let request = request.strip_suffix('"').unwrap_or(request);
    event.set(field::EVENT_ACTION, "web_request");
    web::set_request(request, event);
    Some(())
}

/// `Connect from 203.0.113.5:4711 to 10.0.0.9:5000 (main/HTTP)`
fn connect(message: &str, event: &mut Event) -> Option<()> {
    let rest = message.strip_prefix("Connect from ")?;
    let (from, rest) = rest.split_once(" to ")?;
    let (to, name) = rest.split_once(" (").unwrap_or((rest, ""));
    set_dataset(event, "haproxy", "haproxy.log");
    event.set(field::EVENT_CATEGORY, "network");
    let (address, port) = from.rsplit_once(':')?;
    set_source(event, address);
    set_port(event, port);
    let (address, port) = to.rsplit_once(':')?;
    set_destination(event, address);
    set_destination_port(event, port);
    if let Some((frontend, _)) = name.split_once('/') {
        event.set_text("haproxy.frontend_name", frontend);
    }
    Some(())
}
