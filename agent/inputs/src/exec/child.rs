//! Child: one run of a command, from its start to its last process.
//!
//! The command leads a process group of its own. It stays a zombie until everything that is left of
//! the group was killed: as long as it is not waited for, the kernel gives its number to nobody else,
//! so the group can be killed without hitting a stranger. What has left the group (`setsid`) is let
//! go, but nothing waits for it: a pipe that a grandchild holds open is closed after [`LINGER`].
//! Complaints about others that this avoids: Telegraf #2476 (zombies), #2526 (SIGKILL at once, and
//! orphans), #13935 (a child that holds the pipe), Wazuh #9130 (a command that hangs stops all input).

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::Plan;
use super::pipe::{Keep, Pipe};
use super::{guard, user};

/// What a command may still do after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// The same when the agent itself ends: inputs have ten seconds for all of it.
const GRACE_AT_END: Duration = Duration::from_millis(500);
/// How long the output may stay open after the command has ended.
const LINGER: Duration = Duration::from_millis(500);
/// How long the end is waited for after SIGKILL. Beyond it the process hangs in the kernel (a dead
/// NFS server), or belongs to somebody we may not kill.
const KILL_WAIT: Duration = Duration::from_secs(2);
/// How often the command is looked at though no signal told of its end: another part of the process
/// could have taken the signal.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Most bytes of error output kept, its end: what a program says last tells why it failed.
const STDERR_BYTES_MAX: usize = 2_048;
/// Where `PATH` is not set. Spec: systemd's default for services.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With exit code 0.
    Success,
    /// With another one.
    Failed(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// Ended by us: out of time.
    TimedOut,
    /// Ended by us: too much output.
    OutputLimit,
    /// It could not be started, and why.
    NotStarted(String),
    /// It was not started since somebody else could have changed it, and how.
    Refused(String),
}

impl Outcome {
    /// Returns the word for it in events.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed(_) => "failed",
            Self::Killed(_) => "killed",
            Self::TimedOut => "timed_out",
            Self::OutputLimit => "output_limit",
            Self::NotStarted(_) => "not_started",
            Self::Refused(_) => "refused",
        }
    }

    /// Whether the command came to its own end, so that its output is whole.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Success | Self::Failed(_))
    }
}

/// What a run left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) output: Vec<u8>,
    /// The end of its error output.
    pub(super) stderr: Vec<u8>,
    /// Bytes of output seen, kept or not.
    pub(super) seen: u64,
    pub(super) took: Duration,
    /// The output was still held open by something it had started.
    pub(super) left_behind: bool,
    /// It did not end although it was killed; to be waited for.
    pub(super) stuck: Option<Leader>,
}

impl Ran {
    pub(super) fn without(outcome: Outcome) -> Self {
        Self {
            outcome,
            output: Vec::new(),
            stderr: Vec::new(),
            seen: 0,
            took: Duration::ZERO,
            left_behind: false,
            stuck: None,
        }
    }
}

/// The command; when dropped, it and its group are killed.
#[derive(Debug)]
pub(super) struct Leader {
    child: Child,
    group: Option<Pid>,
}

impl Leader {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Nobody left, or nobody we may end: both show in whether it ends.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Says whether the command has ended, without waiting for it in the sense of the kernel.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error says that there is no such child any more.
        self.group.is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
    }

    /// Whether it is still there; what has ended is waited for.
    pub(super) fn is_there(&mut self) -> bool {
        let is_there = !self.has_ended();
        if !is_there {
            self.reap();
        }
        is_there
    }

    /// Ends what is left of its group, and returns how it ended once it has.
    fn reap(&mut self) -> Option<ExitStatus> {
        if !self.has_ended() {
            return None;
        }
        self.signal(Signal::KILL);
        let status = self.child.try_wait().ok().flatten();
        self.group = None;
        status
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.group.is_some() && self.reap().is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.try_wait();
        }
    }
}

