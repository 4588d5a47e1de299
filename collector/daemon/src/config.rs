//! The collector's configuration file, checked and resolved before anything starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use collector_console::ConsoleConfig;
use collector_forward::ForwardConfig;
use collector_ingest::KafkaConfig;
use serde::{Deserialize, Serialize};

/// The whole file. Every section may be left out; `state_dir` may not.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where SQLite, the engine's data and secrets live.
    pub state_dir: PathBuf,
    /// Legal deadlines; by default the built-in `deploy/policy/vn-2026.toml`.
    #[serde(default)]
    pub policy: Option<PathBuf>,
    #[serde(default)]
    pub api: Api,
    /// The broker; needed by `run`, not used by `standalone`.
    #[serde(default)]
    pub kafka: Option<KafkaConfig>,
    #[serde(default)]
    pub clickhouse: ClickHouse,
    #[serde(default)]
    pub engine: Engine,
    #[serde(default)]
    pub rules: Rules,
    #[serde(default)]
    pub agents: Agents,
    /// Reporting to the national centre.
    #[serde(default)]
    pub forward: ForwardConfig,
    #[serde(default)]
    pub standalone: Standalone,
}

/// Where analysts and scripts reach the collector.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// Address of API, pages, `/metrics` and `/healthz`. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The origin people type, such as `https://soc.tinh.gov.vn`; forms are taken from it alone.
    /// Empty: from the host that the request itself names.
    pub public_origin: String,
    /// True when browsers reach us over TLS (a proxy's): cookies are then `Secure`.
    pub secure: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
}

impl Api {
    /// Returns how the console behaves when it listens on `address`.
    pub(crate) fn console(&self, address: std::net::IpAddr) -> ConsoleConfig {
        ConsoleConfig {
            public_origin: Some(self.public_origin.clone()).filter(|origin| !origin.is_empty()),
            secure: self.secure,
            open_metrics: address.is_loopback(),
            trusted_proxies: self.trusted_proxies.clone(),
            ..ConsoleConfig::default()
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            public_origin: String::new(),
            secure: false,
            trusted_proxies: Vec::new(),
        }
    }
}

/// A real ClickHouse server or cluster. Without `url` the embedded engine is used.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClickHouse {
    /// `http://host:8123` or `https://…`.
    pub url: String,
    /// User name; empty means `default`.
    pub user: String,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    /// Database; empty means `vonglau`.
    pub database: String,
}

/// The embedded ClickHouse.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Engine {
    /// `libchdb.so`; see `deploy/lib/fetch-chdb.sh`.
    pub library: Option<PathBuf>,
    /// `vonglau-engine`; by default the one beside this program.
    pub binary: Option<PathBuf>,
}

/// Detection rules.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// Whether the shipped pack is used.
    pub builtin: bool,
    /// Further directories of Sigma rules.
    pub dirs: Vec<PathBuf>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { builtin: true, dirs: Vec::new() }
    }
}

/// Which agents are trusted from the start; all others by `vonglau agents trust KEY`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Agents {
    /// Public keys, 64 hexadecimal digits each.
    pub trusted_keys: Vec<String>,
}

/// What the agent of standalone mode watches.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Standalone {
    /// Further files or globs.
    pub watch: Vec<String>,
    /// Whether this host's usual logs and journal are watched.
    pub host_logs: bool,
    /// Whether host metrics are sampled.
    pub metrics: bool,
    /// Name of the host; empty means what the system says.
    pub host_name: String,
    /// Zone of log lines that do not name one; empty means the system's.
    pub timezone: String,
    /// Organisation code (mã định danh) of the agency.
    pub organization: String,
    /// Id of the information system the host belongs to.
    pub system: String,
    /// Most bytes the spool may hold; 0 means the agent's default.
    pub spool_bytes_max: u64,
}

impl Default for Standalone {
    fn default() -> Self {
        Self {
            watch: Vec::new(),
            host_logs: true,
            metrics: true,
            host_name: String::new(),
            timezone: String::new(),
            organization: String::new(),
            system: String::new(),
            spool_bytes_max: 0,
        }
    }
}

/// Environment variables that overrule the file, so that a test or a unit file needs no second one.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Listen here instead of `api.listen`.
    #[arg(long, env = "VONGLAU_API_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Use this ClickHouse server instead of the embedded engine.
    #[arg(long, env = "CLICKHOUSE_URL")]
    pub clickhouse_url: Option<String>,
    /// The embedded engine's library.
    #[arg(long, env = "VONGLAU_CHDB_LIB")]
    pub engine_library: Option<PathBuf>,
}

impl Config {
    /// Returns a configuration with only its state directory set.
    pub(crate) fn in_dir(state_dir: PathBuf) -> Self {
        Self {
            state_dir,
            api: Api::default(),
            kafka: None,
            clickhouse: ClickHouse::default(),
            engine: Engine::default(),
            rules: Rules::default(),
            agents: Agents::default(),
            forward: ForwardConfig::default(),
            policy: None,
            standalone: Standalone::default(),
        }
    }

    /// Returns the configuration with the secrets that librdkafka settings may hold covered.
    pub(crate) fn masked(mut self) -> Self {
        for (name, value) in self.kafka.iter_mut().flat_map(|kafka| &mut kafka.properties) {
            if ["password", "secret", "jaas", "pem", "oauthbearer"]
                .iter()
                .any(|word| name.contains(word))
            {
                "***".clone_into(value);
            }
        }
        self
    }

    /// Applies flags and environment on top of the file.
    pub(crate) fn overrule(&mut self, overrides: &Overrides) {
        if let Some(listen) = overrides.listen {
            self.api.listen = listen;
        }
        if let Some(url) = &overrides.clickhouse_url {
            self.clickhouse.url.clone_from(url);
        }
        if let Some(library) = &overrides.engine_library {
            self.engine.library = Some(library.clone());
        }
    }

    /// Returns the path of a file in the state directory.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.state_dir.join(name)
    }
}

/// Returns the program `name` that stands beside this one, as installed together.
pub(crate) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    anyhow::ensure!(path.is_file(), "{} is missing beside {}", path.display(), own.display());
    Ok(path)
}

/// Makes a folder that only we may enter: it will hold copies of logs, and secrets. One that is
/// there keeps its mode.
pub(crate) fn create_private(path: &Path) -> anyhow::Result<()> {
    use anyhow::Context;
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}
