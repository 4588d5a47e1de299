//! Real servers: Apache Kafka and the TAXII 2.1 server medallion.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Process;

/// Returns a port of 127.0.0.1 that is free now.
///
/// # Errors
/// If none is.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn listening(port: u16) -> bool {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// A broker of our own, for tests that stop it and start it again.
#[derive(Debug)]
pub struct Kafka {
    libs: String,
    dir: std::path::PathBuf,
    port: u16,
    process: Option<Process>,
    creates_topics: bool,
}

impl Kafka {
    /// Prepares a broker with its data in `dir`; [`Self::start`] starts it.
    ///
    /// # Errors
    /// If no pair of ports is free.
    pub fn new(libs: &str, dir: &Path) -> Result<Self> {
        let output =
            Command::new(crate::root().join("tests/lib/kafka.sh")).arg("free-port").output()?;
        let port = String::from_utf8(output.stdout)?.trim().parse().context("no free port")?;
        let (libs, dir) = (libs.to_owned(), dir.to_owned());
        Ok(Self { libs, dir, port, process: None, creates_topics: false })
    }

    /// Lets producers make their topics, as no collector is there to do it.
    #[must_use]
    pub fn creating_topics(self) -> Self {
        Self { creates_topics: true, ..self }
    }

    /// Returns `host:port`, the same over restarts.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the broker and waits until it accepts connections.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(&mut self) -> Result<()> {
        let script = crate::root().join("tests/lib/kafka.sh");
        let mut command = Command::new(script);
        command.arg("run").arg(&self.libs).arg(&self.dir).arg(self.port.to_string());
        command.env("KAFKA_AUTO_CREATE", self.creates_topics.to_string());
        std::fs::create_dir_all(&self.dir)?;
        self.process = Some(Process::spawn(&mut command, &self.dir.join("broker.log"))?);
        crate::wait_for("Kafka listens", || Ok(listening(self.port).then_some(())))
    }

    /// Asks the broker to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// If it does not stop in time.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.stop().map(drop))
    }

    /// Kills the broker.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }
}

/// The TAXII server, with one API root, one writable collection and one user.
#[derive(Debug)]
pub struct Medallion {
    _process: Process,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

/// The collection that may be written to.
pub const COLLECTION: &str = "91a7b528-80eb-42ed-a74d-c6fbd5a26116";

impl Medallion {
    /// Starts medallion (`program` is its executable) with user `soc`, password `secret`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(program: &str, dir: &Path) -> Result<Self> {
        let port = free_port()?;
        let data = serde_json::json!({
            "/discovery": {"title": "test centre", "contact": "test", "default": format!("http://127.0.0.1:{port}/centre/"), "api_roots": [format!("http://127.0.0.1:{port}/centre/")]},
            "centre": {
                "information": {"title": "centre", "versions": ["application/taxii+json;version=2.1"], "max_content_length": 9_765_625},
                "status": [],
                "collections": [{
                    "id": COLLECTION, "title": "incidents", "can_read": true, "can_write": true,
                    "media_types": ["application/stix+json;version=2.1"],
                    "manifest": [], "objects": [], "responses": []
                }]
            }
        });
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("data.json"), data.to_string())?;
        let config = serde_json::json!({
            "backend": {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend",
                        "filename": dir.join("data.json")},
            "users": {"soc": "secret"},
            "taxii": {"max_page_size": 100}
        });
        std::fs::write(dir.join("config.json"), config.to_string())?;
        let mut command = Command::new(program);
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(dir.join("config.json"));
        let process = Process::spawn(&mut command, &dir.join("medallion.log"))?;
        crate::wait_for("medallion listens", || Ok(listening(port).then_some(())))?;
        Ok(Self { _process: process, url: format!("http://127.0.0.1:{port}") })
    }
}
