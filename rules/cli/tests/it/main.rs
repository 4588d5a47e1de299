//! The program as its users meet it: what it prints, and how it exits.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

mod bench;
mod cases;
mod check;
mod explain;
mod hunt;
mod import;
mod new;
mod outline;
mod schemas;
mod tune;
mod watch;
mod why;
mod yaml;

const RULE: &str = "title: Root login\nid: 00000000-0000-0000-0000-000000000001\nname: root_login\n\
                    level: high\nlogsource: {product: linux, service: sshd}\ndetection:\n    \
                    selection: {user.name: root}\n    condition: selection\n";

const CORRELATION: &str = "title: Many\nid: 00000000-0000-0000-0000-000000000002\nname: many\n\
                           level: high\ncorrelation:\n    type: event_count\n    \
                           rules: [root_login]\n    group-by: [source.ip]\n    timespan: 1m\n    \
                           condition: {gte: 3}\n";

fn run(folder: &Path, args: &[&str]) -> Output {
    program(folder, args, "")
}

/// Runs the program with a text as its standard input.
fn program(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vonglau-rules"))
        .current_dir(folder)
        .args(args)
        .env_remove("VONGLAU_SERVER")
        .env_remove("VONGLAU_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    // From a thread of its own: the program may print before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    for part in parts {
        assert!(out.contains(part) || err.contains(part), "no '{part}' in\n{out}{err}");
    }
    assert!(!out.contains('\x1b'), "colour without a terminal");
}

#[track_caller]
fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}
