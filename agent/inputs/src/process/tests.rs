//! The watcher on this very host: programs that begin and end become events.

use std::process::Command;
use std::time::Duration;

use rules_event::{Event, field};

use super::*;
use crate::bench::Bench;

fn started(bench: &mut Bench, marker: &str) -> Event {
    let fits = |event: &Event| {
        event.get_str(field::EVENT_ACTION) == Some("process_started")
            && event.get_str(field::PROCESS_COMMAND_LINE).is_some_and(|line| line.contains(marker))
    };
    bench.until(fits).into_iter().find(fits).unwrap()
}

fn watch(source: ProcessSource) {
    let poll = source == ProcessSource::Poll;
    let marker = format!("vonglau-test-{}-{poll}", std::process::id());
    let mut bench = Bench::new(|inputs| {
        inputs.process = ProcessConfig { enabled: true, source, ..ProcessConfig::default() };
    });
    let first = bench.until(|event| event.get_str(field::EVENT_ACTION) == Some("process_watch"));
    let source = first[0].get_str("vonglau.process.source").unwrap().to_owned();
    if !poll && source != "netlink" {
        eprintln!("skipped: the kernel does not tell of processes here");
        return;
    }
    // Long enough for every look; ended by us.
    let mut child = Command::new("sh")
        .args(["-c", "read line; exit 3", &marker])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let event = started(&mut bench, &marker);
    assert_eq!(
        event.get(field::PROCESS_PID).and_then(rules_event::ValueRef::as_int),
        Some(i64::from(child.id()))
    );
    let parent = event.get("process.parent.pid").and_then(rules_event::ValueRef::as_int);
    assert_eq!(parent, Some(i64::from(std::process::id())));
    let me = std::env::current_exe().unwrap();
    assert_eq!(event.get_str(field::PROCESS_PARENT_EXECUTABLE), me.to_str());
    let directory = std::env::current_dir().unwrap();
    assert_eq!(event.get_str(field::PROCESS_WORKING_DIRECTORY), directory.to_str());
    assert!(event.get_str(field::PROCESS_EXECUTABLE).unwrap().starts_with('/'));
    assert_eq!(event.get("process.args").map(|args| args.items().count()), Some(4));
    assert!(event.get_str("user.id").is_some());
    drop(child.stdin.take());
    child.wait().unwrap();
    let pid = i64::from(child.id());
    let fits = |event: &Event| {
        event.get_str(field::EVENT_ACTION) == Some("process_ended")
            && event.get(field::PROCESS_PID).and_then(rules_event::ValueRef::as_int) == Some(pid)
    };
    let end = bench.until(fits).into_iter().find(fits).unwrap();
    assert_eq!(end.get_str("process.entity_id"), event.get_str("process.entity_id"));
    if source == "netlink" {
        assert_eq!(end.get("process.exit_code").and_then(rules_event::ValueRef::as_int), Some(3));
    }
    // What begins while nobody looks, and still runs, is found.
    bench.stop();
    let late = format!("late-{marker}");
    let mut child = Command::new("sh")
        .args(["-c", "read line", &late])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    bench.start();
    started(&mut bench, &late);
    drop(child.stdin.take());
    child.wait().unwrap();
    bench.stop();
}

#[test]
fn the_kernel_tells() {
    watch(ProcessSource::Auto);
}

#[test]
fn looking_finds_what_lives_long_enough() {
    watch(ProcessSource::Poll);
}

#[test]
fn a_busy_process_is_told_with_its_share() {
    let mut bench = Bench::new(|inputs| {
        inputs.process = ProcessConfig {
            enabled: true,
            busy_interval_s: 1,
            // Others may want the processors, too.
            busy_min_pct: 1,
            ..ProcessConfig::default()
        };
    });
    let child = Ended(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
    let pid = i64::from(child.0.id());
    let fits = |event: &Event| {
        event.get_str(field::EVENT_ACTION) == Some("process_busy")
            && event.get(field::PROCESS_PID).and_then(rules_event::ValueRef::as_int) == Some(pid)
    };
    let events = bench.until(fits);
    let event = events.iter().find(|event| fits(event)).unwrap();
    assert!(
        matches!(event.get("process.cpu.pct"), Some(rules_event::ValueRef::Float(share)) if share >= 0.01)
    );
    drop(child);
    bench.stop();
}

/// Ends a child also when the test fails.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_connection_is_told_with_its_program() {
    let mut bench = Bench::new(|inputs| {
        inputs.process =
            ProcessConfig { enabled: true, connections_interval_s: 1, ..ProcessConfig::default() };
    });
    bench.until(|event| event.get_str(field::EVENT_ACTION) == Some("process_watch"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = i64::from(listener.local_addr().unwrap().port());
    let is_ours = |event: &Event| {
        event.get_str(field::EVENT_DATASET) == Some("vonglau.network")
            && event.get(field::DESTINATION_PORT).and_then(rules_event::ValueRef::as_int)
                == Some(port)
    };
    // The first look may come after the first connection: then that is no news.
    let mut held = Vec::new();
    let mut found = None;
    for _ in 0..20 {
        held.push(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let events = bench.within(Duration::from_secs(3), is_ours);
        found = events.into_iter().find(is_ours);
        if found.is_some() {
            break;
        }
    }
    let event = found.expect("a connection is told");
    let me = std::env::current_exe().unwrap();
    assert_eq!(event.get_str(field::PROCESS_EXECUTABLE), me.to_str());
    assert_eq!(event.get_str(field::DESTINATION_IP), Some("127.0.0.1"));
    assert_eq!(event.get("vonglau.network.initiated"), Some(rules_event::ValueRef::Bool(true)));
    assert_eq!(event.get("vonglau.network.first_seen"), None, "it is still being learnt");
    bench.stop();
}
