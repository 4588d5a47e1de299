//! `examine`: which rules hit in files that somebody brings, Windows logs among them. Touches no state.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_inputs::{EvtxReader, Format, LINE_BYTES_MAX, Line, SourceMeta};
use agent_pipeline::{Pipeline, Processed, Scratch, digest_key};
use agent_wire::{Identity, write_event};
use rules_service::meter::Health;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::rules;
use crate::run::facts;
use crate::sealer::now;

/// What an EVTX file begins with.
const EVTX_MAGIC: &[u8] = b"ElfFile\0";

/// What was found in one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) records: u64,
    pub(crate) damaged: u64,
    pub(crate) with_hits: u64,
}

/// Prints, as JSON lines, the events of the files that rules hit (`all`: every event), and tells of
/// each file how many there were.
pub(crate) fn examine(
    config: &Config,
    files: &[PathBuf],
    all: bool,
    mut output: impl Write,
    mut tell: impl FnMut(&Path, &Found),
) -> Result<()> {
    // The same key for everyone: ids are then the same wherever a file is examined.
    let identity = Identity::from_seed(&[0; 32]);
    let rule_set = rules::load_at_start(&config.rules, None, &Health::default())?;
    let pipeline = Pipeline::new(facts(config, &identity)?, Some(rule_set))
        .with_digest_key(digest_key(&identity.seed()));
    for path in files {
        let mut print = |processed: Processed<'_>| -> Result<bool> {
            let is_hit = processed.hits > 0;
            if is_hit || all {
                let mut json = Vec::new();
                write_event(&mut json, processed.event);
                json.push(b'\n');
                let written = output.write_all(&json);
                written
                    .map_err(|source| Error::System { doing: "write standard output", source })?;
            }
            Ok(is_hit)
        };
        let found = file(&pipeline, path, &mut print)?;
        tell(path, &found);
    }
    Ok(())
}

fn file(
    pipeline: &Pipeline,
    path: &Path,
    print: &mut impl FnMut(Processed<'_>) -> Result<bool>,
) -> Result<Found> {
    let failed = |source| Error::System { doing: "read a file to examine", source };
    let mut head = Vec::new();
    let opened = File::open(path).map_err(failed)?;
    (&opened).take(EVTX_MAGIC.len() as u64).read_to_end(&mut head).map_err(failed)?;
    let is_evtx = head == EVTX_MAGIC;
    let source = Arc::new(SourceMeta {
        key: if is_evtx { "evtx".to_owned() } else { format!("examine:{}", path.display()) },
        path: Some(path.display().to_string()),
        format: if is_evtx { Format::Evtx } else { Format::Auto },
        dataset: None,
        ..SourceMeta::default()
    });
    let mut scratch = Scratch::default();
    let mut found = Found::default();
    let mut judge = |bytes: &[u8], offset: u64, truncated: bool| {
        let line = Line { offset, bytes, truncated };
        print(pipeline.line(&source, now(), line, &mut scratch)).map(u64::from)
    };
    if is_evtx {
        let mut reader = EvtxReader::open(path)?;
        while let Some(chunk) = reader.next(0) {
            found.damaged += chunk.damaged;
            for record in chunk.records {
                found.records += 1;
                found.with_hits += judge(&record.json, record.number, false)?;
            }
        }
        return Ok(found);
    }
    let mut input = BufReader::new(File::open(path).map_err(failed)?);
    let (mut offset, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let limit = LINE_BYTES_MAX as u64;
        let taken = (&mut input).take(limit).read_until(b'\n', &mut line).map_err(failed)? as u64;
        if taken == 0 {
            return Ok(found);
        }
        let is_cut = taken == limit && !line.ends_with(b"\n");
        let skipped = if is_cut { skip(&mut input).map_err(failed)? } else { 0 };
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            found.records += 1;
            found.with_hits += judge(text, offset, is_cut)?;
        }
        offset += taken + skipped;
    }
}

fn skip(input: &mut impl BufRead) -> io::Result<u64> {
    Ok(input.skip_until(b'\n')? as u64)
}
