//! Input: real logs with ground truth when they are here, and generated ones.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Returns a file of the real logs, or says that the test is skipped.
#[must_use]
pub fn real(name: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("VONGLAU_TEST_DATA")
        .map_or_else(|| crate::root().join("../shared/data"), PathBuf::from);
    let path = dir.join(name);
    if path.is_file() {
        return Some(path);
    }
    crate::skipped(&format!("real log {name} is not here (set VONGLAU_TEST_DATA)"));
    None
}

/// Returns how many lines a file has.
///
/// # Errors
/// If it cannot be read.
pub fn count_lines(path: &Path) -> Result<u64> {
    Ok(std::fs::read(path)?.iter().filter(|byte| **byte == b'\n').count() as u64)
}

/// Returns `count` numbered lines of an sshd log, a mix of failures and successes from 40 addresses;
/// line `n` carries its number as the process id, so that every line differs.
#[must_use]
pub fn sshd_lines(from: u64, count: u64) -> String {
    let mut text = String::new();
    for number in from..from + count {
        let (minute, second) = (number / 60 % 60, number % 60);
        let what = if number % 50 == 7 {
            "Accepted password for admin"
        } else {
            "Failed password for invalid user test"
        };
        text.push_str(&format!(
            "Nov 20 08:{minute:02}:{second:02} portal01 sshd[{number}]: {what} from 203.0.113.{} port {} ssh2\n",
            number % 40 + 1,
            1024 + number % 60_000
        ));
    }
    text
}
