//! ShipperConfig: the `[kafka]` part of the agent's configuration, and what it may hold.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

/// Where and how to reach Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ShipperConfig {
    /// Brokers to ask first, `host:port` separated by commas. Empty: no Kafka, the spool is read by
    /// a collector on the same machine.
    pub bootstrap: String,
    /// Further settings of the Kafka client by their librdkafka names: `security.protocol`,
    /// `sasl.*`, `ssl.*`, `socket.*` and a few more. What decides about durability and order is not
    /// among them. `sasl.password.file` and `ssl.key.password.file` name files that hold the secret.
    pub properties: BTreeMap<String, String>,
}

/// Properties that may be given, by name.
const ALLOWED: [&str; 9] = [
    "security.protocol",
    "client.id",
    "client.dns.lookup",
    "broker.address.family",
    "connections.max.idle.ms",
    "metadata.max.age.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "request.timeout.ms",
];
/// Properties that may be given, by what they begin with.
const ALLOWED_PREFIXES: [&str; 3] = ["sasl.", "ssl.", "socket."];
/// Of those, the ones that run a command or load code.
const FORBIDDEN: [&str; 5] = [
    "sasl.kerberos.kinit.cmd",
    "ssl.engine.location",
    "ssl.engine.id",
    "ssl.providers",
    "sasl.oauthbearer.config",
];
/// Properties whose value is read from the file that `NAME.file` gives.
const SECRETS: [&str; 2] = ["sasl.password", "ssl.key.password"];
const FILE_SUFFIX: &str = ".file";
/// The most bytes a file with a secret may have.
const SECRET_BYTES_MAX: usize = 4096;

/// Why the shipper could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No broker is named.
    #[error("kafka.bootstrap is empty; name at least one broker as host:port")]
    NoBootstrap,
    /// A property that is not in the list of permitted ones.
    #[error(
        "kafka.properties: '{0}' may not be set; permitted are security.protocol, sasl.*, ssl.*, \
         socket.* and client.id (what decides about durability and order is fixed)"
    )]
    Property(String),
    /// A file with a secret cannot be read.
    #[error("kafka.properties: cannot read the file '{path}' that {name} names")]
    Secret {
        /// The property.
        name: String,
        /// The file.
        path: String,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// A cap so low that nothing would get through.
    #[error(
        "shipping.events_bytes_per_s = {value} is too low; give 0 for no cap, or at least {min}"
    )]
    Cap {
        /// What was given.
        value: u64,
        /// The least.
        min: u64,
    },
    /// A text that is no window.
    #[error(
        "shipping.events_windows: {0}; write one as '18:00-06:00', 'sat,sun 00:00-24:00' or \
         'mon-fri 18:00-06:00'"
    )]
    Window(String),
    /// More windows than make sense.
    #[error("shipping.events_windows has {count} entries; give at most {max}")]
    Windows {
        /// How many.
        count: usize,
        /// The most.
        max: usize,
    },
    /// Bounds on what is sent, and nobody to send to.
    #[error(
        "[shipping] is set but kafka.bootstrap is not: nothing is sent anywhere; remove one or give the other"
    )]
    NothingToShape,
    /// The thread could not be started.
    #[error("the thread that ships to kafka could not be started")]
    Thread(#[source] io::Error),
}

/// Returns whether the value of a property must not be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || name.ends_with(".secret") || name == "ssl.key.pem"
}

impl ShipperConfig {
    /// Checks what can be checked without a broker.
    ///
    /// # Errors
    /// [`Error::NoBootstrap`], [`Error::Property`].
    pub fn check(&self) -> Result<(), Error> {
        if self.bootstrap.trim().is_empty() {
            return Err(Error::NoBootstrap);
        }
        for name in self.properties.keys() {
            let plain = name
                .strip_suffix(FILE_SUFFIX)
                .filter(|name| SECRETS.contains(name))
                .unwrap_or(name.as_str());
            let is_allowed = ALLOWED.contains(&plain)
                || ALLOWED_PREFIXES.iter().any(|prefix| plain.starts_with(prefix));
            if !is_allowed || FORBIDDEN.contains(&plain) {
                return Err(Error::Property(name.clone()));
            }
        }
        Ok(())
    }

    /// Returns the properties with secrets read from their files. Read anew for each attempt to
    /// connect, so that a changed password needs no restart.
    pub(crate) fn resolved(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut resolved = BTreeMap::new();
        for (name, value) in &self.properties {
            match name.strip_suffix(FILE_SUFFIX).filter(|name| SECRETS.contains(name)) {
                Some(plain) => {
                    let secret = read_secret(value).map_err(|source| Error::Secret {
                        name: name.clone(),
                        path: value.clone(),
                        source,
                    })?;
                    resolved.insert(plain.to_owned(), secret);
                }
                None => {
                    resolved.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(resolved)
    }
}

fn read_secret(path: &str) -> io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    if text.len() > SECRET_BYTES_MAX {
        return Err(io::Error::other("too large to hold a password"));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, value: &str) -> ShipperConfig {
        ShipperConfig {
            bootstrap: "kafka:9092".into(),
            properties: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        }
    }

    #[test]
    fn only_harmless_properties_are_taken() {
        for name in ["security.protocol", "ssl.ca.location", "sasl.password.file", "client.id"] {
            config(name, "x").check().unwrap();
        }
        for name in [
            "acks",
            "enable.idempotence",
            "message.timeout.ms",
            "plugin.library.paths",
            "sasl.kerberos.kinit.cmd",
            "ssl.engine.location",
            "bootstrap.servers.file",
        ] {
            let error = config(name, "x").check().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(matches!(ShipperConfig::default().check(), Err(Error::NoBootstrap)));
    }

    #[test]
    fn a_secret_comes_from_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let given = config("sasl.password.file", file.path().to_str().unwrap());
        assert_eq!(given.resolved().unwrap()["sasl.password"], "s3cret");
        let error = config("sasl.password.file", "/nowhere").resolved().unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
        assert!(is_secret("sasl.password") && !is_secret("sasl.username"));
    }
}
