//! Process: programs that begin and end, by the cheapest means the host allows.
//!
//! The kernel tells ([`Connector`]), or `/proc` is looked at again and again. Either way a process is
//! known only by what `/proc` still says when we look: a program that is gone by then is counted as
//! missed. News that were in memory when the agent was killed are gone as well; what was begun
//! meanwhile and still runs is found at the next start.

mod config;
pub(crate) mod connections;
mod connector;
mod event;
mod facts;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::{Duration, Instant};

pub use self::config::{ProcessConfig, ProcessSource};
use self::connector::{Connector, News};
use self::event::{Known, Origin};
use self::facts::{Facts, TICKS_PER_S, boot_id, boot_time, facts, pids, stat};
use crate::accounts::Accounts;
use crate::attend::Attendant;
use crate::{Chunk, Count, Item, Sample, clock};

/// Key of its position in the checkpoint.
pub(crate) const KEY: &str = "process";

/// Most processes remembered; of others the end is not told, nor that they are a parent.
const KNOWN_MAX: usize = 65_536;

/// News taken at once.
const NEWS_MAX: usize = 1_024;

/// Events of one chunk.
const CHUNK_EVENTS_MAX: usize = 256;

/// How long an event waits for company: each chunk costs a round.
const GATHER: Duration = Duration::from_millis(200);

/// A look at `/proc` costs at most a hundredth of the time.
const REST_FACTOR: u32 = 99;

/// Every so many looks all processes are looked at closely: one may have become another program, or
/// its number may be another's.
const CLOSE_LOOK_EVERY: u32 = 10;

/// Most busy processes told at once: a host has few processors.
const BUSY_MAX: usize = 16;

/// Watches until stopped.
pub(crate) fn run(config: ProcessConfig, position: Option<&str>, attendant: &Attendant) {
    let opened = match config.source {
        ProcessSource::Auto => Connector::open(attendant),
        ProcessSource::Poll => Err(std::io::Error::other("as configured")),
    };
    let origin = Origin {
        source: if opened.is_ok() { "netlink" } else { "poll" },
        boot_id: boot_id(),
        boot_time: boot_time(),
    };
    let since = position.and_then(|json| parse_position(json, &origin.boot_id));
    let mut watcher = Watcher {
        newest: since.unwrap_or_default(),
        config,
        origin,
        attendant,
        known: HashMap::new(),
        accounts: Accounts::new(),
        samples: Vec::new(),
        used: HashMap::new(),
        used_at: Instant::now(),
    };
    let message = match &opened {
        Ok(_) => "the kernel tells of every program (netlink proc connector)".to_owned(),
        Err(error) => {
            let text = format!(
                "processes are found by looking at /proc every {} ms ({error}); what ends between two looks is missed: give the agent CAP_NET_ADMIN in the host's namespaces",
                watcher.config.poll_interval_ms
            );
            attendant.wiring.report.notice(KEY, text.clone());
            text
        }
    };
    let watching = watcher.origin.watching(clock::now(), message);
    watcher.samples.push(watching);
    watcher.begin(since);
    match opened {
        Ok(connector) => watcher.follow(connector),
        Err(_) => watcher.poll(),
    }
}

/// See the head of the file.
struct Watcher<'a> {
    config: ProcessConfig,
    origin: Origin,
    attendant: &'a Attendant,
    known: HashMap<u32, Known>,
    accounts: Accounts,
    samples: Vec<Sample>,
    /// Start of the newest process told, in ticks since boot.
    newest: u64,
    /// Processor time used until the last look, by pid and start.
    used: HashMap<(u32, u64), u64>,
    used_at: Instant,
}

