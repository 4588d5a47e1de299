//! Source and destination: where an action came from and went to, as text found in a line.

use std::net::{IpAddr, Ipv4Addr};

use rules_event::{Event, field};

use crate::find;

/// Sets `source.ip`, or `source.address` when the text is no address.
pub(super) fn set_source(event: &mut Event, text: &str) {
    set_place(event, field::SOURCE_IP, field::SOURCE_ADDRESS, text);
}

/// Sets `destination.ip`, or `destination.address` when the text is no address.
pub(super) fn set_destination(event: &mut Event, text: &str) {
    set_place(event, field::DESTINATION_IP, "destination.address", text);
}

fn set_place(event: &mut Event, ip: &'static str, other: &'static str, text: &str) {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    // A zone such as %eth0 belongs to the reader's host, not to the address.
    let address = find::before_byte(bare, b'%');
    // One address, one text: a socket for both families writes IPv4 as ::ffff:203.0.113.5.
    if let Some(mapped) = mapped(address) {
        event.set_text(ip, mapped);
    } else if is_address(address) {
        event.set_text(ip, address);
        if address != bare {
            event.set_text(other, bare);
        }
    } else if !bare.is_empty() {
        event.set_text(other, bare);
    }
}

/// Whether the text is an address. Looks at the first letter first: host names are common, and a
/// failed parse costs more.
pub(super) fn is_address(text: &str) -> bool {
    is_ipv4(text.as_bytes())
        || text.as_bytes().first().is_some_and(|first| first.is_ascii_hexdigit() || *first == b':')
            && text.contains(':')
            && text.parse::<IpAddr>().is_ok()
}

/// Whether the text is an IPv4 address as the standard library reads it: most are, and that it is one is
/// all that is asked.
fn is_ipv4(text: &[u8]) -> bool {
    if text.len() < "0.0.0.0".len() {
        return false;
    }
    let digit = |at: usize| {
        let byte = text.get(at).copied().unwrap_or_default();
        Some(u16::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10)
    };
    let mut at = 0;
    for part in 0..4 {
        if part > 0 {
            if text.get(at) != Some(&b'.') {
                return false;
            }
            at += 1;
        }
        let Some(mut number) = digit(at) else { return false };
        at += 1;
        // Without a zero in front.
        while number > 0
            && let Some(next) = digit(at)
        {
            number = number * 10 + next;
            at += 1;
            if number > 255 {
                return false;
            }
        }
    }
    at == text.len()
}

/// The IPv4 address within one of IPv6 that stands for it. Spec: RFC 4291, 2.5.5.2.
fn mapped(text: &str) -> Option<&str> {
    if !text.starts_with(':') {
        return None;
    }
    let (start, rest) = text.split_at_checked(7)?;
    let is_mapped = start.eq_ignore_ascii_case("::ffff:") && rest.parse::<Ipv4Addr>().is_ok();
    is_mapped.then_some(rest)
}

/// Sets `source.port` if the text is one.
pub(super) fn set_port(event: &mut Event, text: &str) {
    if let Ok(port) = text.parse::<u16>() {
        event.set(field::SOURCE_PORT, i64::from(port));
    }
}

/// Sets `destination.port` if the text is one.
pub(super) fn set_destination_port(event: &mut Event, text: &str) {
    if let Ok(port) = text.parse::<u16>() {
        event.set(field::DESTINATION_PORT, i64::from(port));
    }
}

/// Sets `network.transport`, from a name or from a number of IANA's "Assigned Internet Protocol
/// Numbers".
pub(super) fn set_transport(event: &mut Event, text: &str) {
    let name = match text {
        "6" | "tcp" | "TCP" => "tcp",
        "17" | "udp" | "UDP" => "udp",
        "1" | "icmp" | "ICMP" => "icmp",
        "58" | "icmp6" | "ICMPv6" | "ipv6-icmp" => "ipv6-icmp",
        "2" | "igmp" => "igmp",
        "47" | "gre" => "gre",
        "50" | "esp" => "esp",
        "51" | "ah" => "ah",
        "89" | "ospf" => "ospf",
        "132" | "sctp" => "sctp",
        "" => return,
        other => {
            event.set("network.transport", other.to_ascii_lowercase());
            return;
        }
    };
    event.set("network.transport", name);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_address_is_what_the_standard_library_takes_for_one(text in "([0-9]{0,4}\\.){2,4}[0-9]{0,3}|[0-9a-f:.]{0,12}") {
            prop_assert_eq!(is_ipv4(text.as_bytes()), text.parse::<Ipv4Addr>().is_ok());
            prop_assert_eq!(is_address(&text), text.parse::<IpAddr>().is_ok());
        }
    }
}
