//! `watch`: looks again when a file is saved, and ends on Ctrl-C.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::{RULE, check, run};

/// A look that has not come after this long will not come.
const PATIENCE: Duration = Duration::from_secs(60);

struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(folder: &Path, path: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vonglau-rules"))
            .current_dir(folder)
            .args(["watch", path])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Self { child, lines }
    }

    /// Returns what one look prints.
    #[track_caller]
    fn look(&self) -> String {
        let mut text = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a look ends");
            if line.starts_with("watching") {
                return text;
            }
            text += &(line + "\n");
        }
    }

    /// Looks on until a look says this.
    #[track_caller]
    fn until(&self, part: &str) {
        while !self.look().contains(part) {}
    }

    #[track_caller]
    fn interrupt(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        drop(self.child.kill());
    }
}

#[test]
fn what_is_saved_is_looked_at_until_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.yml");
    fs::write(&path, RULE).unwrap();
    let watch = Watch::start(folder.path(), ".");
    let first = watch.look();
    assert!(first.contains("1 rules and 0 correlations loaded: 0 errors"), "{first}");
    assert!(first.contains("1 rules tested: 0 failed, 1 without cases"), "{first}");
    assert!(!first.contains('\x1b'), "no screen to clear: {first:?}");
    fs::write(&path, RULE.replace("user.name:", "user.name|contians:")).unwrap();
    watch.until("error[R012]");
    // As editors save: a new file in place of the old one.
    fs::write(folder.path().join("root.yml~new"), RULE).unwrap();
    fs::rename(folder.path().join("root.yml~new"), &path).unwrap();
    watch.until("0 errors");
    let event = "{event.dataset: system.auth, process.name: sshd, user.name: root}";
    let cases = format!("matches:\n  - event: {event}\n");
    fs::write(folder.path().join("root.case.yml"), cases).unwrap();
    watch.until("0 failed, 0 without cases, 0 broken");
    watch.interrupt();
}

#[test]
fn one_file_is_watched_and_a_missing_one_is_misuse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.yml");
    fs::write(&path, RULE).unwrap();
    let watch = Watch::start(folder.path(), "root.yml");
    watch.until("1 rules and 0 correlations");
    fs::remove_file(&path).unwrap();
    watch.until("cannot read rules from root.yml");
    fs::write(&path, RULE).unwrap();
    watch.until("1 rules and 0 correlations");
    watch.interrupt();
    check(&run(folder.path(), &["watch", "gone.yml"]), 2, &["cannot watch gone.yml"]);
}
