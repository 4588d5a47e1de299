//! Ports: what listens, and which program; proc(5), `/proc/net/tcp`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::files::read;
use super::item::Item;

/// Most descriptors looked at to find who owns a socket.
const DESCRIPTORS_MAX: usize = 200_000;

/// `TCP_LISTEN`, and what the kernel calls an unconnected UDP socket; `include/net/tcp_states.h`.
const LISTEN: u8 = 0x0A;
const CLOSE: u8 = 0x07;

/// One row of the kernel's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) transport: &'static str,
    pub(super) local: SocketAddr,
    pub(super) inode: u64,
}

/// Remembers who owned which socket, so that descriptors are searched only for new ones.
#[derive(Debug, Default)]
pub(super) struct Ports {
    owners: HashMap<u64, u32>,
}

impl Ports {
    pub(super) fn look(&mut self) -> Option<Vec<Item>> {
        let ephemeral = read(Path::new("/proc/sys/net/ipv4/ip_local_port_range"))
            .and_then(|text| text.split_ascii_whitespace().next()?.parse::<u16>().ok())
            .unwrap_or(32_768);
        let mut sockets = Vec::new();
        for (name, transport, state) in [
            ("tcp", "tcp", LISTEN),
            ("tcp6", "tcp", LISTEN),
            ("udp", "udp", CLOSE),
            ("udp6", "udp", CLOSE),
        ] {
            let Some(text) = read(&Path::new("/proc/net").join(name)) else { continue };
            let rows = text.lines().skip(1).filter_map(|line| parse(line, transport, state));
            // A question to a name server is no service.
            sockets.extend(rows.filter(|row| transport == "tcp" || row.local.port() < ephemeral));
        }
        if sockets.iter().any(|socket| !self.owners.contains_key(&socket.inode)) {
            let inodes: Vec<u64> = sockets.iter().map(|socket| socket.inode).collect();
            self.owners = owners(&inodes);
        }
        let mut items: Vec<Item> = sockets.iter().map(|socket| self.item(socket)).collect();
        // Several workers may share a port.
        items.sort_by(|a, b| a.key.cmp(&b.key));
        items.dedup_by(|a, b| a.key == b.key);
        Some(items)
    }

    fn item(&self, socket: &Socket) -> Item {
        let (ip, port) = (socket.local.ip(), socket.local.port());
        let mut item = Item::new(format!("{} {ip} {port}", socket.transport))
            .with("network.transport", socket.transport)
            .with("server.ip", ip.to_string())
            .with("server.port", port.to_string());
        if let Some(pid) = self.owners.get(&socket.inode) {
            let folder = Path::new("/proc").join(pid.to_string());
            let name = read(&folder.join("comm")).unwrap_or_default();
            let program = std::fs::read_link(folder.join("exe")).unwrap_or_default();
            item = item
                .with("process.name", name.trim())
                .with("process.executable", program.to_string_lossy())
                .passing("process.pid", pid.to_string());
        }
        item
    }
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn parse(line: &str, transport: &'static str, wanted: u8) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let local = address(words.nth(1)?)?;
    let state = u8::from_str_radix(words.nth(1)?, 16).ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    (state == wanted && inode != 0).then_some(Socket { transport, local, inode })
}

/// Words of 32 bits in the host's order, in hexadecimal, and the port.
pub(crate) fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = ip.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes.get_mut(at * 4..at * 4 + 4)?.copy_from_slice(&word(at)?);
            }
            // What speaks IPv4 on a socket of IPv6 is known by its IPv4 address.
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Finds the processes that hold sockets. Without the right to look into others' descriptors, they
/// stay unknown.
pub(crate) fn owners(wanted: &[u64]) -> HashMap<u64, u32> {
    let mut owners = HashMap::new();
    let mut looked = 0;
    let Ok(processes) = std::fs::read_dir("/proc") else { return owners };
    for process in processes.filter_map(Result::ok) {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.filter_map(Result::ok) {
            looked += 1;
            if looked > DESCRIPTORS_MAX {
                return owners;
            }
            let Ok(target) = std::fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            if let Some(inode) = inode
                && wanted.contains(&inode)
            {
                // The first of several is the one that opened it, most often.
                owners.entry(inode).or_insert(pid);
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_kernel_are_read() {
        let read = |text: &str| address(text).map(|address| address.to_string());
        assert_eq!(read("0100007F:0016").as_deref(), Some("127.0.0.1:22"));
        assert_eq!(read("00000000000000000000000001000000:0050").as_deref(), Some("[::1]:80"));
        assert_eq!(read("0000000000000000FFFF00000100007F:0050").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(read("xyz"), None);
        let line = "   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";
        let socket = parse(line, "tcp", LISTEN).unwrap();
        assert_eq!((socket.local.port(), socket.inode), (22, 4_711));
        assert_eq!(parse(line, "tcp", CLOSE), None);
    }

    #[test]
    fn a_socket_of_ours_is_found_with_its_program() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let items = Ports::default().look().unwrap();
        let item = items.iter().find(|item| item.key == format!("tcp 127.0.0.1 {port}")).unwrap();
        let me = std::env::current_exe().unwrap();
        let program = ("process.executable", me.to_string_lossy().into_owned());
        assert!(item.fields.contains(&program), "{item:?}");
        assert!(item.passing.contains(&("process.pid", std::process::id().to_string())));
    }
}
