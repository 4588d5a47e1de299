//! UDP: datagrams taken in bursts, and a count of those that the kernel had no room for.
//!
//! Spec: RFC 5426, 3.1: one message a datagram.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use rustix::net::sockopt;
use tokio::net::UdpSocket;

use super::{CARE_INTERVAL, CHUNK_BYTES_MAX, Listener, MESSAGES_MAX};
use crate::{Count, LINE_BYTES_MAX, Lines, clock};

/// A datagram of IP holds less.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Senders of one burst that are kept apart; more are handed on in further chunks.
const SENDERS_MAX: usize = 64;

/// Takes datagrams until it is time to end; an error says what broke and what to do.
pub(super) async fn run(listener: &Listener) -> Result<(), String> {
    let config = &listener.plan.config;
    let bind = |error| {
        format!(
            "cannot listen on udp {}: {error}; free the port, or give the agent CAP_NET_BIND_SERVICE",
            config.listen
        )
    };
    let socket = UdpSocket::bind(listener.plan.address).await.map_err(bind)?;
    // The kernel gives what it may: less is no reason not to listen.
    let size = config.receive_buffer_bytes;
    if sockopt::set_socket_recv_buffer_size_force(socket.as_fd(), size).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(socket.as_fd(), size);
    }
    let address = socket.local_addr().map_err(bind)?;
    listener.opened(address);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut care = tokio::time::interval(CARE_INTERVAL);
    let mut dropped = 0;
    loop {
        tokio::select! {
            biased;
            () = listener.wiring.stop.cancelled() => return Ok(()),
            _ = care.tick() => {
                listener.care();
                let now = kernel_drops(address).await;
                if now > dropped {
                    listener.wiring.report.count(Count::SyslogDropped, now - dropped);
                    let text = format!(
                        "the kernel dropped {} datagrams for want of room; raise receive_buffer_bytes \
                         and net.core.rmem_max, or send over tcp",
                        now - dropped
                    );
                    listener.wiring.report.notice(&listener.plan.subject(), text);
                }
                dropped = now;
            }
            ready = socket.readable() => {
                ready.map_err(|error| format!("the socket broke: {error}"))?;
                let burst = take_burst(listener, &socket, &mut buffer);
                if !burst.is_empty() && !listener.hand_on(burst).await {
                    return Ok(());
                }
            }
        }
    }
}

/// Takes what is there, by sender.
fn take_burst(listener: &Listener, socket: &UdpSocket, buffer: &mut [u8]) -> Vec<Lines> {
    let mut burst: Vec<(IpAddr, Lines)> = Vec::new();
    let (mut messages, mut bytes) = (0, 0);
    while messages < MESSAGES_MAX && bytes < CHUNK_BYTES_MAX && burst.len() < SENDERS_MAX {
        // An error of one datagram (a refused answer, say) is none of the socket.
        let Ok((count, from)) = socket.try_recv_from(buffer) else { break };
        messages += 1;
        let from = from.ip();
        if !listener.plan.admits(from) {
            listener.refuse_stranger(from);
            continue;
        }
        let datagram = buffer.get(..count).unwrap_or_default();
        let message = datagram.trim_ascii_end();
        let message = message.strip_suffix(&[0]).unwrap_or(message);
        if message.is_empty() {
            listener.wiring.report.count(Count::EmptyBytes, count as u64);
            continue;
        }
        let kept = message.get(..LINE_BYTES_MAX).unwrap_or(message);
        let left_out = message.len() - kept.len();
        listener.wiring.report.count(Count::TruncatedBytes, left_out as u64);
        bytes += kept.len();
        let place = match burst.iter().position(|(sender, _)| *sender == from) {
            Some(place) => place,
            None => {
                burst.push((from, Lines::new(listener.meta(from), clock::now())));
                burst.len() - 1
            }
        };
        if let Some((_, lines)) = burst.get_mut(place) {
            listener.add(lines, kept, left_out > 0);
        }
    }
    burst.into_iter().map(|(_, lines)| lines).collect()
}

/// Returns how many datagrams the kernel has dropped on this port. 0 when it cannot be told.
async fn kernel_drops(address: SocketAddr) -> u64 {
    let path = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let text = tokio::fs::read_to_string(path).await.unwrap_or_default();
    drops_of_port(&text, address.port())
}

/// Reads the last column of the rows of a port. Spec: Linux, net/ipv4/udp.c, `udp4_format_sock`.
fn drops_of_port(table: &str, port: u16) -> u64 {
    let wanted = format!(":{port:04X}");
    let rows = table.lines().skip(1).filter_map(|row| {
        let mut columns = row.split_ascii_whitespace();
        columns.nth(1).filter(|local| local.ends_with(&wanted))?;
        columns.last()?.parse::<u64>().ok()
    });
    rows.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_tells_the_drops_of_a_port() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 419: 00000000:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 17\n\
            \x20 420: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12346 2 0000000000000000 4\n";
        assert_eq!(drops_of_port(table, 514), 17);
        assert_eq!(drops_of_port(table, 53), 4);
        assert_eq!(drops_of_port(table, 80), 0);
    }
}
