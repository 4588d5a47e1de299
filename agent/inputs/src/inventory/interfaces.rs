//! Interfaces: the addresses the host has, so that an address in another log leads to it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use sysinfo::Networks;

use super::files;
use super::item::Item;

/// Most addresses of one interface: more than any server was given by hand.
const ADDRESSES_MAX: usize = 32;

/// Of an address of IPv6 that changes by itself, for privacy. Spec: Linux `include/uapi/linux/if_addr.h`,
/// `IFA_F_TEMPORARY`.
const TEMPORARY: u32 = 0x01;

/// Returns the interfaces with an address that others can reach.
pub(super) fn look() -> Option<Vec<Item>> {
    let mut networks = Networks::new().ok()?;
    networks.refresh(true);
    let passing = temporary(&files::read(Path::new("/proc/net/if_inet6")).unwrap_or_default());
    let mut items = Vec::new();
    for (name, data) in &networks {
        let all = data.ip_networks().iter().map(|network| network.addr);
        let addresses: BTreeSet<IpAddr> =
            all.filter(|address| is_reachable(address) && !passing.contains(address)).collect();
        if addresses.is_empty() {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        let texts = addresses.iter().take(ADDRESSES_MAX).map(ToString::to_string);
        // ECS, host.mac: RFC 7042, capitals with hyphens.
        let mac = data.mac_address().to_string().to_ascii_uppercase().replace(':', "-");
        let mac = if mac == "00-00-00-00-00-00" { String::new() } else { mac };
        let item = Item::new(name.clone())
            .with("system.network.name", name)
            .with("host.ip", texts.collect::<Vec<_>>().join(" "))
            .with("host.mac", mac);
        items.push(item);
    }
    items.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Some(items)
}

fn is_reachable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// Reads `/proc/net/if_inet6`: `address index prefix scope flags name`, all but the name hexadecimal.
fn temporary(text: &str) -> BTreeSet<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        (flags & TEMPORARY != 0).then(|| IpAddr::V6(Ipv6Addr::from_bits(address)))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_come_and_go_are_left_out() {
        let text = "20010db8000000000000000000000007 02 40 00 80     eth0\n\
                    20010db80000000012345678aabbccdd 02 40 00 01     eth0\n\
                    fe80000000000000021122fffe334455 02 40 20 80     eth0\nbad\n";
        let found: Vec<String> = temporary(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2001:db8::1234:5678:aabb:ccdd"]);
        for (address, wanted) in [
            ("10.1.2.3", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("2001:db8::7", true),
            ("fe80::1", false),
        ] {
            assert_eq!(is_reachable(&address.parse().unwrap()), wanted, "{address}");
        }
    }

    #[test]
    fn what_is_found_has_addresses() {
        for item in look().unwrap() {
            assert!(item.fields.iter().any(|(name, text)| *name == "host.ip" && !text.is_empty()));
            assert_ne!(item.key, "lo");
        }
    }
}
