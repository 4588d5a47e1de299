//! Output: what a run printed, as records.

use std::time::Instant;

use super::child::Outcome;
use super::config::{Plan, Record};
use super::{LINES_MAX, offset};
use crate::clock;
use crate::files::frame::frame;
use crate::{LINE_BYTES_MAX, Line, Lines, Span};

/// Records of a run, with what was counted.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) lines: Lines,
    /// Bytes that are part of no record, but for line ends.
    pub(super) left_out: u64,
    /// Lines read to be joined.
    pub(super) joined: u64,
}

/// Cuts output into records. They are known by the time of the run and their place in the output.
pub(super) fn records(plan: &Plan, run_ms: u64, outcome: &Outcome, mut bytes: Vec<u8>) -> Records {
    let read_at = clock::from_millis(run_ms);
    let mut lines = Lines::new(plan.meta.clone(), read_at);
    // Cut by us in the middle of a line: what is there of it would look like another line.
    if *outcome == Outcome::OutputLimit && plan.config.record == Record::Line {
        let end =
            memchr::memrchr(b'\n', &bytes).map_or(bytes.len().min(LINE_BYTES_MAX), |at| at + 1);
        bytes.truncate(end);
    }
    if plan.config.record == Record::Whole {
        let is_cut = *outcome == Outcome::OutputLimit || bytes.len() > LINE_BYTES_MAX;
        let all = bytes.len();
        bytes.truncate(LINE_BYTES_MAX);
        let left_out = (all - bytes.len()) as u64;
        while bytes.ends_with(b"\n") || bytes.ends_with(b"\r") {
            bytes.pop();
        }
        if !bytes.is_empty() {
            lines.push(Line { offset: offset(run_ms, 0), bytes: &bytes, truncated: is_cut });
        }
        return Records { lines, left_out, joined: 0 };
    }
    let framed = frame(&bytes, false, true, LINES_MAX);
    let left_out = framed.truncated_bytes + (bytes.len() - framed.used) as u64;
    let spans =
        framed.lines.into_iter().map(|span| Span { offset: offset(run_ms, span.offset), ..span });
    lines.buffer = bytes;
    lines.lines = spans.collect();
    let Some(mut assembler) = plan.joining.assembler() else {
        return Records { lines, left_out, joined: 0 };
    };
    let mut out = Lines::new(plan.meta.clone(), read_at);
    let (mut joined, now) = (0, Instant::now());
    for line in lines.iter() {
        assembler.push(line, now, &mut out);
        joined += 1;
    }
    assembler.finish(&mut out);
    Records { lines: out, left_out, joined }
}
