//! The service manager: ready, reloading, signs of life, stopping, heard on a real socket.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::agent::{Running, Site};

/// Longer than any reaction takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Manager(UnixDatagram);

impl Manager {
    /// Reads on until a message holds a text.
    fn hear(&self, wanted: &str) -> String {
        let mut buffer = [0; 4_096];
        loop {
            let length =
                self.0.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            let heard = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if heard.contains(wanted) {
                return heard;
            }
        }
    }
}

fn start(site: &Site) -> (Manager, Running) {
    let path = site.dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = site.command("run");
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "4000000");
    (Manager(socket), Running::of(command))
}

#[test]
fn systemd_hears_all_that_type_notify_promises() {
    let site = Site::new();
    site.configure("");
    let (manager, agent) = start(&site);
    manager.hear("READY=1");
    manager.hear("WATCHDOG=1");
    manager.hear("WATCHDOG=1");
    assert!(manager.hear("STATUS=").contains("read 0"));
    agent.signal("HUP");
    let reloading = manager.hear("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.hear("READY=1");
    agent.signal("TERM");
    assert!(manager.hear("STOPPING=1").contains("SIGTERM"));
    assert_eq!(agent.wait(), 0);
}

#[test]
fn a_worker_that_waits_for_room_still_lives() {
    let mut site = Site::new();
    site.configure("[spool]\nfree_bytes_min = 9000000000000000");
    site.append(100);
    let (manager, agent) = start(&site);
    assert!(manager.hear("problems").contains("spool"));
    manager.hear("WATCHDOG=1");
    manager.hear("WATCHDOG=1");
    assert_eq!(agent.stop(), 0);
}
