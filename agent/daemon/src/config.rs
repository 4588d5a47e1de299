//! Config: the agent's configuration file, checked.

mod correlation;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use agent_inputs::InputsConfig;
use agent_pipeline::Rates;
use agent_pipeline::{RedactionConfig, Redactor};
use agent_shipper::{ShipperConfig, ShippingConfig};
use rules_service::config::{Environment, Origins, path_of};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub(crate) use correlation::{CorrelationSection, Enabled, Scope};

const MIB: u64 = 1024 * 1024;
/// Half of it must hold the largest round: two batches of a lane, the positions of every file.
const SPOOL_BYTES_MIN: u64 = 16 * MIB;
/// Seconds' worth of events that may come at once before the whole agent's limit begins, as the
/// default of an input.
const BURST_S: u64 = 10;
/// The one table whose names hold dots.
const PROPERTIES: &str = "kafka.properties";

/// The whole file. Every section and key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where the agent keeps its key and its spool.
    pub(crate) state_dir: PathBuf,
    pub(crate) host: HostSection,
    pub(crate) input: InputsConfig,
    pub(crate) rules: RulesSection,
    pub(crate) correlation: CorrelationSection,
    pub(crate) pipeline: PipelineSection,
    pub(crate) redaction: RedactionConfig,
    pub(crate) spool: SpoolSection,
    pub(crate) kafka: ShipperConfig,
    pub(crate) shipping: ShippingConfig,
    pub(crate) heartbeat: HeartbeatSection,
    pub(crate) metrics: MetricsSection,
    pub(crate) limits: LimitsSection,
    pub(crate) evidence: EvidenceSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/vonglau-agent"),
            host: HostSection::default(),
            input: InputsConfig::default(),
            rules: RulesSection::default(),
            correlation: CorrelationSection::default(),
            pipeline: PipelineSection::default(),
            redaction: RedactionConfig::default(),
            spool: SpoolSection::default(),
            kafka: ShipperConfig::default(),
            shipping: ShippingConfig::default(),
            heartbeat: HeartbeatSection::default(),
            metrics: MetricsSection::default(),
            limits: LimitsSection::default(),
            evidence: EvidenceSection::default(),
        }
    }
}

/// Facts of the host that every event carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HostSection {
    /// `host.name`; empty: what the kernel calls the host.
    pub(crate) name: String,
    /// Organisation code of the agency (mã định danh), `organization.id`; empty: none.
    pub(crate) organization: String,
    /// The information system (hệ thống thông tin) the host belongs to, `vonglau.system.id`: its id in
    /// the register; empty: none. Inputs may name another.
    pub(crate) system: String,
    /// Zone of times written without one, such as `Asia/Ho_Chi_Minh` or `+07:00`; empty: the host's.
    pub(crate) timezone: String,
}

/// Which rules are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RulesSection {
    /// Whether the shipped rules are used.
    pub(crate) builtin: bool,
    /// Folders with further rules.
    pub(crate) dirs: Vec<PathBuf>,
}

impl Default for RulesSection {
    fn default() -> Self {
        Self { builtin: true, dirs: Vec::new() }
    }
}

/// How records become events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PipelineSection {
    /// Threads that decode, detect and compress (default 2, 1 to 16). More are of use only while a
    /// backlog is read; each takes some 4 MiB then.
    pub(crate) workers: usize,
}

impl Default for PipelineSection {
    fn default() -> Self {
        Self { workers: 2 }
    }
}

/// Bounds of the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SpoolSection {
    /// Most bytes held for a receiver that is away (default 1 GiB: about 20 million log lines).
    pub(crate) bytes_max: u64,
    /// Size of one file (default 16 MiB); what is acknowledged is freed in such pieces.
    pub(crate) segment_bytes_max: u64,
    /// Free bytes that are left to others (default 512 MiB).
    pub(crate) free_bytes_min: u64,
    /// How long an event waits for company, milliseconds (default 500, 10 to 60000).
    pub(crate) seal_interval_ms: u64,
}

impl Default for SpoolSection {
    fn default() -> Self {
        Self {
            bytes_max: 1024 * MIB,
            segment_bytes_max: 16 * MIB,
            free_bytes_min: 512 * MIB,
            seal_interval_ms: 500,
        }
    }
}

/// Signs of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeartbeatSection {
    /// Time between two, seconds (default 15, 1 to 3600).
    pub(crate) interval_s: u64,
}

impl Default for HeartbeatSection {
    fn default() -> Self {
        Self { interval_s: 15 }
    }
}

/// The metrics page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsSection {
    /// Address of `/metrics` and `/healthz`; port 0 takes any free one.
    pub(crate) listen: std::net::SocketAddr,
}

impl Default for MetricsSection {
    fn default() -> Self {
        Self { listen: std::net::SocketAddr::from(([127, 0, 0, 1], 9465)) }
    }
}

