//! What durability costs: rounds of the spool with their sync, beside writing the same bytes without.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use agent_spool::{Cursor, Entry, LANE_EVENTS, Location, Options, Spool};
use anyhow::Result;

use crate::figure;

/// A batch as it comes out of 512 KiB of mixed lines.
const BATCH_BYTES: usize = 60_000;
const ROUNDS: u64 = 400;
const ACKS: u64 = 2_000;

/// Runs the set.
pub(crate) fn run() -> Result<()> {
    // Beside the build, not in /tmp: that may be memory.
    let home = std::env::current_exe()?.parent().map(std::path::Path::to_path_buf);
    let dir = match home {
        Some(home) => tempfile::tempdir_in(home)?,
        None => tempfile::tempdir()?,
    };
    let batch: Vec<u8> = (0..BATCH_BYTES).map(|index| (index * 7) as u8).collect();

    let plain = File::create(dir.path().join("plain"))?;
    let mut unsynced = Vec::new();
    for round in 0..ROUNDS {
        let began = Instant::now();
        plain.write_all_at(&batch, round * BATCH_BYTES as u64)?;
        unsynced.push(began.elapsed());
    }
    drop(plain);

    let (mut spool, _) = Spool::open(Options {
        dir: dir.path().join("spool"),
        segment_bytes_max: 16 << 20,
        bytes_max: 1 << 30,
        free_bytes_min: 0,
    })?;
    let full = rounds(&mut spool, &batch)?;
    let idle = rounds(&mut spool, &[])?;
    let reference = Some(("written, not synced", per_second(&unsynced)));
    figure::print(
        "spool-sync",
        "rounds of 60 kB a second",
        per_second(&full),
        "rounds/s",
        reference,
    );
    figure::print("spool-sync", "round of 60 kB, median", millis(&full, 50), "ms", None);
    figure::print("spool-sync", "round of 60 kB, 99th percentile", millis(&full, 99), "ms", None);
    figure::print(
        "spool-sync",
        "round with a checkpoint alone, median",
        millis(&idle, 50),
        "ms",
        None,
    );

    let stored =
        timed(ACKS / 20, |seq| Ok(Cursor::store(&dir.path().join("spool"), LANE_EVENTS, seq)?))?;
    let mut held = Cursor::hold(&dir.path().join("spool"), LANE_EVENTS, spool.epoch(), 0, None)?;
    let noted =
        timed(ACKS, |seq| Ok(held.advance(seq, Some(Location { partition: 3, offset: seq }))?))?;
    let reference = Some(("replaced and synced each time", millis(&stored, 50)));
    figure::print("spool-sync", "cursor moved, median", millis(&noted, 50), "ms", reference);
    Ok(())
}

/// Appends rounds with one batch each, or with none.
fn rounds(spool: &mut Spool, batch: &[u8]) -> Result<Vec<Duration>> {
    timed(ROUNDS, |_| {
        let seq = spool.last_seq(LANE_EVENTS) + 1;
        let entry = Entry { lane: LANE_EVENTS, seq, bytes: batch };
        let entries = if batch.is_empty() { &[][..] } else { std::slice::from_ref(&entry) };
        let change = [b'c'; 300];
        Ok(spool.append_change(entries, &change, |out| out.write_all(&[b'w'; 3_000]))?)
    })
}

fn timed(count: u64, mut step: impl FnMut(u64) -> Result<()>) -> Result<Vec<Duration>> {
    (1..=count)
        .map(|number| {
            let began = Instant::now();
            step(number)?;
            Ok(began.elapsed())
        })
        .collect()
}

fn per_second(times: &[Duration]) -> f64 {
    times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64()
}

fn millis(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
