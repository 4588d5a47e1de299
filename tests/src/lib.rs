//! The kit of the end-to-end tests: real programs, real servers, all on loopback.
//!
//! Nothing here sleeps for a fixed time: everything waits for a condition with a deadline.

pub mod agent;
pub mod collector;
pub mod data;
pub mod faults;
pub mod process;
pub mod rsyslog;
pub mod servers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How long anything may take before a test gives up: generous, since two cores run everything.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Returns the value as soon as `look` finds one; fails naming `what` after [`PATIENCE`].
///
/// # Errors
/// If time runs out, or `look` fails.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Returns the path of a program of ours: `VONGLAU_BIN_DIR`, or beside the running test.
///
/// # Errors
/// If it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os("VONGLAU_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            let own = std::env::current_exe()?;
            let up = own.ancestors().nth(2).map(PathBuf::from);
            up.ok_or_else(|| anyhow::anyhow!("{} has no folder", own.display()))?
        }
    };
    let path = dir.join(name);
    anyhow::ensure!(path.is_file(), "{} is not built; run cargo build --bins", path.display());
    Ok(path)
}

/// Returns the root of the checkout.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Says that a test could not run here, in the words that `tests/run.sh` counts.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// Returns the value of an environment variable a test needs, or says that it is skipped.
#[must_use]
pub fn needs(variable: &str, what: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        skipped(&format!("{what} is not here ({variable} is not set; tests/run.sh sets it)"));
    }
    value
}
