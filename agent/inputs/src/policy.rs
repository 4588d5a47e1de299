//! PolicyConfig: what of an input leaves the host once the rules have seen it, and how much a second.

use serde::{Deserialize, Serialize};

use crate::{Error, InputsConfig};

/// Which events leave the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Ship {
    /// Every event.
    #[default]
    All,
    /// Events that a rule of any level hit, and a sample of the others.
    Matched,
    /// What travels on the lane of alerts, nothing else.
    Alerts,
}

/// The `policy` of an input. Nothing is left out unless it says so, and what is left out is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Which events leave the host (default `all`).
    pub ship: Ship,
    /// `matched`: of the events that no rule hit, one in so many is sent all the same, marked with
    /// the number (default 100, 0 to 1000000; 0: none, 1: all).
    pub sample: u32,
    /// From so many events a second on, those that no rule hit are thinned out (default 0: no bound;
    /// at most 10000000).
    pub events_per_s_max: u64,
    /// The same by bytes of records as read (default 0: no bound; else 1024 to 1 TiB).
    pub bytes_per_s_max: u64,
    /// So many seconds' worth may come at once before that begins (default 10, 1 to 3600).
    pub burst_s: u64,
    /// Its place in [`InputsConfig::policies`]. Set by the program; not for configuration files.
    #[serde(skip)]
    pub number: u16,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            ship: Ship::All,
            sample: 100,
            events_per_s_max: 0,
            bytes_per_s_max: 0,
            burst_s: 10,
            number: 0,
        }
    }
}

/// A policy and the input it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Such as `files.1`: the first `[[input.files]]`.
    pub name: String,
    /// What it says.
    pub config: PolicyConfig,
}

impl InputsConfig {
    /// Gives every policy its number, by which sources name it ([`crate::SourceMeta::policy`]), and
    /// returns them in that order. The first is nobody's and keeps everything: it is that of sources
    /// without one, such as what the agent says of itself.
    pub fn policies(&mut self) -> Vec<Policy> {
        let mut all = vec![Policy { name: "agent".to_owned(), config: PolicyConfig::default() }];
        self.each_policy(|name, config| {
            // There are far fewer inputs: each is written out in a file.
            config.number = u16::try_from(all.len()).unwrap_or(0);
            all.push(Policy { name, config: config.clone() });
        });
        all
    }

    /// Returns the configuration with other policies, those of [`InputsConfig::policies`]; where there
    /// is none, the default.
    #[must_use]
    pub fn with_policies(&self, policies: &[Policy]) -> Self {
        let mut all = self.clone();
        let mut policies = policies.iter().skip(1);
        all.each_policy(|_, config| {
            *config = policies.next().map_or_else(PolicyConfig::default, |it| it.config.clone());
            config.number = 0;
        });
        all
    }

    fn each_policy(&mut self, mut visit: impl FnMut(String, &mut PolicyConfig)) {
        for (number, group) in (1..).zip(&mut self.files) {
            visit(format!("files.{number}"), &mut group.policy);
        }
        for (number, listener) in (1..).zip(&mut self.syslog) {
            visit(format!("syslog.{number}"), &mut listener.policy);
        }
        for (number, command) in (1..).zip(&mut self.exec) {
            visit(format!("exec.{number}"), &mut command.policy);
        }
        for (name, config) in [
            ("journal", &mut self.journal.policy),
            ("audit", &mut self.audit.policy),
            ("evtx", &mut self.evtx.policy),
            ("integrity", &mut self.integrity.policy),
            ("process", &mut self.process.policy),
            ("inventory", &mut self.inventory.policy),
            ("host", &mut self.host.policy),
        ] {
            visit(name.to_owned(), config);
        }
    }

    pub(crate) fn check_policies(&self) -> Result<(), Error> {
        for policy in self.clone().policies() {
            let PolicyConfig { sample, events_per_s_max, bytes_per_s_max, burst_s, .. } =
                policy.config;
            let bounds = [
                ("policy.sample", u64::from(sample), 0, 1_000_000),
                ("policy.events_per_s_max", events_per_s_max, 0, 10_000_000),
                ("policy.burst_s", burst_s, 1, 3_600),
            ];
            for (name, value, min, max) in bounds {
                if value < min || value > max {
                    return Err(Error::Bounds { name, value, min, max });
                }
            }
            let (name, value, min, max) =
                ("policy.bytes_per_s_max", bytes_per_s_max, 1_024, 1 << 40);
            if value != 0 && (value < min || value > max) {
                return Err(Error::Bounds { name, value, min, max });
            }
        }
        Ok(())
    }
}

/// Returns the name of the policy for events the host input of a dataset makes by itself.
#[must_use]
pub fn policy_of_dataset(dataset: &str) -> &'static str {
    match dataset {
        "vonglau.file" => "integrity",
        "vonglau.process" | "vonglau.network" => "process",
        "vonglau.inventory" => "inventory",
        "vonglau.host" => "host",
        _ => "agent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FilesConfig, SyslogConfig};

    #[test]
    fn policies_are_numbered_in_the_order_of_the_table() {
        let mut config = InputsConfig {
            files: vec![FilesConfig::default(), FilesConfig::default()],
            syslog: vec![SyslogConfig::default()],
            ..InputsConfig::default()
        };
        config.files[1].policy.ship = Ship::Alerts;
        let all = config.policies();
        for (number, policy) in all.iter().enumerate().skip(1) {
            assert_eq!(usize::from(policy.config.number), number, "{}", policy.name);
        }
        assert_eq!((all[2].name.as_str(), all[2].config.ship), ("files.2", Ship::Alerts));
        assert_eq!(config.files[1].policy.number, 2);
        assert_eq!(all[3].name, "syslog.1");
        for dataset in ["vonglau.file", "vonglau.network", "vonglau.inventory", "vonglau.host"] {
            let name = policy_of_dataset(dataset);
            assert!(all.iter().any(|policy| policy.name == name), "{name}");
        }
    }

    #[test]
    fn policies_are_taken_over_and_away() {
        let mut config = InputsConfig { files: vec![FilesConfig::default()], ..Default::default() };
        let plain = config.clone();
        (config.files[0].policy.sample, config.host.policy.burst_s) = (7, 9);
        let policies = config.clone().policies();
        assert_eq!(plain.with_policies(&policies), config);
        assert_eq!(config.with_policies(&[]), plain);
    }

    #[test]
    fn bounds_are_kept() {
        let with = |change: fn(&mut PolicyConfig)| {
            let mut config = InputsConfig::default();
            change(&mut config.journal.policy);
            config.check_policies()
        };
        assert!(with(|_| {}).is_ok());
        assert!(with(|policy| policy.sample = 1_000_001).is_err());
        assert!(with(|policy| policy.burst_s = 0).is_err());
        assert!(with(|policy| policy.bytes_per_s_max = 10).is_err());
    }
}
