//! Process: one of our programs, started, watched and killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context, Result};

use crate::PATIENCE;

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its first line on standard output.
    pub ready: serde_json::Value,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose first line of output is a JSON object, and waits for that line.
    ///
    /// # Errors
    /// If it cannot be started, ends before it is ready, or takes too long; with the end of its log.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let mut process = Self::spawn(command, log)?;
        let output = process.child.stdout.take().context("no standard output")?;
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            let _ = send.send(lines.next());
            // Read on, so that the program never blocks on a full pipe.
            lines.for_each(drop);
        });
        let first = receive.recv_timeout(PATIENCE).map_err(|_| process.failure("not ready"))?;
        let Some(Ok(line)) = first else {
            return Err(process.failure("ended before it was ready"));
        };
        process.ready = serde_json::from_str(&line)
            .map_err(|_| process.failure(&format!("said '{line}', not a JSON object")))?;
        Ok(process)
    }

    /// Starts a program without waiting for anything.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, ready: serde_json::Value::Null, log: log.to_owned() })
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does and waits until it is gone.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits; returns its exit code.
    ///
    /// # Errors
    /// If it does not stop in time.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        signal(self.id(), "TERM")?;
        let status = crate::wait_for("the process stops", || Ok(self.child.try_wait()?))?;
        Ok(status.code())
    }

    /// Returns the exit code if it has ended by itself.
    ///
    /// # Errors
    /// If the operating system cannot say.
    pub fn ended(&mut self) -> Result<Option<Option<i32>>> {
        Ok(self.child.try_wait()?.map(|status| status.code()))
    }

    /// Returns everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the live child of this process whose program is `name`.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn child(&self, name: &str) -> Result<Option<u32>> {
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            let Ok(stat) = std::fs::read_to_string(path.join("stat")) else { continue };
            // `pid (name) state ppid …`; the name is cut to 15 bytes.
            let Some((head, tail)) = stat.rsplit_once(')') else { continue };
            let Some((pid, comm)) = head.split_once(" (") else { continue };
            let parent = tail.split_whitespace().nth(1);
            if parent == Some(&self.id().to_string()) && comm == &name[..name.len().min(15)] {
                return Ok(pid.parse().ok());
            }
        }
        Ok(None)
    }

    fn failure(&mut self, what: &str) -> anyhow::Error {
        let status = self.child.try_wait();
        let log = self.log();
        let from = log.len().saturating_sub(4_000);
        anyhow::anyhow!("{what} ({status:?}):\n{}", log.get(from..).unwrap_or(&log))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, such as `KILL`, `TERM` or `HUP`.
///
/// # Errors
/// If there is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let done = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status()?;
    anyhow::ensure!(done.success(), "kill -{name} {pid} failed");
    Ok(())
}

/// Returns a Prometheus metric of the process listening at `address`, summed over labels.
///
/// # Errors
/// If it cannot be read.
pub fn metric(address: &str, name: &str) -> Result<f64> {
    let text = get(address, "/metrics")?;
    let sum = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    Ok(sum)
}

/// Returns the body of a plain `GET`.
///
/// # Errors
/// If there is no answer.
pub fn get(address: &str, path: &str) -> Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
