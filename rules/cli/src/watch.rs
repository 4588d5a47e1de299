//! `watch`: checks and tests again whenever a file is saved.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context as _;
use notify::{EventKind, RecursiveMode, Watcher};
use rules_service::exit::Exit;

use crate::args::{TestArgs, TestFormat, WatchArgs};
use crate::paint::Paint;
use crate::target::Target;
use crate::{cases, check};

/// Editors write a file in several steps; what comes within this time is one change.
const QUIET_TIME: Duration = Duration::from_millis(150);
/// However busy the folder, results are shown after this many steps.
const STEPS_MAX: usize = 10_000;

/// What wakes the loop.
enum Wake {
    /// A rule or case file was touched.
    Changed(Vec<PathBuf>),
    /// The watcher lost track, or a folder came or went: look at everything.
    Anything,
    /// Ctrl-C or SIGTERM.
    Stop,
}

pub(crate) fn run(args: &WatchArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (wake, woken) = channel();
    let seen = wake.clone();
    // Watches before the first look, so that no change falls between.
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let wake = match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            Ok(event) if event.need_rescan() || event.paths.is_empty() => Wake::Anything,
            Ok(event) => Wake::Changed(event.paths),
            Err(_) => Wake::Anything,
        };
        // Nobody listens any more once the loop has ended.
        drop(seen.send(wake));
    })
    .context("cannot watch files")?;
    for path in &args.paths {
        // Editors replace a file by another one, so its folder is watched.
        let (folder, mode) = match path.parent() {
            _ if path.is_dir() => (path.as_path(), RecursiveMode::Recursive),
            Some(parent) if !parent.as_os_str().is_empty() => (parent, RecursiveMode::NonRecursive),
            _ => (Path::new("."), RecursiveMode::NonRecursive),
        };
        let named = || format!("cannot watch {}", path.display());
        std::fs::metadata(path).with_context(named)?;
        watcher.watch(folder, mode).with_context(named)?;
    }
    stop_on_signals(wake)?;
    let screen = std::io::stdout().is_terminal();
    loop {
        if screen {
            // Clears what is visible and keeps what was scrolled away.
            write!(out, "\x1b[2J\x1b[H")?;
        }
        look(args, paint, out)?;
        writeln!(out, "watching; Ctrl-C ends")?;
        out.flush()?;
        if !changed(&woken) {
            return Ok(Exit::Done);
        }
    }
}

/// Checks and tests once. What fails is shown and watched on.
fn look(args: &WatchArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<()> {
    let target = match Target::load_beside(&args.paths) {
        Ok(target) => target,
        Err(error) => return Ok(writeln!(out, "{}", paint.bad(&format!("{error:#}")))?),
    };
    check::text(&target, paint, out)?;
    let test = TestArgs {
        paths: args.paths.clone(),
        format: TestFormat::Text,
        names: Vec::new(),
        allow_missing: false,
    };
    if let Err(error) = cases::run_quietly(&test, paint, out) {
        writeln!(out, "{}", paint.bad(&format!("{error:#}")))?;
    }
    Ok(())
}

/// Waits for a change and for the quiet after it; `false` to stop.
fn changed(woken: &Receiver<Wake>) -> bool {
    loop {
        match woken.recv() {
            Ok(Wake::Changed(paths)) if !paths.iter().any(|path| is_ours(path)) => {}
            Ok(Wake::Changed(_) | Wake::Anything) => break,
            Ok(Wake::Stop) | Err(_) => return false,
        }
    }
    for _ in 0..STEPS_MAX {
        match woken.recv_timeout(QUIET_TIME) {
            Ok(Wake::Changed(_) | Wake::Anything) => {}
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    true
}

/// Rule and case files, and folders, which have no ending.
fn is_ours(path: &Path) -> bool {
    path.extension().is_none_or(|ending| ending == "yml" || ending == "yaml")
}

/// Wakes the loop on Ctrl-C and SIGTERM. A second one ends the process at once.
fn stop_on_signals(wake: std::sync::mpsc::Sender<Wake>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = runtime.block_on(async { rules_service::shutdown::on_signals() })?;
    std::thread::spawn(move || {
        runtime.block_on(stop.cancelled());
        drop(wake.send(Wake::Stop));
        // Goes on listening for the second signal.
        runtime.block_on(std::future::pending::<()>());
    });
    Ok(())
}
