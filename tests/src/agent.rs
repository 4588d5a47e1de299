//! An agent under test: its folder, its configuration, its process.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::Process;

/// An agent with a folder of its own; started and killed at will.
#[derive(Debug)]
pub struct Agent {
    dir: PathBuf,
    /// The running process, if any.
    pub process: Option<Process>,
    /// What its programs find in their environment, beyond ours.
    pub environment: Vec<(String, String)>,
    correlation: bool,
}

/// What an agent is told to do.
#[derive(Debug, Clone, Default)]
pub struct AgentSetup {
    /// Log files or globs to watch.
    pub paths: Vec<String>,
    /// Further lines for the group of these files.
    pub files: String,
    /// Broker; empty means spool only.
    pub kafka: String,
    /// Further lines of TOML, such as a whole section.
    pub extra: String,
    /// Lines for the `[spool]` section.
    pub spool: String,
    /// Whether it correlates, as it does by default. Its alerts come on top of the lines.
    pub correlation: bool,
}

impl Agent {
    /// Writes an agent's configuration into `dir`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn new(dir: &Path, setup: &AgentSetup) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let paths = serde_json::to_string(&setup.paths)?;
        let kafka = if setup.kafka.is_empty() {
            String::new()
        } else {
            format!("[kafka]\nbootstrap = \"{}\"\n", setup.kafka)
        };
        let text = format!(
            "state_dir = {state:?}\n\
             [host]\nname = \"portal01\"\norganization = \"000.00.00.H99\"\ntimezone = \"UTC\"\n\
             [[input.files]]\npaths = {paths}\nstart = \"beginning\"\n{files}\n\
             [input.journal]\nenabled = \"no\"\n\
             [input.host]\nenabled = false\n\
             [spool]\nseal_interval_ms = 100\n{spool}\n{kafka}\
             [heartbeat]\ninterval_s = 1\n\
             [metrics]\nlisten = \"127.0.0.1:0\"\n{extra}\n",
            state = dir.join("state"),
            files = setup.files,
            spool = setup.spool,
            extra = setup.extra,
        );
        std::fs::write(dir.join("agent.toml"), text)?;
        let (dir, correlation) = (dir.to_owned(), setup.correlation);
        Ok(Self { dir, process: None, environment: Vec::new(), correlation })
    }

    /// Returns the folder of the spool.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.dir.join("state/spool")
    }

    /// Returns a command of the agent's program with its configuration.
    ///
    /// # Errors
    /// If the program is not built.
    pub fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(crate::program("vonglau-agent")?);
        command.arg(verb).arg("--config").arg(self.dir.join("agent.toml"));
        // Tests count lines; what the agent says of itself would come on top of them, and so would alerts
        // of its own.
        command.env("VONGLAU_AGENT__EVIDENCE__EVENTS", "false");
        command.env("VONGLAU_AGENT__CORRELATION__ENABLED", self.correlation.to_string());
        command.envs(self.environment.iter().cloned());
        Ok(command)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// With the end of its log, if it does not become ready.
    pub fn start(&mut self) -> Result<()> {
        self.process =
            Some(Process::start(&mut self.command("run")?, &self.dir.join("agent.log"))?);
        Ok(())
    }

    /// Kills it as `kill -9` does and starts it again.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn kill_and_restart(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        self.start()
    }

    /// Returns where its log is.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("agent.log")
    }

    /// Returns its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Returns its public key, 64 hexadecimal digits.
    ///
    /// # Errors
    /// If the program fails.
    pub fn public_key(&self) -> Result<String> {
        let output = self.command("identity")?.arg("--json").output()?;
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).with_context(|| {
                format!(
                    "agent identity said {:?} {:?}",
                    output.stdout,
                    String::from_utf8_lossy(&output.stderr)
                )
            })?;
        Ok(said["public_key"].as_str().context("no public_key")?.to_owned())
    }

    /// Returns the value of one of its metrics, summed over labels; 0 when absent.
    ///
    /// # Errors
    /// If the metrics cannot be read.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let process = self.process.as_ref().context("the agent is not running")?;
        let address = process.ready["metrics"].as_str().context("no metrics address")?;
        crate::process::metric(address, name)
    }
}
