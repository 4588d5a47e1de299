//! Connector: the kernel's own word of every program that begins or ends.
//!
//! The netlink proc connector needs no module, only CAP_NET_ADMIN, and the host's own network and
//! process namespaces. Structures: `include/uapi/linux/{netlink,connector,cn_proc}.h`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
    sockopt,
};
use tokio::io::unix::AsyncFd;

use crate::attend::Attendant;

/// Bytes of events the kernel holds for us: some 20,000 of them.
const QUEUE_BYTES: usize = 4 << 20;

/// How long the kernel may take to say that it will tell.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

const HEADER_BYTES: usize = 16;
const CONNECTOR_BYTES: usize = 20;
const NLMSG_DONE: u16 = 3;
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const PROC_EVENT_NONE: u32 = 0;
const PROC_EVENT_EXEC: u32 = 2;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// What the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// A process became another program.
    Exec { pid: u32 },
    /// A process ended; the code is that of wait(2).
    Exit { pid: u32, code: u32 },
    /// News were lost.
    Lost,
}

/// See the head of the file.
pub(super) struct Connector {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Connector {
    /// Asks the kernel to tell.
    pub(super) fn open(attendant: &Attendant) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(netlink::CONNECTOR))?;
        bind(&socket, &SocketAddrNetlink::new(0, CN_IDX_PROC))?;
        // Beyond the usual bound only with the right to; else what the host allows.
        if sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE_BYTES).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, QUEUE_BYTES);
        }
        send(&socket, &request(), SendFlags::empty())?;
        let socket = attendant.adopt(socket)?;
        let mut connector = Self { socket, buffer: vec![0; 8 << 10] };
        connector.answer(attendant)?;
        Ok(connector)
    }

    /// Outside of the host's own namespaces there is silence, without the right to there is an error.
    fn answer(&mut self, attendant: &Attendant) -> io::Result<()> {
        let silence = || {
            io::Error::other(
                "the kernel does not answer: this is not the host's own process namespace",
            )
        };
        match attendant.wait_readable(&self.socket, ANSWER_WAIT) {
            Some(true) => {}
            Some(false) => return Err(silence()),
            None => return Err(io::ErrorKind::Interrupted.into()),
        }
        let length = recv_some(&self.socket, &mut self.buffer)?;
        let refused = message(self.buffer.get(..length).unwrap_or_default())
            .filter(|(what, _)| *what == PROC_EVENT_NONE)
            .and_then(|(_, data)| number(data, 0))
            .filter(|error| *error != 0);
        match refused {
            Some(error) => Err(io::Error::from_raw_os_error(error.cast_signed().abs())),
            None => Ok(()),
        }
    }

    /// Waits for news, at most this long; false when it is time to end.
    pub(super) fn wait(&self, attendant: &Attendant, span: Duration) -> bool {
        attendant.wait_readable(&self.socket, span).is_some()
    }

    /// Returns what the kernel told since, at most `max`.
    pub(super) fn take(&mut self, max: usize, news: &mut Vec<News>) {
        for _ in 0..max {
            match recv_some(&self.socket, &mut self.buffer) {
                Ok(length) => {
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    news.extend(message(bytes).and_then(|(what, data)| parse(what, data)));
                }
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    news.push(News::Lost);
                }
                Err(_) => return,
            }
        }
    }
}

fn recv_some(socket: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    let (length, _) = recv(socket.get_ref(), &mut *buffer, RecvFlags::DONTWAIT)?;
    Ok(length)
}

/// `nlmsghdr ‖ cn_msg ‖ PROC_CN_MCAST_LISTEN`.
fn request() -> Vec<u8> {
    let length = HEADER_BYTES + CONNECTOR_BYTES + 4;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or_default().to_ne_bytes());
    bytes.extend_from_slice(&NLMSG_DONE.to_ne_bytes());
    bytes.extend_from_slice(&[0; 10]);
    for part in [CN_IDX_PROC, CN_VAL_PROC, 0, 0] {
        bytes.extend_from_slice(&part.to_ne_bytes());
    }
    bytes.extend_from_slice(&4_u16.to_ne_bytes());
    bytes.extend_from_slice(&0_u16.to_ne_bytes());
    bytes.extend_from_slice(&PROC_CN_MCAST_LISTEN.to_ne_bytes());
    bytes
}

/// Returns what a message is about, and its data.
fn message(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let body = bytes.get(HEADER_BYTES..)?;
    if number(body, 0)? != CN_IDX_PROC || number(body, 4)? != CN_VAL_PROC {
        return None;
    }
    let event = body.get(CONNECTOR_BYTES..)?;
    // what, cpu, timestamp_ns
    Some((number(event, 0)?, event.get(16..)?))
}

fn parse(what: u32, data: &[u8]) -> Option<News> {
    let (thread, pid) = (number(data, 0)?, number(data, 4)?);
    match what {
        // Threads end, too, and only the first stands for the process.
        _ if thread != pid => None,
        PROC_EVENT_EXEC => Some(News::Exec { pid }),
        PROC_EVENT_EXIT => Some(News::Exit { pid, code: number(data, 8)? }),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(what: u32, data: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        for part in [CN_IDX_PROC, CN_VAL_PROC, 0, 0, 40, what, 0, 0, 0].iter().chain(data) {
            bytes.extend_from_slice(&part.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn news_are_read_and_threads_left_out() {
        let read = |bytes: &[u8]| message(bytes).and_then(|(what, data)| parse(what, data));
        assert_eq!(read(&told(PROC_EVENT_EXEC, &[7, 7])), Some(News::Exec { pid: 7 }));
        let exit = told(PROC_EVENT_EXIT, &[7, 7, 256, 17, 1, 1]);
        assert_eq!(read(&exit), Some(News::Exit { pid: 7, code: 256 }));
        assert_eq!(read(&told(PROC_EVENT_EXIT, &[8, 7, 0, 17, 1, 1])), None);
        assert_eq!(read(&told(1, &[1, 1, 7, 7])), None);
        for cut in 0..exit.len() {
            let _ = read(&exit[..cut]);
        }
        assert_eq!(request().len(), 40);
    }
}
