//! Guard: makes a command end with the agent, however that ends.
//!
//! A process can ask the kernel to be killed when the one that started it dies (prctl(2),
//! `PR_SET_PDEATHSIG`), but only for itself, and between fork and exec there is no safe code. So the
//! agent starts itself in between: the same program, told by its first argument to ask for the signal
//! and then to become the command. What a command starts in turn is not covered, nor is a program that
//! gains rights as it starts (set-user-ID), whose signal the kernel takes away; systemd ends both with
//! the unit.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};

/// The first argument that makes the program a guard.
pub const GUARD_ARGUMENT: &str = "--guard-a-command";

/// Exit code of a command that could not be run. Spec: POSIX shell, 2.8.2.
const CANNOT_RUN: u8 = 127;

/// Puts the guard before a command line.
pub(super) fn wrap(guarded: bool, words: Vec<OsString>) -> Vec<OsString> {
    if !guarded {
        return words;
    }
    // Not its path: the file there may have been replaced by a new version, or be gone.
    let own = OsString::from("/proc/self/exe");
    let parent = std::process::id().to_string().into();
    [own, GUARD_ARGUMENT.into(), parent].into_iter().chain(words).collect()
}

/// Becomes the command that the arguments name, if the first of them says so; else returns `None`.
/// Call it before anything else, with the arguments after the program's name. Returns an exit code
/// only when the command cannot be run.
pub fn guard(mut arguments: impl Iterator<Item = OsString>) -> Option<u8> {
    if arguments.next()? != GUARD_ARGUMENT {
        return None;
    }
    let parent = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let Some(program) = arguments.next() else { return Some(CANNOT_RUN) };
    // Should the kernel refuse, systemd still ends the command with the unit.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // The parent may have died before we asked.
    if parent.is_none() || rustix::process::getppid() != parent.and_then(Pid::from_raw) {
        return Some(CANNOT_RUN);
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("'{}' cannot be run: {error}", program.display());
    Some(CANNOT_RUN)
}