/// What the agent may take of the host. Bounds of its control group are kept as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    /// Most resident memory, bytes (default 96 MiB, 32 MiB to 4 GiB). From 90 % on measurements of the
    /// host are not kept; at it inputs wait; after a minute at it the agent stops with an error, for
    /// systemd to start it anew: nothing is lost by that.
    pub(crate) memory_bytes_max: u64,
    /// Most processor time, percent of one processor (default 0, no bound; 5 to 6400). Inputs wait
    /// whenever more was used: logs are read later, none is lost.
    pub(crate) cpu_pct_max: u64,
    /// Most open descriptors (default 1024, 64 to 65536; the hard limit of the process bounds it).
    pub(crate) open_files_max: u64,
    /// From so many events a second on, all inputs together, those that no rule hit are thinned out
    /// (default 0: no bound; at most 10000000). What is read of a backlog does not count.
    pub(crate) events_per_s_max: u64,
    /// The same by bytes of records as read (default 0: no bound; else 1024 to 1 TiB).
    pub(crate) bytes_per_s_max: u64,
}

impl LimitsSection {
    /// What the whole agent may keep a second.
    pub(crate) fn rates(&self) -> Rates {
        Rates {
            events_per_s: self.events_per_s_max,
            bytes_per_s: self.bytes_per_s_max,
            burst_s: BURST_S,
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            memory_bytes_max: 96 * MIB,
            cpu_pct_max: 0,
            open_files_max: 1_024,
            events_per_s_max: 0,
            bytes_per_s_max: 0,
        }
    }
}

/// What the agent watches to show that somebody tampers with it or with logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvidenceSection {
    /// Whether what happens to the agent itself becomes events (default true). Without them it is
    /// only logged: for tests that count events, and nothing else.
    pub(crate) events: bool,
    /// A log that used to grow is called silent after so many seconds at least, and after four times
    /// its longest pause so far (default 3600, 60 to 604800; 0: never).
    pub(crate) silent_after_s: u64,
}

impl Default for EvidenceSection {
    fn default() -> Self {
        Self { events: true, silent_after_s: 3_600 }
    }
}

/// Where a configuration is read from, again at every reload.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    environment: Environment,
}

impl Source {
    /// A file, and the environment of this process over it.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, environment: Environment::of_process("VONGLAU_AGENT", &[PROPERTIES]) }
    }

    /// Reads and checks; returns also where each value came from.
    pub(crate) fn load(&self) -> Result<(Config, Origins)> {
        let (config, origins): (Config, _) =
            rules_service::config::load_over(&self.path, &self.environment)?;
        match config.check() {
            Ok(()) => Ok((config, origins)),
            // A bound is broken by one key, whose place is known.
            Err(Error::Bounds { name, value, min, max }) => {
                let place = origins.of(name).to_string();
                Err(Error::Bounds { name, value, min, max }.at(place))
            }
            Err(Error::Relative { name, path }) => {
                let place = origins.of(name).to_string();
                Err(Error::Relative { name, path }.at(place))
            }
            Err(Error::Kafka(error)) => {
                let place = origins.of(PROPERTIES).to_string();
                Err(Error::Kafka(error).at(place))
            }
            Err(Error::Redaction(error)) => {
                let place = origins.of(error.key()).to_string();
                Err(Error::Redaction(error).at(place))
            }
            Err(Error::Zone(error)) => {
                let place = origins.of("host.timezone").to_string();
                Err(Error::Zone(error).at(place))
            }
            Err(error @ Error::SystemId { .. }) => {
                let place = origins.of("host.system").to_string();
                Err(error.at(place))
            }
            Err(error) => Err(error),
        }
    }
}

