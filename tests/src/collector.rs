//! A collector under test: its folder, its configuration, its process, and the analyst at its API.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::Process;

/// A collector with a folder of its own; started and killed at will.
#[derive(Debug)]
pub struct Collector {
    dir: PathBuf,
    /// `run` (Kafka) or `standalone`.
    verb: &'static str,
    /// The running process, if any.
    pub process: Option<Process>,
    token: Option<String>,
    correlation: bool,
}

/// What a collector is told to do.
#[derive(Debug, Clone, Default)]
pub struct CollectorSetup {
    /// Broker; empty means standalone.
    pub kafka: String,
    /// Public keys trusted from the start.
    pub trusted: Vec<String>,
    /// Standalone: files or globs its agent watches.
    pub watch: Vec<String>,
    /// TAXII server of the centre; empty means none.
    pub taxii: String,
    /// Password for the TAXII user `soc`.
    pub taxii_password: String,
    /// Standalone: whether its agent correlates as well. Its alerts come on top of the lines.
    pub correlation: bool,
}

impl Collector {
    /// Writes a collector's configuration into `dir`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn new(dir: &Path, setup: &CollectorSetup) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut text =
            format!("state_dir = {:?}\n[api]\nlisten = \"127.0.0.1:0\"\n", dir.join("state"));
        text.push_str(&format!(
            "[agents]\ntrusted_keys = {}\n",
            serde_json::to_string(&setup.trusted)?
        ));
        if !setup.kafka.is_empty() {
            text.push_str(&format!("[kafka]\nbootstrap = \"{}\"\n", setup.kafka));
        } else {
            text.push_str(&format!(
                "[standalone]\nwatch = {}\nhost_logs = false\nhost_name = \"portal01\"\ntimezone = \"UTC\"\nmetrics = false\n",
                serde_json::to_string(&setup.watch)?
            ));
        }
        if !setup.taxii.is_empty() {
            std::fs::write(dir.join("taxii-password"), &setup.taxii_password)?;
            text.push_str(&format!(
                "[forward.reporter]\nname = \"Test province\"\norgan_id = \"000.00.00.H99\"\n\
                 [forward.taxii]\nurl = \"{}\"\ncollection = \"{}\"\nuser = \"soc\"\npassword_file = {:?}\n",
                setup.taxii,
                crate::servers::COLLECTION,
                dir.join("taxii-password")
            ));
        }
        std::fs::write(dir.join("collector.toml"), text)?;
        let verb = if setup.kafka.is_empty() { "standalone" } else { "run" };
        Ok(Self {
            dir: dir.to_owned(),
            verb,
            process: None,
            token: None,
            correlation: setup.correlation,
        })
    }

    /// Returns a command of the collector's program with its configuration.
    ///
    /// # Errors
    /// If the program is not built.
    pub fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(crate::program("vonglau-collector")?);
        command.args(verb.split(' ')).arg("--config").arg(self.dir.join("collector.toml"));
        // For the agent that standalone starts; see there.
        command.env("VONGLAU_AGENT__EVIDENCE__EVENTS", "false");
        command.env("VONGLAU_AGENT__CORRELATION__ENABLED", self.correlation.to_string());
        Ok(command)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// With the end of its log, if it does not become ready.
    pub fn start(&mut self) -> Result<()> {
        let mut command = self.command(self.verb)?;
        self.process = Some(Process::start(&mut command, &self.dir.join("collector.log"))?);
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

    /// Returns its log so far (standalone: also its children's).
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("collector.log")).unwrap_or_default()
    }

    /// Returns its state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Returns `http://127.0.0.1:PORT`.
    ///
    /// # Errors
    /// If it is not running.
    pub fn url(&self) -> Result<String> {
        let process = self.process.as_ref().context("the collector is not running")?;
        let address = process.ready["api"].as_str().context("no api address")?;
        Ok(format!("http://{address}"))
    }

    /// Runs `vonglau` as the admin and returns what it prints with `--json`.
    ///
    /// # Errors
    /// If it fails, with what it says.
    pub fn vonglau(&mut self, args: &[&str]) -> Result<Value> {
        let token = self.admin_token()?;
        self.vonglau_as(&token, args)
    }

    /// Runs `vonglau-rules hunt` against this collector as the admin and returns its JSON answer.
    ///
    /// # Errors
    /// If it fails, with what it says.
    pub fn hunt(&mut self, args: &[&str]) -> Result<Value> {
        let token = self.admin_token()?;
        let output = Command::new(crate::program("vonglau-rules")?)
            .args(["hunt", "--format", "json", "--url", &self.url()?])
            .args(args)
            .env("VONGLAU_TOKEN", token)
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "vonglau-rules hunt {args:?}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("the answer of a hunt is JSON")
    }

    fn admin_token(&mut self) -> Result<String> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let password = std::fs::read_to_string(self.state().join("admin-password"))?;
        let token = self.login("admin", password.trim())?;
        Ok(self.token.insert(token).clone())
    }

    /// Logs in and returns a bearer token.
    ///
    /// # Errors
    /// If name or password is wrong.
    pub fn login(&self, name: &str, password: &str) -> Result<String> {
        let url = format!("{}/api/v1/login", self.url()?);
        let body = serde_json::json!({"name": name, "password": password});
        let answer = block_on(async {
            let answer = reqwest::Client::new().post(url).json(&body).send().await?;
            anyhow::Ok((answer.status(), answer.text().await?))
        })?;
        anyhow::ensure!(answer.0.is_success(), "login: {} {}", answer.0, answer.1);
        let said: Value = serde_json::from_str(&answer.1)?;
        Ok(said["token"].as_str().context("no token")?.to_owned())
    }

    /// Runs `vonglau` with a token and returns what it prints with `--json`.
    ///
    /// # Errors
    /// If it fails, with what it says.
    pub fn vonglau_as(&self, token: &str, args: &[&str]) -> Result<Value> {
        let output = Command::new(crate::program("vonglau")?)
            .args(args)
            .arg("--json")
            .env("VONGLAU_SERVER", self.url()?)
            .env("VONGLAU_TOKEN", token)
            .env("HOME", &self.dir)
            .output()?;
        // Exit code 1 is an answer too: problems found.
        anyhow::ensure!(
            matches!(output.status.code(), Some(0 | 1)),
            "vonglau {args:?}: {} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("vonglau {args:?} said {:?}", String::from_utf8_lossy(&output.stdout))
        })
    }

    /// Makes a user and returns a token of theirs.
    ///
    /// # Errors
    /// If the program fails.
    pub fn user(&self, name: &str, role: &str) -> Result<String> {
        let file = self.dir.join(format!("password-{name}"));
        std::fs::write(&file, "a long enough pass phrase")?;
        let output = self
            .command("user add")?
            .args([name, "--role", role, "--password-file"])
            .arg(&file)
            .output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.login(name, "a long enough pass phrase")
    }
}

/// Runs a future to its end.
///
/// # Panics
/// If the runtime cannot start.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
