//! Notify: what systemd wants to hear, as datagrams to `NOTIFY_SOCKET` (sd_notify(3)), without libsystemd.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// Tells the service manager how we are. Without one it tells nobody; a manager that does not listen
/// is no reason to fail.
#[derive(Debug, Clone, Default)]
pub struct Notifier(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Takes what the service manager has put into the environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return Self(None) };
        let watchdog = watchdog_interval(
            std::env::var("WATCHDOG_USEC").ok().as_deref(),
            std::env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        match Self::to(&address, watchdog) {
            Ok(notifier) => notifier,
            Err(error) => {
                tracing::warn!(%error, "cannot reach the service manager at NOTIFY_SOCKET");
                Self(None)
            }
        }
    }

    /// Tells a socket: a path, or `@name` for one of the abstract name space.
    ///
    /// # Errors
    /// If the address is neither, or no socket can be made.
    pub fn to(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let bytes = address.as_bytes();
        let address = match bytes.split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            Some((b'/', _)) => SocketAddr::from_pathname(address)?,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = UnixDatagram::unbound()?;
        // A manager whose queue is full must never hold us up.
        socket.set_nonblocking(true)?;
        Ok(Self(Some(Arc::new(Inner { socket, address, watchdog }))))
    }

    /// Returns how often the service manager wants a sign of life at least; it acts after twice that.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.0.as_ref()?.watchdog.map(|limit| limit / 2)
    }

    /// We are ready (also: ready again, after [`Self::reloading`]).
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// We read our configuration again. `Type=notify-reload` compares the time with its own.
    pub fn reloading(&self, monotonic: Duration) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic.as_micros()));
    }

    /// We have begun to stop.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={}", one_line(status)));
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Stopping takes longer than was announced.
    pub fn extend(&self, by: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    fn send(&self, text: &str) {
        let Some(inner) = &self.0 else { return };
        if let Err(error) = inner.socket.send_to_addr(text.as_bytes(), &inner.address) {
            tracing::debug!(%error, "the service manager does not listen");
        }
    }
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Returns the time limit of the watchdog, if it is meant for this process.
fn watchdog_interval(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.trim().parse() != Ok(own_pid)) {
        return None;
    }
    let usec: u64 = usec?.trim().parse().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn talk(notifier: &Notifier, manager: &UnixDatagram) {
        notifier.ready("reads\nlogs");
        assert_eq!(heard(manager), "READY=1\nSTATUS=reads logs");
        notifier.reloading(Duration::from_micros(17));
        assert_eq!(heard(manager), "RELOADING=1\nMONOTONIC_USEC=17");
        notifier.alive();
        assert_eq!(heard(manager), "WATCHDOG=1");
        notifier.stopping("SIGTERM");
        assert_eq!(heard(manager), "STOPPING=1\nSTATUS=SIGTERM");
    }

    #[test]
    fn a_manager_hears_it_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        talk(&Notifier::to(path.as_os_str(), None).unwrap(), &manager);

        let name = format!("vonglau-test-{}-{}", std::process::id(), rand::random::<u64>());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(format!("@{name}").as_ref(), None).unwrap();
        talk(&notifier, &manager);
        // A manager that has gone away, or reads nothing any more, holds nobody up.
        drop(manager);
        notifier.alive();
    }

    #[test]
    fn nobody_is_told_without_a_manager() {
        Notifier::default().ready("alone");
        assert!(Notifier::to("relative".as_ref(), None).is_err());
        assert_eq!(Notifier::default().watchdog_interval(), None);
    }

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let limit = Some(Duration::from_secs(30));
        assert_eq!(watchdog_interval(Some("30000000"), None, 7), limit);
        assert_eq!(watchdog_interval(Some("30000000"), Some("7"), 7), limit);
        for (usec, pid) in [(Some("30000000"), Some("8")), (Some("0"), None), (None, None)] {
            assert_eq!(watchdog_interval(usec, pid, 7), None);
        }
        let path = OsStr::new("@x");
        assert_eq!(Notifier::to(path, limit).unwrap().watchdog_interval(), limit.map(|it| it / 2));
    }
}
