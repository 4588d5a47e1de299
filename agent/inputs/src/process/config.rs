//! ProcessConfig: the `[input.process]` part of the configuration.

use serde::{Deserialize, Serialize};

use crate::{Error, PolicyConfig};

/// Programs that begin and end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessConfig {
    /// Whether processes are watched (default false). With CAP_NET_ADMIN in the host's own namespaces
    /// the kernel tells of each (netlink proc connector); otherwise `/proc` is looked at again and
    /// again, and what ends between two looks is missed. Each event says how it was found
    /// (`vonglau.process.source`).
    pub enabled: bool,
    /// `auto` (default): the kernel tells where it can; `poll`: `/proc` is looked at.
    pub source: ProcessSource,
    /// Whether ends are told, too (default true).
    pub exits: bool,
    /// Time between two looks at `/proc` where the kernel does not tell, ms (default 1000, 100 to
    /// 60000); longer when a look takes more than a hundredth of it.
    pub poll_interval_ms: u64,
    /// Whether programs are hashed with BLAKE3 (default false); each file once.
    pub hash: bool,
    /// Time between two looks for processes that keep a processor busy, seconds (default 60, 0 to
    /// 3600; 0: never).
    pub busy_interval_s: u64,
    /// Time between two looks at the connections this host began, seconds (default 10, 0 to 3600; 0:
    /// never). Those that end between two looks are missed.
    pub connections_interval_s: u64,
    /// Share of one processor from which on a process is busy, percent (default 50, 1 to 100).
    pub busy_min_pct: u64,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

/// Where news of processes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ProcessSource {
    /// The kernel, else `/proc`.
    #[default]
    Auto,
    /// `/proc` only: for hosts that begin thousands of programs a second.
    Poll,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            source: ProcessSource::Auto,
            exits: true,
            poll_interval_ms: 1_000,
            hash: false,
            busy_interval_s: 60,
            connections_interval_s: 10,
            busy_min_pct: 50,
            policy: PolicyConfig::default(),
        }
    }
}

impl ProcessConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bounds = [
            ("process.poll_interval_ms", self.poll_interval_ms, 100, 60_000),
            ("process.busy_interval_s", self.busy_interval_s, 0, 3_600),
            ("process.connections_interval_s", self.connections_interval_s, 0, 3_600),
            ("process.busy_min_pct", self.busy_min_pct, 1, 100),
        ];
        for (name, value, min, max) in bounds {
            if value < min || value > max {
                return Err(Error::Bounds { name, value, min, max });
            }
        }
        Ok(())
    }
}
