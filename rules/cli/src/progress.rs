//! Progress: a bar on standard error, for people who wait for many files.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Fewer files than this are done before a bar could be read.
const FILES_MIN: usize = 200;

/// Returns a bar over so many files; an invisible one when few or when nobody watches.
pub(crate) fn bar(files: usize) -> ProgressBar {
    if files < FILES_MIN || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(files as u64);
    match ProgressStyle::with_template("{pos}/{len} files {wide_bar} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
