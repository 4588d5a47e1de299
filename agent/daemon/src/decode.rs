//! `decode`: shows what the agent would make of lines, without touching any state.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use agent_inputs::{
    FilesConfig, Format, Joiner, LINE_BYTES_MAX, Line, Lines, MultilineConfig, SourceMeta,
};
use agent_pipeline::{Pipeline, Processed, Scratch, digest_key};
use agent_wire::{Identity, write_event};
use rules_service::meter::Health;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::redaction;
use crate::rules;
use crate::run::facts;
use crate::sealer::now;

/// Reads lines from `input` and writes one JSON event each to `output`. Where `path` is one of the
/// configuration's, what it says of it counts.
pub(crate) fn decode(
    config: &Config,
    format: Format,
    path: Option<String>,
    input: impl BufRead,
    mut output: impl Write,
) -> Result<()> {
    // The same key for everyone: ids are then the same in every example.
    let identity = Identity::from_seed(&[0; 32]);
    let rule_set = rules::load_at_start(&config.rules, None, &Health::default())?.matcher;
    let pipeline = Pipeline::new(facts(config, &identity)?, Some(rule_set))
        .with_redactor(redaction::redactor(config, &identity)?)
        .with_digest_key(digest_key(&identity.seed()));
    let group = path.as_deref().and_then(|path| agent_inputs::settings_of(&config.input, path));
    let source = source(path, format, group);
    let multiline = group.map(|group| &group.multiline);
    let result = each_record(&pipeline, &source, multiline, input, |processed| {
        let mut json = Vec::new();
        write_event(&mut json, processed.event);
        json.push(b'\n');
        output
            .write_all(&json)
            .map_err(|source| Error::System { doing: "write standard output", source })
    });
    match result {
        // A reader that has gone away is no error.
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map(drop),
    }
}

fn source(path: Option<String>, format: Format, group: Option<&FilesConfig>) -> Arc<SourceMeta> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Arc::new(SourceMeta {
        key: "decode".to_owned(),
        path,
        format: match group {
            Some(group) if format == Format::Auto => group.format,
            _ => format,
        },
        dataset: group.and_then(|group| some(&group.dataset)),
        system: group.and_then(|group| some(&group.system)),
        ..SourceMeta::default()
    })
}

/// Hands each record of a text to `take`, lines joined as they are while a log is followed; returns how
/// many there were. Where no configuration says how they are joined, the first bytes do.
pub(crate) fn each_record(
    pipeline: &Pipeline,
    source: &Arc<SourceMeta>,
    multiline: Option<&MultilineConfig>,
    mut input: impl BufRead,
    mut take: impl FnMut(Processed<'_>) -> Result<()>,
) -> Result<u64> {
    let mut format = source.format;
    let failed = |source| Error::System { doing: "read the lines", source };
    if format == Format::Auto && multiline.is_none() {
        let start = input.fill_buf().map_err(failed)?;
        if start.starts_with(b"type=") || start.starts_with(b"node=") {
            format = Format::Auditd;
        }
    }
    let unjoined = MultilineConfig::default();
    let multiline = multiline.unwrap_or(&unjoined);
    let mut joiner = Joiner::new(format, source.path.as_deref(), multiline)?;
    let mut scratch = Scratch::default();
    let mut records = Lines::new(Arc::clone(source), now());
    let mut count = 0;
    let mut hand_on = |records: &mut Lines| {
        for line in records.iter() {
            count += 1;
            take(pipeline.line(source, now(), line, &mut scratch))?;
        }
        records.buffer.clear();
        records.lines.clear();
        Ok::<_, Error>(())
    };
    let (mut offset, mut line) = (0, Vec::new());
    loop {
        line.clear();
        // One byte more than the bound tells whether the line was cut.
        let limit = LINE_BYTES_MAX as u64 + 1;
        let taken = (&mut input).take(limit).read_until(b'\n', &mut line).map_err(failed)? as u64;
        if taken == 0 {
            break;
        }
        let is_cut = line.len() > LINE_BYTES_MAX && !line.ends_with(b"\n");
        let skipped = if is_cut { input.skip_until(b'\n').map_err(failed)? as u64 } else { 0 };
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            let bytes = &text[..text.len().min(LINE_BYTES_MAX)];
            joiner.push(Line { offset, bytes, truncated: is_cut }, &mut records);
            hand_on(&mut records)?;
        }
        offset += taken + skipped;
    }
    joiner.finish(&mut records);
    hand_on(&mut records)?;
    Ok(count)
}
