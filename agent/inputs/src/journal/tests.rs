//! The journal against a stand-in for journalctl: a script that keeps its promises.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{HostConfig, start};

struct Ear;
impl Report for Ear {
    fn problem(&self, _: &str, _: String) {}
    fn resolved(&self, _: &str) {}
    fn count(&self, _: Count, _: u64) {}
}

/// Prints entries 1 to 5, or those after the cursor; `--follow` waits at the end.
const JOURNALCTL: &str = r#"#!/bin/sh
echo "$*" >> "$0.args"
after=0; follow=; last=
for arg in "$@"; do
  case "$arg" in
    --after-cursor=c*) after=${arg#--after-cursor=c} ;;
    --follow) follow=1 ;;
    --lines=1) last=1 ;;
  esac
done
[ -n "$last" ] && after=2 && five=3 || five=5
for n in 1 2 3 4 5; do
  [ "$n" -gt "$after" ] && [ "$n" -le "$five" ] &&
    echo "{\"__CURSOR\":\"c$n\",\"MESSAGE\":\"entry $n\"}"
done
[ -n "$follow" ] && exec sleep 1000
exit 0
"#;

fn config(folder: &Path, start: Start) -> InputsConfig {
    let program = folder.join("journalctl");
    std::fs::write(&program, JOURNALCTL).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    InputsConfig {
        journal: JournalConfig {
            enabled: Enabled::Auto,
            start,
            program: program.display().to_string(),
            ..JournalConfig::default()
        },
        host: HostConfig { enabled: false, ..HostConfig::default() },
        ..InputsConfig::default()
    }
}

async fn entries(
    config: InputsConfig,
    checkpoints: HashMap<String, String>,
    count: usize,
) -> (Vec<String>, String) {
    let (out, mut chunks) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let key = key(&config.journal);
    let task = start(config, checkpoints, out, stop.clone(), Arc::new(Ear)).unwrap();
    let (mut cursors, mut position) = (Vec::new(), String::new());
    let deadline = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(deadline);
    while cursors.len() < count {
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk.unwrap(),
            () = &mut deadline => panic!("only {cursors:?}"),
        };
        for item in chunk.items {
            let Item::Entry(entry) = item else { panic!("entries") };
            assert_eq!(entry.source.format, Format::Journal);
            assert_eq!(entry.source.key, key);
            cursors.push(entry.cursor);
        }
        position = chunk.positions.last().map(|(_, json)| json.clone()).unwrap();
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), task).await.expect("stops").unwrap();
    (cursors, position)
}

#[tokio::test]
async fn every_entry_and_then_those_after_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), Start::Beginning);
    let (cursors, position) = entries(config.clone(), HashMap::new(), 5).await;
    assert_eq!(cursors, ["c1", "c2", "c3", "c4", "c5"]);
    assert_eq!(position, r#"{"cursor":"c5"}"#);
    let checkpoint = HashMap::from([(KEY.to_owned(), r#"{"cursor":"c3"}"#.to_owned())]);
    let (cursors, _) = entries(config, checkpoint, 2).await;
    assert_eq!(cursors, ["c4", "c5"]);
}

#[tokio::test]
async fn from_the_end_means_after_the_last_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (cursors, _) = entries(config(folder.path(), Start::End), HashMap::new(), 2).await;
    assert_eq!(cursors, ["c4", "c5"]);
}

#[tokio::test]
async fn a_namespace_is_asked_for_and_has_a_place_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), Start::Beginning);
    config.journal.namespace = "*".to_owned();
    assert_eq!(key(&config.journal), "journal:*");
    // The position of the system's own journal is not that of all.
    let checkpoint = HashMap::from([(KEY.to_owned(), r#"{"cursor":"c3"}"#.to_owned())]);
    let (cursors, _) = entries(config.clone(), checkpoint, 5).await;
    assert_eq!(cursors.len(), 5);
    let asked = std::fs::read_to_string(folder.path().join("journalctl.args")).unwrap();
    assert!(asked.lines().any(|line| line.contains("--namespace=* ")), "{asked}");
    for bad in ["a b", "+", "x/y", "+*", "a\nb"] {
        config.journal.namespace = bad.to_owned();
        assert!(check(&config.journal).is_err(), "{bad}");
    }
    for good in ["", "*", "web", "+web", "web-1.x"] {
        config.journal.namespace = good.to_owned();
        assert!(check(&config.journal).is_ok(), "{good}");
    }
}

#[tokio::test]
async fn audit_records_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), Start::Beginning);
    let asked = |folder: &Path| std::fs::read_to_string(folder.join("journalctl.args")).unwrap();
    // Nothing else reads them.
    entries(config.clone(), HashMap::new(), 5).await;
    assert!(!asked(folder.path()).contains("_TRANSPORT="), "{}", asked(folder.path()));
    config.files = vec![crate::FilesConfig {
        paths: vec![folder.path().join("audit.log").display().to_string()],
        ..crate::FilesConfig::default()
    }];
    entries(config.clone(), HashMap::new(), 5).await;
    let all = asked(folder.path());
    let last = all.lines().last().unwrap();
    assert!(last.contains("_TRANSPORT=kernel") && !last.contains("_TRANSPORT=audit"), "{last}");
    config.journal.audit = Enabled::Yes;
    entries(config, HashMap::new(), 5).await;
    let all = asked(folder.path());
    assert!(!all.lines().last().unwrap().contains("_TRANSPORT="), "{all}");
}

#[tokio::test]
async fn an_entry_too_long_is_skipped() {
    let mut text = vec![b'x'; ENTRY_BYTES_MAX + 50];
    text.extend(b"\n{}\n");
    let mut reader = BufReader::with_capacity(100, text.as_slice());
    let mut line = Vec::new();
    assert!(matches!(read_entry(&mut reader, &mut line).await, Ok(Read::TooLong)));
    assert!(line.len() <= ENTRY_BYTES_MAX + 1);
    line.clear();
    assert!(matches!(read_entry(&mut reader, &mut line).await, Ok(Read::Entry)));
    assert_eq!(line, b"{}");
    assert!(matches!(read_entry(&mut reader, &mut line).await, Ok(Read::End)));
}
