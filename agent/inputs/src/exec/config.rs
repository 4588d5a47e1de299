//! ExecConfig: one `[[input.exec]]`, a command of this host whose output is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::{KEY_PREFIX, OUTPUT_BYTES_MAX};
use crate::config::check_system;
use crate::files::join::Joining;
use crate::{Error, Format, MultilineConfig, PolicyConfig, SourceMeta};

/// Commands at most: each may keep a process and its output in memory.
const COMMANDS_MAX: usize = 32;
/// Words of a command line, and variables, at most.
const WORDS_MAX: usize = 256;
/// Longest name, bytes: it is part of keys and labels.
const NAME_BYTES_MAX: usize = 64;

/// A command that is run again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecConfig {
    /// What it is called in events (`vonglau.exec.name`) and problems: at most 64 of `A-Z a-z 0-9 . _ -`;
    /// empty (default): the name of its program. It also is the name of its checkpoint.
    pub name: String,
    /// The program, an absolute path, and its arguments. No shell reads them: where one is needed,
    /// write it (`["/bin/sh", "-c", "…"]`). Nobody but root and the agent's user may be able to write
    /// to the program or to a folder above it.
    pub command: Vec<String>,
    /// Time from one start to the next, seconds (default 300, 1 to 604800). A start that is due while
    /// the command still runs is left out and counted.
    pub interval_s: u64,
    /// Times at which it runs instead, local time of the host: `daily 02:30`, `sat 22:00` (at most 64).
    /// One that was missed while the agent was down is made up for, once.
    pub schedule: Vec<String>,
    /// Most time it may take, ms (default 30000, 100 to 3600000). Then it and what it started gets
    /// SIGTERM, two seconds later SIGKILL.
    pub timeout_ms: u64,
    /// Most bytes of output (default 262144, 1024 to 1048576). When there is more, the command is ended
    /// and what came before counts.
    pub output_bytes_max: usize,
    /// How its output is decoded (default `auto`), as of files.
    pub format: Format,
    /// What a record is: `line` (default) or `whole`, all of the output, of which 65536 bytes are kept.
    pub record: Record,
    /// Which lines belong together as one record, as of files.
    pub multiline: MultilineConfig,
    /// `event.dataset` of its records; empty: chosen by the decoder.
    pub dataset: String,
    /// The information system the records belong to, as of files; empty: that of the host.
    pub system: String,
    /// Variables it gets. Besides these it has `PATH` and `LANG` only.
    pub env: BTreeMap<String, String>,
    /// Folder it starts in (default `/`).
    pub working_dir: PathBuf,
    /// User it runs as; empty (default): that of the agent. Another one needs an agent that is root.
    pub user: String,
    /// Whether output is sent only when it is another than that of the run before (default false). Of
    /// a run that was ended before its time nothing is sent then: half an output always differs.
    pub on_change: bool,
    /// What of its records leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

/// What a record of the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// Each line, or what `multiline` joins.
    #[default]
    Line,
    /// All of it.
    Whole,
}

impl Default for ExecConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            command: Vec::new(),
            interval_s: 300,
            schedule: Vec::new(),
            timeout_ms: 30_000,
            output_bytes_max: 256 * 1024,
            format: Format::Auto,
            record: Record::Line,
            multiline: MultilineConfig::default(),
            dataset: String::new(),
            system: String::new(),
            env: BTreeMap::new(),
            working_dir: PathBuf::from("/"),
            user: String::new(),
            on_change: false,
            policy: PolicyConfig::default(),
        }
    }
}

/// A command that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(super) config: ExecConfig,
    pub(super) name: String,
    /// Empty: the interval counts.
    pub(super) schedule: Option<Schedule>,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) joining: Joining,
    pub(super) meta: Arc<SourceMeta>,
}

/// Checks every command of a configuration.
pub(crate) fn plans(configs: &[ExecConfig], audit_wait: Duration) -> Result<Vec<Plan>, Error> {
    if configs.len() > COMMANDS_MAX {
        let (value, max) = (configs.len() as u64, COMMANDS_MAX as u64);
        return Err(Error::Bounds { name: "exec (commands)", value, min: 0, max });
    }
    let mut names = BTreeSet::new();
    let plan = |config| {
        let plan = Plan::new(config, audit_wait)?;
        if !names.insert(plan.name.clone()) {
            return Err(text("exec.name", &plan.name, "give each command a name of its own"));
        }
        Ok(plan)
    };
    configs.iter().map(plan).collect()
}

