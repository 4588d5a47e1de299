//! squid: its native access log.
//!
//! Spec: squid, logformat `squid`:
//! `%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt`.

use rules_event::{Event, field};

use super::source::{is_place, set_destination, set_source, set_user};
use super::table::set_dataset;
use super::url::{set_authority, set_target};
use crate::moment;

/// Decodes a line; false when it is not of this format.
pub(super) fn decode(text: &str, event: &mut Event) -> bool {
    line(text, event).is_some()
}

fn line(text: &str, event: &mut Event) -> Option<()> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let time = moment::seconds(words.next()?)?;
    let elapsed: i64 = words.next()?.parse().ok()?;
    let client = words.next().filter(|client| is_place(client))?;
    let (result, status) = words.next()?.split_once('/')?;
    let bytes: i64 = words.next()?.parse().ok()?;
    let method = words.next()?;
    let target = words.next()?;
    let is_result = result.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if !is_result {
        return None;
    }
    event.time = time;
    set_dataset(event, "squid", "squid.access");
    event.set(field::EVENT_CATEGORY, "web");
    event.set_text(field::EVENT_ACTION, result);
    event.set("event.duration", elapsed.saturating_mul(1_000_000));
    set_source(event, client);
    event.set(field::HTTP_RESPONSE_BYTES, bytes);
    event.set_text(field::HTTP_REQUEST_METHOD, method);
    let status: i64 = status.parse().unwrap_or_default();
    if status > 0 {
        event.set(field::HTTP_RESPONSE_STATUS, status);
    }
    let refused = result.contains("DENIED") || status >= 400;
    event.set(field::EVENT_OUTCOME, if refused { "failure" } else { "success" });
    event.set("vonglau.firewall.blocked", result.contains("DENIED"));
    if method == "CONNECT" {
        event.set_text(field::URL_ORIGINAL, target);
        set_authority(event, target);
    } else {
        set_target(event, target);
    }
    if let Some(user) = words.next().filter(|user| *user != "-") {
        set_user(event, user);
    }
    let peer = words.next().and_then(|peer| peer.split_once('/')).map(|(_, peer)| peer);
    if let Some(peer) = peer.filter(|peer| *peer != "-") {
        set_destination(event, peer);
    }
    if let Some(kind) = words.next().filter(|kind| *kind != "-") {
        event.set_text("http.response.mime_type", kind);
    }
    event.set(field::MESSAGE, format!("{result} {method} {target}"));
    Some(())
}
