//! Socket addresses: `saddr`, a `struct sockaddr` in hexadecimal.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rules_event::encode_lossless;

use super::hex;

/// What a socket address says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// An address and a port.
    Inet(IpAddr, u16),
    /// A socket in the file system, or an abstract one (`@name`).
    Unix(String),
    /// Of another family, by its name or number.
    Other(Cow<'static, str>),
}

/// Reads an address; `None` when it is not one.
///
/// Spec: Linux, ip(7), ipv6(7), unix(7): the family in the order of the host, the port in that of the
/// network. Both orders of the family are understood: no family is above 255.
pub(super) fn address(saddr: &str) -> Option<Address> {
    let bytes = hex::bytes(saddr)?;
    let (family, rest) = match bytes.as_slice() {
        [family, 0, rest @ ..] | [0, family, rest @ ..] => (*family, rest),
        _ => return None,
    };
    Some(match (family, rest) {
        (2, [p1, p2, a, b, c, d, ..]) => {
            let address = Ipv4Addr::new(*a, *b, *c, *d);
            Address::Inet(address.into(), u16::from_be_bytes([*p1, *p2]))
        }
        (10, [p1, p2, rest @ ..]) => {
            // Behind the flow label.
            let octets: [u8; 16] = rest.get(4..20)?.try_into().ok()?;
            let address = Ipv6Addr::from(octets);
            // An IPv4 peer of a socket for both: the address people know it by.
            let address = address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4);
            Address::Inet(address, u16::from_be_bytes([*p1, *p2]))
        }
        (1, [0, name @ ..]) => {
            let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            Address::Unix(format!("@{}", encode_lossless(name.get(..end).unwrap_or_default()).0))
        }
        (1, path) => {
            let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
            Address::Unix(encode_lossless(path.get(..end).unwrap_or_default()).0.into_owned())
        }
        (family, _) => Address::Other(family_name(family)),
    })
}

/// Families. Source: Linux `include/linux/socket.h`, `AF_*`.
fn family_name(family: u8) -> Cow<'static, str> {
    Cow::Borrowed(match family {
        1 => "unix",
        2 => "inet",
        10 => "inet6",
        16 => "netlink",
        17 => "packet",
        31 => "bluetooth",
        38 => "alg",
        40 => "vsock",
        44 => "xdp",
        other => return Cow::Owned(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_families() {
        let inet = |text: &str, port| Some(Address::Inet(text.parse().unwrap(), port));
        assert_eq!(address("02000050A9FEA9FE0000000000000000"), inet("169.254.169.254", 80));
        assert_eq!(
            address("0A000016000000000000000000000000000000000000000000000000"),
            inet("::", 22)
        );
        assert_eq!(
            address("0A001F900000000000000000000000000000FFFFCB00710500000000"),
            inet("203.0.113.5", 8080)
        );
        let unix = |text: &str| Some(Address::Unix(text.to_owned()));
        assert_eq!(
            address("01002F7661722F72756E2F6E7363642F736F636B657400007BC7"),
            unix("/var/run/nscd/socket")
        );
        assert_eq!(address("0100006162630000"), unix("@abc"));
        assert_eq!(address("0100"), unix(""));
        assert_eq!(address("100000000000000000000000"), Some(Address::Other("netlink".into())));
        assert_eq!(address("00000000"), Some(Address::Other("0".into())));
        for bad in ["", "02", "zz", "FFFF00"] {
            assert_eq!(address(bad), None, "{bad}");
        }
        assert_eq!(address("0A0000"), Some(Address::Other("inet6".into())));
        assert_eq!(address("020000"), Some(Address::Other("inet".into())));
    }
}
