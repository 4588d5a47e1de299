//! Start and stop: refusals with their remedy, the lock, a lost parent, signals.

use std::process::Stdio;

use crate::kit::{Running, command, ended, library};

#[test]
fn it_does_not_start_without_password_or_on_a_public_address() {
    let directory = tempfile::tempdir().unwrap();
    let lib = directory.path().join("libchdb.so");
    let run = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = command(&lib, &directory.path().join("data"));
        command.stderr(Stdio::piped());
        change(&mut command);
        ended(command.spawn().unwrap())
    };
    let (code, text) = run(&|command| {
        command.env_remove("VONGLAU_ENGINE_PASSWORD");
    });
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("VONGLAU_ENGINE_PASSWORD"), "{text}");
    let (code, text) = run(&|command| {
        command.args(["--listen", "0.0.0.0:0"]);
    });
    assert!(code == Some(2) || (code == Some(3) && text.contains("--allow-remote")), "{text}");
    let (code, text) = run(&|_| ());
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("libchdb.so") && text.contains("deploy/lib/fetch-chdb.sh"), "{text}");
    // A library, but not the one.
    std::fs::copy(env!("CARGO_BIN_EXE_vonglau-engine"), &lib).unwrap();
    let (code, text) = run(&|_| ());
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("deploy/lib/fetch-chdb.sh"), "{text}");
}

#[tokio::test]
async fn a_second_process_waits_for_the_first() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut first = Running::start_in(&library, &data);
    first.text("CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a").await;
    let second = std::thread::spawn({
        let data = data.clone();
        move || Running::start_in(&library, &data)
    });
    first.text("INSERT INTO t VALUES (1)").await;
    first.child.kill().unwrap();
    drop(first);
    let second = second.join().unwrap();
    assert_eq!(second.text("SELECT a FROM t").await, "1");
}

#[tokio::test]
async fn it_stops_with_its_parent_and_on_a_signal() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for orphaned in [true, false] {
        let mut command = command(&library, &data);
        command.stderr(Stdio::piped());
        let mut running = Running::from_command(command, &data);
        running.text("CREATE TABLE IF NOT EXISTS t (a Int8) ENGINE = MergeTree ORDER BY a").await;
        if orphaned {
            drop(running.child.stdin.take());
        } else {
            let pid = running.child.id().to_string();
            assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
        }
        let placeholder = std::process::Command::new("true").spawn().unwrap();
        let (code, text) = ended(std::mem::replace(&mut running.child, placeholder));
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains("did not stop cleanly"), "{text}");
    }
}

#[tokio::test]
async fn backups_go_to_their_directory_only() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (data, backups) = (directory.path().join("data"), directory.path().join("backups"));
    std::fs::create_dir(&backups).unwrap();
    let mut command = command(&library, &data);
    command.arg("--backups").arg(&backups);
    let running = Running::from_command(command, &data);
    running.text("CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a").await;
    running.text("INSERT INTO t VALUES (7)").await;
    let inside = backups.join("one").display().to_string();
    running.text(&format!("BACKUP TABLE t TO File('{inside}')")).await;
    running.text("DROP TABLE t SYNC").await;
    running.text(&format!("RESTORE TABLE t FROM File('{inside}')")).await;
    assert_eq!(running.text("SELECT a FROM t").await, "7");
    let outside = directory.path().join("elsewhere").display().to_string();
    let answer = running.post(&[], format!("BACKUP TABLE t TO File('{outside}')")).await;
    assert_ne!(answer.status, 200);
}
