//! The commented sample file holds every key, with its default.

use agent_inputs::{ExecConfig, FilesConfig, SyslogConfig};
use toml::{Table, Value};

use super::{Config, Source};

/// Keys whose sample shows something else than the default: what nobody can do without
/// setting, and inputs that the sample switches on.
const SHOWN: [&str; 9] = [
    "input.exec.command",
    "input.files.paths",
    "input.files.start",
    "input.integrity.enabled",
    "input.inventory.enabled",
    "input.process.enabled",
    "input.syslog.allow",
    "kafka.bootstrap",
    "kafka.properties",
];

fn sample() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/agent.toml")
}

/// Every key with its value; of a list of tables, those of the first.
fn keys(base: &str, table: &Table, found: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if base.is_empty() { name.clone() } else { format!("{base}.{name}") };
        match value {
            _ if SHOWN.contains(&key.as_str()) => found.push((key, Value::from(""))),
            Value::Table(inner) => keys(&key, inner, found),
            Value::Array(items) if items.first().is_some_and(Value::is_table) => {
                keys(&key, items[0].as_table().unwrap(), found);
            }
            value => found.push((key, value.clone())),
        }
    }
}

#[test]
fn the_sample_is_good_and_holds_every_key_with_its_default() {
    let (config, _) = Source::new(sample()).load().unwrap();
    let mut default = Config::default();
    default.input.files = vec![FilesConfig::default()];
    default.input.exec = vec![ExecConfig::default()];
    default.input.syslog = vec![SyslogConfig::default()];
    let mut expected = Vec::new();
    keys("", &Table::try_from(&default).unwrap(), &mut expected);
    // A key behind "#" without a blank is one that the sample leaves out.
    let text = std::fs::read_to_string(sample()).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
        _ => line,
    });
    let written: Table = lines.collect::<Vec<_>>().join("\n").parse().unwrap();
    let mut found = Vec::new();
    keys("", &written, &mut found);
    found.sort_by(|one, other| one.0.cmp(&other.0));
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(expected.len() > 50, "{expected:?}");
    let missing: Vec<_> = expected.iter().filter(|it| !found.contains(it)).collect();
    assert!(
        missing.is_empty(),
        "missing in deploy/config/agent.toml, or not the default: {missing:?}"
    );
    assert_eq!(found, expected);
    assert!(config.has_kafka());
}
