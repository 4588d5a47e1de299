//! Source: where an action came from, as text found in a line.

use std::net::IpAddr;

use rules_event::{Event, field};

/// Sets `source.ip`, or `source.address` when the text is no address.
pub(super) fn set_source(event: &mut Event, text: &str) {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    // A zone such as %eth0 belongs to the reader's host, not to the address.
    let address = bare.split_once('%').map_or(bare, |(address, _)| address);
    if address.parse::<IpAddr>().is_ok() {
        event.set_text(field::SOURCE_IP, address);
        if address != bare {
            event.set_text(field::SOURCE_ADDRESS, bare);
        }
    } else if !bare.is_empty() {
        event.set_text(field::SOURCE_ADDRESS, bare);
    }
}

/// Sets `source.port` if the text is one.
pub(super) fn set_port(event: &mut Event, text: &str) {
    if let Ok(port) = text.parse::<u16>() {
        event.set(field::SOURCE_PORT, i64::from(port));
    }
}

/// Whether the text looks like where a connection comes from: an address or a host name.
pub(super) fn is_place(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'_' | b'%' | b'[' | b']')
        })
}

/// Sets the account, unless the text is empty.
pub(super) fn set_user(event: &mut Event, name: &str) {
    if !name.is_empty() {
        event.set_text(field::USER_NAME, name);
    }
}