/// Runs a command once; `None` when the agent ends meanwhile.
pub(super) async fn run(plan: &Plan, guarded: bool, stop: &CancellationToken) -> Option<Ran> {
    let begun = Instant::now();
    let mut told = match signal(SignalKind::child()) {
        Ok(told) => told,
        Err(error) => return Some(Ran::without(Outcome::NotStarted(error.to_string()))),
    };
    let (mut leader, output, stderr) = match start(plan, guarded) {
        Ok(started) => started,
        Err(reason) => return Some(Ran::without(Outcome::NotStarted(reason))),
    };
    let mut output = Pipe::new(output, plan.config.output_bytes_max, Keep::Start);
    let mut stderr = Pipe::new(stderr, STDERR_BYTES_MAX, Keep::End);
    let mut phase = Phase::Runs;
    let mut until = begun + plan.timeout;
    let mut verdict = None;
    let mut left_behind = false;
    loop {
        let ended = leader.has_ended();
        if ended && !output.is_open() && !stderr.is_open() {
            break;
        }
        if ended && phase != Phase::Lingers {
            (phase, until) = (Phase::Lingers, Instant::now() + LINGER);
        }
        if phase == Phase::Runs && output.is_over() {
            verdict = Some(Outcome::OutputLimit);
            leader.signal(Signal::TERM);
            (phase, until) = (Phase::Ends, Instant::now() + GRACE);
        }
        // After its time, or with enough of it, nobody wants more output; but an open pipe lets it go on.
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                leader.signal(Signal::TERM);
                end(&leader, &mut told, GRACE_AT_END).await;
                leader.signal(Signal::KILL);
                end(&leader, &mut told, GRACE_AT_END).await;
                return None;
            }
            () = tokio::time::sleep_until(until) => match phase {
                Phase::Runs => {
                    verdict = Some(Outcome::TimedOut);
                    leader.signal(Signal::TERM);
                    (phase, until) = (Phase::Ends, Instant::now() + GRACE);
                }
                Phase::Ends => {
                    leader.signal(Signal::KILL);
                    (phase, until) = (Phase::Killed, Instant::now() + KILL_WAIT);
                }
                Phase::Lingers => {
                    left_behind = true;
                    break;
                }
                Phase::Killed => break,
            },
            () = output.read(), if output.is_open() => {}
            () = stderr.read(), if stderr.is_open() => {}
            _ = told.recv(), if !ended => {}
            () = tokio::time::sleep(LOOK_INTERVAL), if !ended => {}
        }
    }
    let is_over = leader.has_ended();
    let status = leader.reap();
    let outcome = verdict.unwrap_or_else(|| match status.map(|it| (it.code(), it.signal())) {
        Some((Some(0), _)) => Outcome::Success,
        Some((Some(code), _)) => Outcome::Failed(code),
        Some((None, signal)) => Outcome::Killed(signal.unwrap_or_default()),
        None => Outcome::Killed(0),
    });
    Some(Ran {
        outcome,
        seen: output.seen(),
        output: output.into_bytes(),
        stderr: stderr.into_bytes(),
        took: begun.elapsed(),
        left_behind,
        stuck: (!is_over).then_some(leader),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Runs,
    /// It has SIGTERM.
    Ends,
    /// It has SIGKILL.
    Killed,
    /// It has ended, its output is open.
    Lingers,
}

/// Waits for the end of the command, not for ever.
async fn end(leader: &Leader, told: &mut tokio::signal::unix::Signal, span: Duration) {
    let until = Instant::now() + span;
    while !leader.has_ended() && Instant::now() < until {
        tokio::select! {
            _ = told.recv() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

fn start(plan: &Plan, guarded: bool) -> Result<(Leader, ChildStdout, ChildStderr), String> {
    let config = &plan.config;
    let words = config.command.iter().map(OsString::from);
    let mut words = guard::wrap(guarded, words.collect()).into_iter();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words).env_clear().current_dir(&config.working_dir).process_group(0);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
    if let Some(language) = std::env::var_os("LANG") {
        command.env("LANG", language);
    }
    command.envs(&config.env);
    if !config.user.is_empty() {
        let (user, group) = user::resolve(&config.user)?;
        // As root, this also takes the other groups away.
        command.uid(user).gid(group);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("'{}' cannot be run: {error}", config.command[0]))?;
    let pipes = (child.stdout.take(), child.stderr.take());
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let leader = Leader { child, group };
    let (Some(output), Some(stderr)) = pipes else { return Err("it has no output".to_owned()) };
    let failed = |error: std::io::Error| format!("its output cannot be read: {error}");
    let output = ChildStdout::from_std(output).map_err(failed)?;
    let stderr = ChildStderr::from_std(stderr).map_err(failed)?;
    Ok((leader, output, stderr))
}
