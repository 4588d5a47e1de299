//! `examine`: which rules hit in files that somebody brings, Windows logs among them. Touches no state.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_inputs::{EvtxReader, Format, Line, SourceMeta};
use agent_pipeline::{Pipeline, Processed, Scratch, digest_key};
use agent_wire::{Identity, write_event};
use rules_event::Event;
use rules_service::meter::Health;

use crate::config::Config;
use crate::correlate::Bench;
use crate::decode::each_record;
use crate::error::{Error, Result};
use crate::redaction;
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

/// Prints, as JSON lines, the events of the files that rules hit (`all`: every event) and the alerts of
/// correlations, over all files in their order, and tells of each file how many there were.
pub(crate) fn examine(
    config: &Config,
    files: &[PathBuf],
    all: bool,
    mut output: impl Write,
    mut tell: impl FnMut(&Path, &Found),
) -> Result<()> {
    // The same key for everyone: ids are then the same wherever a file is examined.
    let identity = Identity::from_seed(&[0; 32]);
    let compiled = rules::load_at_start(&config.rules, None, &Health::default())?;
    let mut correlations = Bench::new(&compiled, config, facts(config, &identity)?);
    let pipeline = Pipeline::new(facts(config, &identity)?, Some(compiled.matcher))
        .with_redactor(redaction::redactor(config, &identity)?)
        .with_digest_key(digest_key(&identity.seed()));
    let mut write = |event: &Event| -> Result<()> {
        let mut json = Vec::new();
        write_event(&mut json, event);
        json.push(b'\n');
        let written = output.write_all(&json);
        written.map_err(|source| Error::System { doing: "write standard output", source })
    };
    for path in files {
        let mut print = |processed: Processed<'_>| -> Result<bool> {
            let is_hit = processed.hits > 0;
            if is_hit || all {
                write(processed.event)?;
            }
            let alerts = correlations.take(processed.event, processed.hits);
            alerts.iter().try_for_each(&mut write)?;
            Ok(is_hit)
        };
        let found = file(&pipeline, path, &mut print)?;
        tell(path, &found);
    }
    correlations.finish().iter().try_for_each(write)
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
        ..SourceMeta::default()
    });
    let mut found = Found::default();
    if is_evtx {
        let mut scratch = Scratch::default();
        let mut reader = EvtxReader::open(path)?;
        while let Some(chunk) = reader.next(0) {
            found.damaged += chunk.damaged;
            for record in chunk.records {
                found.records += 1;
                let line = Line { offset: record.number, bytes: &record.json, truncated: false };
                let processed = pipeline.line(&source, now(), line, &mut scratch);
                found.with_hits += u64::from(print(processed)?);
            }
        }
        return Ok(found);
    }
    let input = BufReader::new(File::open(path).map_err(failed)?);
    let mut with_hits = 0;
    let records = each_record(pipeline, &source, None, input, |processed| {
        with_hits += u64::from(print(processed)?);
        Ok(())
    })?;
    Ok(Found { records, with_hits, ..found })
}
