//! EvtxConfig: the `[input.evtx]` part of the configuration.

use serde::{Deserialize, Serialize};

use crate::{Error, PolicyConfig};

/// Exported logs of Windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvtxConfig {
    /// Absolute paths of `.evtx` files; a component may be a glob (`/srv/evtx/*.evtx`). Each record is
    /// read once, also when the same log is exported again. None by default.
    pub paths: Vec<String>,
    /// The information system the logs are of, as of files; empty: that of the host.
    pub system: String,
    /// Time between two looks for new files, seconds (default 10, 1 to 3600). A file is read when
    /// nothing was written to it for as long.
    pub interval_s: u64,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

impl Default for EvtxConfig {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            system: String::new(),
            interval_s: 10,
            policy: PolicyConfig::default(),
        }
    }
}

impl EvtxConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        crate::config::check_system("evtx.system", &self.system)?;
        let (name, value, min, max) = ("evtx.interval_s", self.interval_s, 1, 3_600);
        if value < min || value > max {
            return Err(Error::Bounds { name, value, min, max });
        }
        for path in &self.paths {
            if !path.starts_with('/') {
                let (text, remedy) = (path.clone(), "give an absolute path");
                return Err(Error::Text { name: "evtx.paths", text, remedy });
            }
            crate::expand::check(path)?;
        }
        Ok(())
    }
}
