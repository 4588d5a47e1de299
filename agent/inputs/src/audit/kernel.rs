//! Kernel: audit records by netlink multicast, beside auditd or without it.
//!
//! Spec: Linux `include/uapi/linux/audit.h`, `AUDIT_NLGRP_READLOG`; `kernel/audit.c`,
//! `kauditd_send_multicast_skb`: every record is a datagram, a netlink header and the record's text.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt,
};

use super::kinds::kind_name;
use super::stream::{Feed, Got};

/// The group of the readers, as a bit. Spec: `AUDIT_NLGRP_READLOG` is group 1.
const READLOG: u32 = 1;

/// Bytes of a netlink header: length, type, flags, sequence, port.
const HEADER_BYTES: usize = 16;

/// A record and its header at most: `MAX_AUDIT_MESSAGE_LENGTH` of libaudit is 8970.
const BUFFER_BYTES: usize = 16 * 1024;

/// Asked for the kernel's queue: some ten thousand records, what comes while the agent's channel is
/// full. The kernel gives less when `net.core.rmem_max` is lower.
const QUEUE_BYTES: usize = 8 << 20;

/// See the head of the file.
pub(super) struct Kernel {
    buffer: Vec<u8>,
    record: Vec<u8>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES], record: Vec::new() }
    }
}

/// Returns whether the kernel lets us listen.
pub(super) fn is_allowed() -> bool {
    connect().is_ok()
}

fn connect() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(AUDIT))?;
    // Beyond the limit of the system where that is allowed.
    if sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE_BYTES).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(&socket, QUEUE_BYTES);
    }
    bind(&socket, &SocketAddrNetlink::new(0, READLOG))?;
    Ok(socket)
}

impl Feed for Kernel {
    fn key(&self) -> &'static str {
        "audit:kernel"
    }

    fn open(&mut self) -> io::Result<OwnedFd> {
        connect().map_err(|error| {
            io::Error::new(error.kind(), format!("the kernel's audit records: {error}"))
        })
    }

    fn read(&mut self, from: &OwnedFd, take: &mut dyn FnMut(&[u8], bool)) -> io::Result<Got> {
        // The second number is the datagram's own length.
        let (count, length) = match recv(from, self.buffer.as_mut_slice(), RecvFlags::TRUNC) {
            Ok(counts) => counts,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Got::Nothing),
            Err(rustix::io::Errno::NOBUFS) => return Ok(Got::Overrun),
            Err(error) => return Err(error.into()),
        };
        let datagram = self.buffer.get(..count).unwrap_or_default();
        if write_record(datagram, &mut self.record) {
            take(&self.record, length > count);
        }
        Ok(Got::Records)
    }

    fn remedy(&self) -> &'static str {
        "Give the agent CAP_AUDIT_READ (see the unit's AmbientCapabilities), or set \
         input.audit.kernel = \"no\""
    }
}

/// Writes a datagram as auditd would write the record; false when it is none.
fn write_record(datagram: &[u8], record: &mut Vec<u8>) -> bool {
    record.clear();
    // Length, which some kernels give without the header; then the type, in the host's order.
    let (Some(kind), Some(text)) = (datagram.get(4..6), datagram.get(HEADER_BYTES..)) else {
        return false;
    };
    let kind = match kind {
        [low, high] => u16::from_ne_bytes([*low, *high]),
        _ => return false,
    };
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or_default().trim_ascii_end();
    if !text.starts_with(b"audit(") {
        return false;
    }
    record.extend_from_slice(b"type=");
    match kind_name(kind) {
        Some(name) => record.extend_from_slice(name.as_bytes()),
        None => record.extend_from_slice(format!("UNKNOWN[{kind}]").as_bytes()),
    }
    record.extend_from_slice(b" msg=");
    // A line end would be taken for that of the record.
    record.extend(text.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(kind: u16, text: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(text.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(text);
        bytes
    }

    #[test]
    fn datagrams_become_lines() {
        let mut record = Vec::new();
        assert!(write_record(&datagram(1300, b"audit(1.000:5): arch=c000003e\n\0"), &mut record));
        assert_eq!(record, b"type=SYSCALL msg=audit(1.000:5): arch=c000003e");
        assert!(write_record(&datagram(1399, b"audit(1.000:5): a=1\nb=2"), &mut record));
        assert_eq!(record, b"type=UNKNOWN[1399] msg=audit(1.000:5): a=1 b=2");
        for bad in [&b""[..], &[0; 15], &datagram(1300, b""), &datagram(2, b"\0\0\0\0")] {
            assert!(!write_record(bad, &mut record));
        }
    }
}
