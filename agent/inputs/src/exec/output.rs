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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::exec::{ExecConfig, OUTPUT_BYTES_MAX, plans};
    use crate::{Format, MultilineConfig};

    fn plan(record: Record, continuation: &str, format: Format) -> Plan {
        let config = ExecConfig {
            command: vec!["/bin/true".to_owned()],
            record,
            format,
            multiline: MultilineConfig {
                continuation: continuation.to_owned(),
                ..MultilineConfig::default()
            },
            ..ExecConfig::default()
        };
        plans(&[config], Duration::from_secs(1)).unwrap().remove(0)
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_in_one_record_once(
            parts in prop::collection::vec(
                (prop::sample::select(vec![&b"a"[..], b" b", b"\n", b"\r\n", b"\0", b"\xff", b"type=CWD msg=audit(1.1:1): cwd=x\n"]), 1usize..40),
                0..60,
            ),
            record in prop::sample::select(vec![Record::Line, Record::Whole]),
            continuation in prop::sample::select(vec!["", "^ "]),
            format in prop::sample::select(vec![Format::Auto, Format::Auditd]),
            is_long in any::<bool>(),
            is_cut in any::<bool>(),
        ) {
            let mut output: Vec<u8> =
                parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            if is_long {
                output.extend(b"x".repeat(LINE_BYTES_MAX + 7));
            }
            prop_assume!(output.len() <= OUTPUT_BYTES_MAX);
            let outcome = if is_cut { Outcome::OutputLimit } else { Outcome::Success };
            let records =
                records(&plan(record, continuation, format), 7, &outcome, output.clone());
            let offsets: HashSet<u64> = records.lines.iter().map(|line| line.offset).collect();
            prop_assert_eq!(offsets.len(), records.lines.lines.len(), "no two have one place");
            prop_assert!(offsets.iter().all(|offset| offset >> 20 == 7));
            // What was cut by us may lose the line it was cut in; else every mark is there, in order.
            let kept: Vec<u8> = records.lines.iter().flat_map(|line| line.bytes.to_vec()).collect();
            let marks = |bytes: &[u8]| -> Vec<u8> {
                bytes.iter().copied().filter(|byte| b"ab\xffx".contains(byte)).collect()
            };
            let (all, kept) = (marks(&output), marks(&kept));
            let missing = (all.len() - kept.len()) as u64;
            prop_assert!(is_cut || missing <= records.left_out, "{missing} {}", records.left_out);
            if format == Format::Auto {
                prop_assert!(all.starts_with(&kept));
            }
        }
    }
}