impl Config {
    /// Reads and checks a file, with the environment over it.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        Ok(Source::new(path.to_owned()).load()?.0)
    }

    fn check(&self) -> Result<()> {
        let limits = &self.limits;
        let bounds = [
            ("spool.bytes_max", self.spool.bytes_max, SPOOL_BYTES_MIN, u64::MAX),
            (
                "spool.segment_bytes_max",
                self.spool.segment_bytes_max,
                MIB,
                self.spool.bytes_max / 2,
            ),
            ("spool.seal_interval_ms", self.spool.seal_interval_ms, 10, 60_000),
            (
                "correlation.memory_bytes_max",
                self.correlation.memory_bytes_max,
                correlation::MEMORY_BYTES.0,
                correlation::MEMORY_BYTES.1.min(self.spool.bytes_max / 8),
            ),
            ("pipeline.workers", self.pipeline.workers as u64, 1, 16),
            ("heartbeat.interval_s", self.heartbeat.interval_s, 1, 3_600),
            ("limits.memory_bytes_max", limits.memory_bytes_max, 32 * MIB, 4_096 * MIB),
            ("limits.open_files_max", limits.open_files_max, 64, 65_536),
        ];
        for (name, value, min, max) in bounds {
            within(name, value, min, max)?;
        }
        // 0 switches these off.
        for (name, value, min, max) in [
            ("limits.cpu_pct_max", limits.cpu_pct_max, 5, 6_400),
            ("evidence.silent_after_s", self.evidence.silent_after_s, 60, 604_800),
            ("limits.events_per_s_max", limits.events_per_s_max, 1, 10_000_000),
            ("limits.bytes_per_s_max", limits.bytes_per_s_max, 1_024, MIB * MIB),
        ] {
            if value != 0 {
                within(name, value, min, max)?;
            }
        }
        if !self.state_dir.is_absolute() {
            return Err(Error::Relative { name: "state_dir", path: self.state_dir.clone() });
        }
        if let Some(dir) = self.rules.dirs.iter().find(|dir| !dir.is_absolute()) {
            return Err(Error::Relative { name: "rules.dirs", path: dir.clone() });
        }
        if self.has_kafka() {
            self.kafka.check()?;
        } else if self.shipping != ShippingConfig::default() {
            return Err(agent_shipper::Error::NothingToShape.into());
        }
        self.shipping.check()?;
        agent_pipeline::timezone(&self.host.timezone)?;
        let system = &self.host.system;
        if !system.is_empty() && !agent_inputs::is_system_id(system) {
            return Err(Error::SystemId { text: system.clone() });
        }
        agent_inputs::check(&self.input)?;
        Redactor::new(&self.redaction, &[0; 32]).map_err(Error::Redaction)?;
        Ok(())
    }

    /// Returns whether batches go to Kafka; otherwise a collector on this machine reads the spool.
    pub(crate) fn has_kafka(&self) -> bool {
        !self.kafka.bootstrap.trim().is_empty()
    }

    /// Returns the folder of the spool.
    pub(crate) fn spool_dir(&self) -> PathBuf {
        self.state_dir.join("spool")
    }

    /// Returns `host.name`.
    pub(crate) fn host_name(&self) -> String {
        if !self.host.name.is_empty() {
            return self.host.name.clone();
        }
        ["/proc/sys/kernel/hostname", "/etc/hostname"]
            .into_iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .map(|text| text.trim().to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "localhost".to_owned())
    }
}

/// Returns the keys whose values differ, such as `spool.bytes_max`, in order.
pub(crate) fn changed_keys(old: &Config, new: &Config) -> Vec<String> {
    fn walk(
        key: &str,
        old: Option<&toml::Value>,
        new: Option<&toml::Value>,
        found: &mut Vec<String>,
    ) {
        if old == new {
            return;
        }
        let (old, new) = (old.and_then(toml::Value::as_table), new.and_then(toml::Value::as_table));
        let (Some(old), Some(new)) = (old, new) else {
            found.push(key.to_owned());
            return;
        };
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            walk(&path_of(key, name), old.get(name), new.get(name), found);
        }
    }
    let (old, new) = (toml::Value::try_from(old).ok(), toml::Value::try_from(new).ok());
    let mut found = Vec::new();
    walk("", old.as_ref(), new.as_ref(), &mut found);
    found
}

fn within(name: &'static str, value: u64, min: u64, max: u64) -> Result<()> {
    if value < min || value > max {
        return Err(Error::Bounds { name, value, min, max });
    }
    Ok(())
}

#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(file.path())
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_full_file_is_understood() {
        let config = parse(
            r#"
            state_dir = "/tmp/agent"
            [host]
            name = "web-1"
            timezone = "Asia/Ho_Chi_Minh"
            [[input.files]]
            paths = ["/var/log/auth.log"]
            start = "end"
            [input.journal]
            enabled = "no"
            [input.host]
            enabled = false
            [rules]
            dirs = ["/etc/vonglau/rules"]
            [spool]
            seal_interval_ms = 100
            [kafka]
            bootstrap = "kafka-1:9093"
            [kafka.properties]
            "security.protocol" = "sasl_ssl"
            "sasl.password" = "s3cret"
            [metrics]
            listen = "127.0.0.1:0"
            "#,
        )
        .unwrap();
        assert!(config.has_kafka());
        assert_eq!(config.host_name(), "web-1");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [
            ("[spool]\nseal_interval_ms = 1", "spool.seal_interval_ms"),
            ("[pipeline]\nworkers = 0", "pipeline.workers"),
            ("[spool]\nbytes_max = 1000", "spool.bytes_max"),
            ("state_dir = \"here\"", "state_dir"),
            ("[kafka]\nbootstrap = \"k:1\"\n[kafka.properties]\nacks = \"0\"", "'acks'"),
            ("[host]\ntimezone = \"Mars/Olympus\"", "Mars/Olympus"),
            ("[spol]", "spol"),
            ("[redaction]\noff = [\"passwords\"]", "redaction.off: 'passwords'"),
            ("[redaction.patterns]\nso_the = \"(\"", "redaction.patterns.so_the"),
            ("[host]\nsystem = \"một cửa\"", "host.system"),
            ("[[input.files]]\npaths = [\"/a\"]\nsystem = \"a b\"", "input.files.system"),
            ("[[input.files]]\npaths = [\"a\"]", "absolute"),
            ("[shipping]\nevents_bytes_per_s = 50000", "kafka.bootstrap"),
            (
                "[kafka]\nbootstrap = \"k:1\"\n[shipping]\nevents_windows = [\"fri 9-10\"]",
                "fri 9-10",
            ),
        ] {
            let error = rules_service::logs::chain(&parse(text).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }
}
