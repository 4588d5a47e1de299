//! `decode`: shows what the agent would make of lines, without touching any state.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use agent_inputs::{Format, LINE_BYTES_MAX, Line, SourceMeta};
use agent_pipeline::{Pipeline, Scratch, digest_key};
use agent_wire::{Identity, write_event};
use rules_service::meter::Health;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::rules;
use crate::run::facts;
use crate::sealer::now;

/// Reads lines from `input` and writes one JSON event each to `output`.
pub(crate) fn decode(
    config: &Config,
    format: Format,
    path: Option<String>,
    mut input: impl BufRead,
    mut output: impl Write,
) -> Result<()> {
    // The same key for everyone: ids are then the same in every example.
    let identity = Identity::from_seed(&[0; 32]);
    let rule_set = rules::load_at_start(&config.rules, None, &Health::default())?;
    let pipeline = Pipeline::new(facts(config, &identity)?, Some(rule_set))
        .with_digest_key(digest_key(&identity.seed()));
    let source = Arc::new(SourceMeta {
        key: "decode".to_owned(),
        path,
        format,
        dataset: None,
        ..SourceMeta::default()
    });
    let mut scratch = Scratch::default();
    let (mut offset, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = |source| Error::System { doing: "read standard input", source };
        // One byte more than the bound tells whether the line was cut.
        let taken = (&mut input)
            .take(LINE_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(read)? as u64;
        if taken == 0 {
            return Ok(());
        }
        let is_cut = line.len() > LINE_BYTES_MAX && !line.ends_with(b"\n");
        let skipped = if is_cut { input.skip_until(b'\n').map_err(read)? as u64 } else { 0 };
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            let bytes = &text[..text.len().min(LINE_BYTES_MAX)];
            let line = Line { offset, bytes, truncated: is_cut };
            let mut json = Vec::new();
            write_event(&mut json, pipeline.line(&source, now(), line, &mut scratch).event);
            json.push(b'\n');
            match output.write_all(&json) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                result => result
                    .map_err(|source| Error::System { doing: "write standard output", source })?,
            }
        }
        offset += taken + skipped;
    }
}