fn text(name: &'static str, text: &str, remedy: &'static str) -> Error {
    Error::Text { name, text: text.to_owned(), remedy }
}

impl Plan {
    fn new(config: &ExecConfig, audit_wait: Duration) -> Result<Self, Error> {
        let program = config.command.first().map(String::as_str).unwrap_or_default();
        if !program.starts_with('/') {
            return Err(text("exec.command", program, "give the absolute path of a program"));
        }
        let words = config.command.iter().chain(config.env.keys()).chain(config.env.values());
        if let Some(word) = words.clone().find(|word| word.contains('\0')) {
            return Err(text("exec.command", word, "a zero byte cannot be given to a program"));
        }
        if let Some(name) = config.env.keys().find(|name| name.is_empty() || name.contains('=')) {
            return Err(text("exec.env", name, "give the name of a variable"));
        }
        if !config.working_dir.is_absolute() {
            let dir = config.working_dir.display().to_string();
            return Err(text("exec.working_dir", &dir, "give an absolute path"));
        }
        let output_max = OUTPUT_BYTES_MAX as u64;
        for (name, value, min, max) in [
            ("exec.interval_s", config.interval_s, 1, 604_800),
            ("exec.timeout_ms", config.timeout_ms, 100, 3_600_000),
            ("exec.output_bytes_max", config.output_bytes_max as u64, 1_024, output_max),
            ("exec.command (words)", words.count() as u64, 1, WORDS_MAX as u64),
        ] {
            if value < min || value > max {
                return Err(Error::Bounds { name, value, min, max });
            }
        }
        check_system("exec.system", &config.system)?;
        let name = match config.name.as_str() {
            "" => program.rsplit('/').next().unwrap_or_default(),
            name => name,
        };
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_fine) {
            return Err(text("exec.name", name, "give at most 64 of A-Z a-z 0-9 . _ -"));
        }
        let schedule = Schedule::parse(&config.schedule)?;
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let meta = SourceMeta {
            key: format!("{KEY_PREFIX}{name}"),
            format: config.format,
            dataset: some(&config.dataset),
            command: Some(name.to_owned()),
            system: some(&config.system),
            policy: config.policy.number,
            ..SourceMeta::default()
        };
        Ok(Self {
            name: name.to_owned(),
            schedule: (!config.schedule.is_empty()).then_some(schedule),
            interval: Duration::from_secs(config.interval_s),
            timeout: Duration::from_millis(config.timeout_ms),
            joining: Joining::new(config.format, &config.multiline, audit_wait)?,
            meta: Arc::new(meta),
            config: config.clone(),
        })
    }

    /// What it is called in problems.
    pub(super) fn subject(&self) -> String {
        format!("exec {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let command = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let base = ExecConfig { command: command(&["/bin/true"]), ..ExecConfig::default() };
        for (config, named) in [
            (ExecConfig::default(), "exec.command"),
            (ExecConfig { command: command(&["true"]), ..base.clone() }, "absolute path"),
            (ExecConfig { command: command(&["/bin/a\0b"]), ..base.clone() }, "zero byte"),
            (ExecConfig { timeout_ms: 1, ..base.clone() }, "exec.timeout_ms = 1"),
            (ExecConfig { output_bytes_max: 2 << 20, ..base.clone() }, "output_bytes_max"),
            (ExecConfig { interval_s: 0, ..base.clone() }, "exec.interval_s = 0"),
            (ExecConfig { name: "a b".to_owned(), ..base.clone() }, "exec.name"),
            (ExecConfig { command: command(&["/bin/["]), ..base.clone() }, "exec.name"),
            (ExecConfig { system: "a b".to_owned(), ..base.clone() }, "exec.system"),
            (ExecConfig { working_dir: "tmp".into(), ..base.clone() }, "exec.working_dir"),
            (ExecConfig { schedule: command(&["noon"]), ..base.clone() }, "exec.schedule"),
            (
                ExecConfig { env: [(String::new(), String::new())].into(), ..base.clone() },
                "exec.env",
            ),
        ] {
            let error = plans(&[config], Duration::ZERO).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let error = plans(&[base.clone(), base.clone()], Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("'true'") && error.contains("of its own"), "{error}");
        assert_eq!(plans(&[base], Duration::ZERO).unwrap()[0].meta.key, "exec:true");
    }
}
