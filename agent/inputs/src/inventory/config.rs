//! InventoryConfig: the `[input.inventory]` part of the configuration.

use serde::{Deserialize, Serialize};

use crate::{Error, PolicyConfig};

/// What is installed, allowed and listening on the host. Only differences are sent; the first time
/// everything is, marked `vonglau.inventory.baseline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InventoryConfig {
    /// Whether the inventory is taken (default false).
    pub enabled: bool,
    /// Time between two looks, seconds (default 300, 10 to 86400).
    pub interval_s: u64,
    /// Kinds left out: `system`, `interface`, `package`, `user`, `group`, `sudo_rule`, `port`, `service`,
    /// `kernel_module`, `job`, `authorized_key`, `mount`, `certificate`. None by default.
    pub skip: Vec<String>,
    /// Absolute paths of certificates (PEM) whose expiry is told; a component may be a glob. Of a chain
    /// the first counts.
    pub certificates: Vec<String>,
    /// The program that lists packages where they are kept by RPM (default `rpm`, found in `PATH`); it
    /// is run when its database changed, for at most 60 s.
    pub rpm: String,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

impl Default for InventoryConfig {
    fn default() -> Self {
        let paths = [
            "/etc/letsencrypt/live/*/fullchain.pem",
            "/etc/nginx/ssl/*",
            "/etc/nginx/certs/*",
            "/etc/apache2/ssl/*",
            "/etc/httpd/ssl/*",
            "/etc/haproxy/certs/*",
            "/etc/pki/tls/certs/localhost.crt",
            "/opt/zimbra/ssl/zimbra/commercial/commercial.crt",
        ];
        Self {
            enabled: false,
            interval_s: 300,
            skip: Vec::new(),
            certificates: paths.iter().map(|&path| path.to_owned()).collect(),
            rpm: "rpm".to_owned(),
            policy: PolicyConfig::default(),
        }
    }
}

impl InventoryConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (name, value, min, max) = ("inventory.interval_s", self.interval_s, 10, 86_400);
        if value < min || value > max {
            return Err(Error::Bounds { name, value, min, max });
        }
        for kind in &self.skip {
            if !super::KINDS.contains(&kind.as_str()) {
                let (text, remedy) = (kind.clone(), "see the list in the operator's guide");
                return Err(Error::Text { name: "inventory.skip", text, remedy });
            }
        }
        for path in &self.certificates {
            if !path.starts_with('/') {
                let (text, remedy) = (path.clone(), "give an absolute path");
                return Err(Error::Text { name: "inventory.certificates", text, remedy });
            }
            crate::expand::check(path)?;
        }
        Ok(())
    }
}
