//! Connections: those this host began, with the program; and whether it knew the other side before.
//!
//! `/proc/net/tcp` is looked at again and again: what ends between two looks is missed. Which
//! destinations are known is kept over restarts; in the first days nothing counts as new.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rules_event::{Event, Timestamp, field};

use super::event::text;
use super::facts::{facts, read};
use crate::accounts::Accounts;
use crate::attend::Attendant;
use crate::inventory::ports::{address, owners};
use crate::state::{Delta, PACE, State, Table, Take, parse_position, position};
use crate::{Chunk, Item, Sample, clock};

/// Key of its position in the checkpoint, and name of its state.
pub(crate) const KEY: &str = "connections";

/// Most connections followed at once; a busy proxy has more, and its destinations repeat.
const CONNECTIONS_MAX: usize = 20_000;

/// Most destinations remembered; with more, further ones are never called new.
const DESTINATIONS_MAX: usize = 50_000;

/// So long nothing is new: the host shows whom it usually talks to.
const LEARNING: Duration = Duration::from_secs(3 * 86_400);

/// Connections within the host are no news; tests have no other network.
const LOOPBACK_TOLD: bool = cfg!(test);

/// Events of one look.
const EVENTS_MAX: usize = 512;

/// Bytes read of one table of the kernel; a line has 150.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// `TCP_ESTABLISHED`, `TCP_SYN_SENT`, `TCP_LISTEN`; `include/net/tcp_states.h`.
const ESTABLISHED: u8 = 0x01;
const SYN_SENT: u8 = 0x02;
const LISTEN: u8 = 0x0A;

const BEGAN: &[u8] = b"began";
const DESTINATION: &[u8] = b"destination";

/// One row of the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    inode: u64,
}

/// Destinations known, and since when they are learnt.
#[derive(Debug, Default)]
struct Known {
    began: Option<i64>,
    destinations: HashSet<IpAddr>,
}

impl Table for Known {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, group: &[u8], key: &[u8], value: &[u8]) {
        if group == BEGAN {
            self.began = value.try_into().ok().map(i64::from_le_bytes);
        } else if let Some(ip) = std::str::from_utf8(key).ok().and_then(|text| text.parse().ok()) {
            self.destinations.insert(ip);
        }
    }

    fn remove(&mut self, _: &[u8], key: &[u8]) {
        if let Some(ip) = std::str::from_utf8(key).ok().and_then(|text| text.parse().ok()) {
            self.destinations.remove(&ip);
        }
    }

    fn each(&self, take: &mut Take<'_>) {
        if let Some(began) = self.began {
            take(BEGAN, b"", &began.to_le_bytes());
        }
        for ip in &self.destinations {
            take(DESTINATION, ip.to_string().as_bytes(), b"");
        }
    }
}

/// Looks until stopped.
pub(crate) fn run(interval_s: u64, dir: &Path, position: Option<&str>, attendant: &Attendant) {
    let mut known = Known::default();
    let opened = State::open(dir, KEY, position.and_then(parse_position), &mut known);
    let (state, _) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            attendant.wiring.report.problem(KEY, format!("connections are not told: {error}"));
            return;
        }
    };
    let accounts = Accounts::new();
    let mut looker = Looker { attendant, known, state, accounts, seen: None };
    while looker.look() && attendant.wait(Duration::from_secs(interval_s)) {}
}

struct Looker<'a> {
    attendant: &'a Attendant,
    known: Known,
    state: State,
    accounts: Accounts,
    /// Connections of the last look; none before the first, whose connections are no news.
    seen: Option<HashSet<Row>>,
}

