//! `new`: a rule and its cases to begin with, made from an event where there is one.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use rules_event::{Event, Timestamp, field};
use rules_service::exit::Exit;
use rules_sigma::Pattern;

use crate::args::NewArgs;
use crate::{events, yaml};

/// Fields that say what was done, the best first: a rule mostly begins with some of them.
const TELLING: &[&str] = &[
    field::EVENT_ACTION,
    field::EVENT_OUTCOME,
    field::PROCESS_EXECUTABLE,
    field::PROCESS_COMMAND_LINE,
    field::HTTP_REQUEST_METHOD,
    field::URL_PATH,
    field::USER_NAME,
    field::PROCESS_NAME,
];
/// Fields of the first selection.
const SELECTION_FIELDS: usize = 3;
/// Fields that a case does not need: the line is repeated in the others.
const LEFT_OUT: &[&str] = &[field::EVENT_ORIGINAL, field::RULE_ID, field::RULE_RULESET];

pub(crate) fn run(args: &NewArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (rule, case) = paths(&args.file)?;
    let name = rule.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let event = match &args.event {
        None => None,
        Some(path) => events::read(path)?.into_iter().next(),
    };
    if let Some(event) = &event {
        let dataset = event.get_str(field::EVENT_DATASET);
        ensure!(
            dataset.is_some(),
            "the event has no '{}', by which rules choose",
            field::EVENT_DATASET
        );
    }
    for path in [&rule, &case] {
        let there = std::fs::symlink_metadata(path).is_ok();
        ensure!(!there, "{} is there already; it is not overwritten", path.display());
    }
    write(&rule, &rule_text(&name, event.as_ref()))?;
    write(&case, &case_text(event.as_ref()))?;
    let folder = rule.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    writeln!(
        out,
        "{} and {} written; 'vonglau-rules watch {}' shows how they do as you edit",
        rule.display(),
        case.display(),
        folder.display()
    )?;
    Ok(Exit::Done)
}

fn paths(file: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".yml").unwrap_or(&name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if stem.is_empty() || !stem.chars().all(plain) {
        bail!(
            "'{name}' is no name for a rule; write letters, digits and _, such as ssh_at_night.yml"
        );
    }
    let beside = |ending: &str| file.with_file_name(format!("{stem}{ending}"));
    Ok((beside(".yml"), beside(".case.yml")))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let named = || format!("cannot write {}", path.display());
    let mut file = std::fs::File::create_new(path).with_context(named)?;
    file.write_all(text.as_bytes()).with_context(named)
}

fn rule_text(name: &str, event: Option<&Event>) -> String {
    let (logsource, selection) = match event {
        Some(event) => (logsource(event), selection(event)),
        None => (
            "    product: linux\n    service: sshd\n".to_owned(),
            "        event.action: 'ssh_login'\n        user.name: 'root'\n".to_owned(),
        ),
    };
    format!(
        "# Fields: vonglau-rules schema, and what 'vonglau-agent decode' makes of a line.\n\
         title: {name}\nid: {}\nname: {name}\nstatus: experimental\n\
         description: What was seen when it hits, and why that matters.\ndate: {}\n\
         tags: []  # such as attack.credential-access, attack.t1110.001\n\
         logsource:\n{logsource}detection:\n    selection:\n{selection}    condition: selection\n\
         falsepositives: []\n\
         level: low  # a new rule raises nothing until its noise is known\n\
         custom:\n    vonglau:\n        title_vi: {name}\n",
        uuid::Uuid::new_v4(),
        today(),
    )
}

/// Returns the logsource of an event: by Sigma's names where those lead to its dataset.
fn logsource(event: &Event) -> String {
    let dataset = event.get_str(field::EVENT_DATASET).unwrap_or_default();
    let program = event.get_str(field::PROCESS_NAME);
    match (dataset, program) {
        ("nginx.access" | "apache.access", _) => "    category: webserver\n".to_owned(),
        ("system.auth" | "system.syslog", Some(program)) => {
            let service = if program.starts_with("sshd") { "sshd" } else { program };
            format!("    product: linux\n    service: {}\n", yaml::text(service))
        }
        _ => format!("    product: vonglau\n    service: {}\n", yaml::text(dataset)),
    }
}

fn selection(event: &Event) -> String {
    let mut lines = String::new();
    let found = TELLING.iter().filter_map(|name| Some((name, event.get_str(name)?)));
    for (name, value) in found.filter(|(_, value)| !value.is_empty()).take(SELECTION_FIELDS) {
        let value = yaml::text(&Pattern::literal(value).to_string());
        let _ = writeln!(lines, "        {name}: {value}");
    }
    if lines.is_empty() {
        let _ = writeln!(lines, "        {}|exists: true", field::EVENT_DATASET);
    }
    lines
}

fn case_text(event: Option<&Event>) -> String {
    let mut fields = String::new();
    match event {
        Some(event) => {
            if event.time != Timestamp::default() {
                let _ = writeln!(fields, "        '@timestamp': {}", event.time);
            }
            for (name, value) in event.fields().filter(|(name, _)| !LEFT_OUT.contains(name)) {
                let _ = writeln!(fields, "        {}: {}", yaml::text(name), yaml::value(value));
            }
        }
        None => {
            for (name, value) in [
                (field::EVENT_DATASET, "system.auth"),
                (field::PROCESS_NAME, "sshd"),
                (field::EVENT_ACTION, "ssh_login"),
                (field::USER_NAME, "root"),
            ] {
                let _ = writeln!(fields, "        {name}: {}", yaml::text(value));
            }
        }
    }
    format!(
        "matches:\n  - name: as it was seen\n    event:\n{fields}\
         # The nearest harmless neighbour, and one event that differs in each field of the selection.\n\
         does_not_match: []\n"
    )
}

/// Returns the day in UTC.
fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::default().saturating_add(now).to_string();
    now.chars().take(10).collect()
}