impl Watcher<'_> {
    /// Learns what runs. With a position of this boot, what is younger was begun while nobody looked.
    fn begin(&mut self, since: Option<u64>) {
        for pid in pids() {
            let Some(facts) = facts(pid) else { continue };
            let is_new = since.is_some_and(|since| facts.start > since);
            self.newest = self.newest.max(facts.start);
            self.learn(&facts);
            if is_new {
                self.tell_start(&facts);
            }
        }
    }

    fn learn(&mut self, facts: &Facts) {
        if self.known.len() < KNOWN_MAX || self.known.contains_key(&facts.pid) {
            self.known.insert(facts.pid, Known::of(facts));
        }
    }

    fn tell_start(&mut self, facts: &Facts) {
        if !self.known.contains_key(&facts.parent)
            && let Some(parent) = self::facts::facts(facts.parent)
        {
            self.learn(&parent);
        }
        let parent = self.known.get(&facts.parent);
        let mut sample = self.origin.started(facts, parent, &mut self.accounts, clock::now());
        if self.config.hash
            && let Some(hash) = hash(facts.pid)
        {
            sample.event.set("process.hash.blake3", hash);
        }
        self.samples.push(sample);
        self.newest = self.newest.max(facts.start);
    }

    fn tell_end(&mut self, pid: u32, code: Option<u32>) {
        let Some(known) = self.known.remove(&pid) else { return };
        if self.config.exits {
            let now = clock::now();
            let sample = self.origin.ended(pid, &known, code, &mut self.accounts, now);
            self.samples.push(sample);
        }
    }

    /// Listens to the kernel.
    fn follow(&mut self, mut connector: Connector) {
        let mut news = Vec::new();
        loop {
            if !connector.wait(self.attendant, self.next_busy()) {
                return;
            }
            let gather = Instant::now() + GATHER;
            loop {
                connector.take(NEWS_MAX, &mut news);
                for item in news.drain(..) {
                    self.hear(item);
                }
                let left = gather.saturating_duration_since(Instant::now());
                if left.is_zero() || self.samples.len() >= CHUNK_EVENTS_MAX {
                    break;
                }
                if !connector.wait(self.attendant, left) {
                    return;
                }
            }
            self.look_for_busy();
            if !self.flush() {
                return;
            }
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Exec { pid } => match facts(pid) {
                Some(facts) => {
                    self.learn(&facts);
                    self.tell_start(&facts);
                }
                None => self.attendant.wiring.report.count(Count::ProcessesMissed, 1),
            },
            News::Exit { pid, code } => self.tell_end(pid, Some(code)),
            News::Lost => {
                // How many is not said. What still runs is found by looking.
                self.attendant.wiring.report.count(Count::ProcessesMissed, 1);
                self.look(true);
            }
        }
    }

    /// Looks at `/proc` again and again.
    fn poll(&mut self) {
        let interval = Duration::from_millis(self.config.poll_interval_ms);
        let mut looks = 0_u32;
        loop {
            let began = Instant::now();
            looks = looks.wrapping_add(1);
            self.look(looks.is_multiple_of(CLOSE_LOOK_EVERY));
            self.look_for_busy();
            if !self.flush() || !self.attendant.wait(interval.max(began.elapsed() * REST_FACTOR)) {
                return;
            }
        }
    }

    /// Compares what runs with what is known.
    fn look(&mut self, is_close: bool) {
        let mut now = pids();
        now.sort_unstable();
        let gone: Vec<u32> =
            self.known.keys().filter(|pid| now.binary_search(pid).is_err()).copied().collect();
        for pid in gone {
            self.tell_end(pid, None);
        }
        for pid in now {
            if let Some(known) = self.known.get(&pid) {
                if !is_close {
                    continue;
                }
                match stat(pid) {
                    Some(stat) if stat.start != known.start => self.tell_end(pid, None),
                    Some(stat) if event::text(&stat.name) != known.name => {}
                    _ => continue,
                }
            } else if stat(pid).is_none_or(|stat| stat.is_kernel) {
                continue;
            }
            let Some(facts) = facts(pid) else { continue };
            let before = self.known.get(&pid).map(|known| known.executable.clone());
            self.learn(&facts);
            // A process may change its name without becoming another program.
            if before.is_none_or(|before| before != event::text(facts.program())) {
                self.tell_start(&facts);
            }
        }
    }

    fn next_busy(&self) -> Duration {
        if self.config.busy_interval_s == 0 {
            return Duration::from_secs(3_600);
        }
        Duration::from_secs(self.config.busy_interval_s).saturating_sub(self.used_at.elapsed())
    }

    /// Tells which processes kept a processor busy since the last look.
    fn look_for_busy(&mut self) {
        if self.config.busy_interval_s == 0 || !self.next_busy().is_zero() {
            return;
        }
        let span = self.used_at.elapsed().as_secs_f64();
        let mut used = HashMap::new();
        let mut busy = Vec::new();
        for pid in pids() {
            let Some(stat) = stat(pid).filter(|stat| !stat.is_kernel) else { continue };
            let key = (pid, stat.start);
            if let Some(before) = self.used.get(&key) {
                let ticks = stat.used.saturating_sub(*before);
                let share = ticks as f64 / TICKS_PER_S as f64 / span;
                if share * 100.0 >= self.config.busy_min_pct as f64 {
                    busy.push((share, pid));
                }
            }
            used.insert(key, stat.used);
        }
        (self.used, self.used_at) = (used, Instant::now());
        busy.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (share, pid) in busy.into_iter().take(BUSY_MAX) {
            let Some(facts) = facts(pid) else { continue };
            let parent = self.known.get(&facts.parent);
            let now = clock::now();
            let sample = self.origin.busy(&facts, parent, share, &mut self.accounts, now);
            self.samples.push(sample);
        }
    }

    /// Hands on what there is; false when it is time to end.
    fn flush(&mut self) -> bool {
        if self.samples.is_empty() {
            return !self.attendant.is_stopped();
        }
        let items = self.samples.drain(..).map(Item::Sample).collect();
        let position = serde_json::json!({ "boot": self.origin.boot_id, "newest": self.newest });
        let positions = vec![(KEY.to_owned(), position.to_string())];
        self.attendant.send(Chunk { items, positions, ..Chunk::default() })
    }
}

fn parse_position(json: &str, boot_id: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    if value.get("boot")?.as_str()? != boot_id {
        // Everything is younger than a boot nobody saw.
        return Some(0);
    }
    value.get("newest")?.as_u64()
}

/// Largest program hashed, bytes.
const HASH_BYTES_MAX: u64 = 256 << 20;

/// Returns the hash of the program a process runs: of what it runs, not of what its path names now.
fn hash(pid: u32) -> Option<String> {
    let file = std::fs::File::open(format!("/proc/{pid}/exe")).ok()?;
    if file.metadata().ok()?.len() > HASH_BYTES_MAX {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}