impl Looker<'_> {
    fn look(&mut self) -> bool {
        let rows = rows();
        let listening: HashSet<u16> =
            rows.iter().filter(|row| row.state == LISTEN).map(|row| row.local.port()).collect();
        let begun = rows.iter().copied().filter(|row| {
            let is_open = row.state == ESTABLISHED || row.state == SYN_SENT;
            // Who listens on the port was called; who does not has called.
            let is_outside = LOOPBACK_TOLD || !row.remote.ip().is_loopback();
            is_open && is_outside && !listening.contains(&row.local.port())
        });
        let begun: HashSet<Row> =
            begun.map(|row| Row { state: ESTABLISHED, ..row }).take(CONNECTIONS_MAX).collect();
        let news: Vec<Row> = match &self.seen {
            Some(seen) => begun.difference(seen).copied().take(EVENTS_MAX).collect(),
            None => begun.iter().copied().collect(),
        };
        let is_first = self.seen.replace(begun).is_none();
        if news.is_empty() {
            return !self.attendant.is_stopped();
        }
        self.tell(&news, is_first)
    }

    fn tell(&mut self, news: &[Row], is_first: bool) -> bool {
        let now = clock::now();
        let mut delta = Delta::default();
        let began = self.known.began.unwrap_or_else(|| {
            delta.put(BEGAN, b"", &now.as_nanos().to_le_bytes());
            now.as_nanos()
        });
        let is_learning = now.since(Timestamp::from_nanos(began)) < LEARNING;
        let inodes: Vec<u64> = news.iter().map(|row| row.inode).collect();
        let owners = owners(&inodes);
        let mut samples = Vec::new();
        let mut fresh = HashSet::new();
        for row in news {
            let ip = row.remote.ip();
            let is_new = !self.known.destinations.contains(&ip) && fresh.insert(ip);
            let has_room = self.known.destinations.len() + fresh.len() <= DESTINATIONS_MAX;
            if is_new && has_room {
                delta.put(DESTINATION, ip.to_string().as_bytes(), b"");
            }
            if !is_first {
                let is_told = is_new && has_room && !is_learning;
                samples.push(self.sample(row, &owners, is_told, now));
            }
        }
        let generation = match self.state.append(&delta, !samples.is_empty()) {
            Ok(generation) => generation,
            Err(error) => {
                self.attendant
                    .wiring
                    .report
                    .problem(KEY, format!("connections are not told: {error}"));
                return true;
            }
        };
        delta.apply(&mut self.known);
        if let Err(error) = self.state.compact(&self.known) {
            tracing::warn!(%error, "known destinations cannot be written anew");
        }
        let chunk = Chunk {
            items: samples.into_iter().map(Item::Sample).collect(),
            positions: vec![(KEY.to_owned(), position(generation))],
            ..Chunk::default()
        };
        self.attendant.send(chunk) && self.attendant.wait(PACE)
    }

    fn sample(
        &mut self,
        row: &Row,
        owners: &HashMap<u64, u32>,
        is_new: bool,
        now: Timestamp,
    ) -> Sample {
        let mut event = Event::new(now, String::new());
        event.set(field::EVENT_KIND, "event");
        event.set(field::EVENT_MODULE, "vonglau");
        event.set(field::EVENT_DATASET, "vonglau.network");
        event.set(field::EVENT_CATEGORY, "network");
        event.set("event.type", "connection");
        event.set(field::EVENT_ACTION, "connection_begun");
        event.set("network.transport", "tcp");
        event.set("network.direction", "egress");
        event.set("vonglau.network.initiated", true);
        event.set(field::SOURCE_IP, row.local.ip().to_string());
        event.set(field::SOURCE_PORT, i64::from(row.local.port()));
        event.set(field::DESTINATION_IP, row.remote.ip().to_string());
        event.set(field::DESTINATION_PORT, i64::from(row.remote.port()));
        if is_new {
            event.set("vonglau.network.first_seen", true);
        }
        let mut who = String::new();
        if let Some(facts) = owners.get(&row.inode).and_then(|pid| facts(*pid)) {
            who = text(facts.program());
            event.set(field::PROCESS_PID, i64::from(facts.pid));
            event.set(field::PROCESS_NAME, text(&facts.name));
            event.set(field::PROCESS_EXECUTABLE, who.clone());
            event.set(field::PROCESS_COMMAND_LINE, text(&facts.command_line()));
            event.set("user.id", facts.uid.to_string());
            if let Some(name) = self.accounts.user(facts.uid) {
                event.set(field::USER_NAME, name.to_owned());
            }
        }
        event.set(field::MESSAGE, format!("connection to {} by {who}", row.remote));
        let instance =
            format!("\u{1}connection\u{1}{}\u{1}{}\u{1}{}", row.local, row.remote, row.inode);
        Sample { event, instance }
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["tcp", "tcp6"] {
        let Some(table) = read(&format!("/proc/net/{name}"), TABLE_BYTES_MAX) else { continue };
        rows.extend(String::from_utf8_lossy(&table).lines().skip(1).filter_map(parse));
    }
    rows
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`; proc(5).
fn parse(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace();
    let local = address(words.nth(1)?)?;
    let remote = address(words.next()?)?;
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    Some(Row { local, remote, state, inode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_kernel_are_read() {
        let line = "   1: 0A00000A:C001 097100CB:115C 01 00000000:00000000 00:00000000 00000000  33        0 815 1 0 20 4 30 10 -1";
        let row = parse(line).unwrap();
        assert_eq!(row.remote.to_string(), "203.0.113.9:4444");
        assert_eq!((row.local.port(), row.state, row.inode), (49_153, ESTABLISHED, 815));
        for cut in 0..60 {
            let _ = parse(&line[..cut]);
        }
    }

    #[test]
    fn what_is_known_comes_back() {
        let mut known = Known { began: Some(7), ..Known::default() };
        known.destinations.insert("203.0.113.9".parse().unwrap());
        known.destinations.insert("2001:db8::1".parse().unwrap());
        let mut back = Known::default();
        known.each(&mut |group, key, value| back.put(group, key, value));
        assert_eq!((back.began, back.destinations), (known.began, known.destinations));
    }
}
