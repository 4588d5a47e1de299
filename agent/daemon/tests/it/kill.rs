//! `kill -9` at random points while lines are written: every line exactly once, chains unbroken.

use std::collections::HashSet;

use agent_spool::{LANE_ALERTS, LANE_EVENTS, Reader};
use agent_wire::Record;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::agent::{Site, line, until};

const LINES: u64 = 5_000;
const KILLS: usize = 5;

/// Counts events from another process, as the collector of a small site does.
struct Follower([Reader; 2], u64);

impl Follower {
    fn new(site: &Site) -> Self {
        let open = |lane| Reader::open(&site.spool(), lane, 0).unwrap();
        Self([open(LANE_ALERTS), open(LANE_EVENTS)], 0)
    }

    fn count(&mut self) -> u64 {
        for reader in &mut self.0 {
            while let Some(entry) = reader.next().unwrap() {
                self.1 += u64::from(Record::decode(&entry.bytes).unwrap().header.count);
            }
        }
        self.1
    }
}

#[test]
fn killed_five_times_every_line_is_spooled_exactly_once() {
    let seed = std::env::var("VONGLAU_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("replay with VONGLAU_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut site = Site::new();
    site.configure("");
    let mut follower = Follower::new(&site);
    let mut written = 0;
    for kill in 0..KILLS {
        let agent = site.start();
        let goal = LINES * (kill as u64 + 1) / (KILLS as u64 + 1);
        // Killed at some point between reading the first new line and having spooled the last.
        let seen_at_kill = random.gen_range(written..goal);
        while written < goal {
            let count = random.gen_range(1..=200).min(goal - written);
            site.append(count);
            written += count;
            if follower.count() > seen_at_kill {
                break;
            }
        }
        until("spooling", || follower.count() >= seen_at_kill);
        agent.kill();
    }
    let agent = site.start();
    site.append(LINES - written);
    until("all lines", || follower.count() >= LINES);
    assert_eq!(agent.stop(), 0);
    assert_eq!(follower.count(), LINES);

    let events = site.events();
    let ids: HashSet<&String> = events.iter().map(|(id, _)| id).collect();
    let texts: HashSet<&String> = events.iter().map(|(_, text)| text).collect();
    assert_eq!(events.len() as u64, LINES);
    assert_eq!(ids.len() as u64, LINES, "an id occurs twice");
    assert_eq!(texts.len() as u64, LINES, "a line occurs twice");
    for number in 1..=LINES {
        assert!(texts.contains(&line(number)), "line {number} is lost");
    }
}
