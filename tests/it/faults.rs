//! Faults, at small scale: the agent loses nothing and doubles nothing, whatever happens around it.
//!
//! Full scale, the same code: `benches/run.sh faults-kill faults-rotate …`. The ten minutes' outage is
//! run there only: small, it is the one of a minute.

use anyhow::Result;
use tests::faults::{Outcome, Scale, scenario};

/// Runs a scenario and holds it to the promise; `None` where it cannot be run.
fn kept(name: &str) -> Result<Option<Outcome>> {
    let outcome = (scenario(name)?.run)(&Scale::small())?;
    if let Some(outcome) = &outcome {
        println!("measured: {}", outcome.json());
        outcome.keeps_the_promise()?;
    }
    Ok(outcome)
}

#[test]
fn kill() -> Result<()> {
    kept("kill").map(drop)
}

#[test]
fn kill_kafka() -> Result<()> {
    kept("kill-kafka").map(drop)
}

#[test]
fn kill_at_ack() -> Result<()> {
    kept("kill-at-ack").map(drop)
}

#[test]
fn terminate() -> Result<()> {
    kept("terminate").map(drop)
}

#[test]
fn rotate_rename() -> Result<()> {
    kept("rotate-rename").map(drop)
}

#[test]
fn rotate_copytruncate() -> Result<()> {
    kept("rotate-copytruncate").map(drop)
}

#[test]
fn rotate_copytruncate_writing() -> Result<()> {
    kept("rotate-copytruncate-writing").map(drop)
}

#[test]
fn inode_reuse() -> Result<()> {
    kept("inode-reuse").map(drop)
}

#[test]
fn inode_reuse_without_birth_times() -> Result<()> {
    kept("inode-reuse-old").map(drop)
}

#[test]
fn deleted_unread() -> Result<()> {
    kept("deleted-unread").map(drop)
}

#[test]
fn truncation() -> Result<()> {
    kept("truncation").map(drop)
}

#[test]
fn rotated_while_stopped() -> Result<()> {
    kept("rotated-while-stopped").map(drop)
}

#[test]
fn compressed() -> Result<()> {
    kept("compressed").map(drop)
}

#[test]
fn disk_full_spool() -> Result<()> {
    kept("disk-full-spool").map(drop)
}

#[test]
fn disk_full_others() -> Result<()> {
    kept("disk-full-others").map(drop)
}

#[test]
fn torn_sector() -> Result<()> {
    kept("torn-sector").map(drop)
}

#[test]
fn outage_60s() -> Result<()> {
    kept("outage-60s").map(drop)
}

#[test]
fn broker_restarts() -> Result<()> {
    kept("broker-restarts").map(drop)
}

#[test]
fn clock_jumps() -> Result<()> {
    kept("clock-jumps").map(drop)
}

/// A disk that loses what it said it had written is beyond the promise: lines may come twice then,
/// under a new epoch that says so. None is lost.
#[test]
fn torn_after_sent() -> Result<()> {
    let outcome = (scenario("torn-after-sent")?.run)(&Scale::small())?;
    let outcome = outcome.ok_or_else(|| anyhow::anyhow!("it can be run anywhere"))?;
    println!("measured: {}", outcome.json());
    anyhow::ensure!(outcome.lost == 0 && outcome.complaints.is_empty(), "{}", outcome.json());
    anyhow::ensure!(outcome.chains > 2, "no new epoch: {}", outcome.json());
    Ok(())
}
