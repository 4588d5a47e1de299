//! SyslogConfig: one `[[input.syslog]]`, a place where other devices send their logs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::check_system;
use crate::{Error, Format, PolicyConfig};

/// Listeners at most; each has its own socket and tasks.
pub(crate) const LISTENERS_MAX: usize = 16;
/// Entries of an allow-list at most: it is searched for each datagram.
const ALLOW_MAX: usize = 256;

/// A listener for syslog from firewalls, switches, hypervisors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyslogConfig {
    /// Address and port to listen on (default `0.0.0.0:514`; port 0 takes a free one). Ports below
    /// 1024 need the capability `CAP_NET_BIND_SERVICE`.
    pub listen: String,
    /// `udp` (default), `tcp` or `tls`. A datagram that finds no room is gone for ever: where the
    /// sender can, take `tcp` or `tls`, which hold it back instead.
    pub transport: Transport,
    /// Who may send: addresses and networks such as `10.20.0.0/16` (at most 256). Nothing is taken
    /// from others. Must be given, but for `tls` with `client_ca`, where the certificate tells.
    pub allow: Vec<String>,
    /// How messages are decoded (default `auto`).
    pub format: Format,
    /// `event.dataset` of its events; empty: chosen by the decoder.
    pub dataset: String,
    /// The information system the senders belong to, as of files; empty: that of the host.
    pub system: String,
    /// Connections at a time (default 64, 1 to 4096), `tcp` and `tls`.
    pub connections_max: usize,
    /// Bytes the kernel may hold for us, `udp` (default 4194304, 65536 to 67108864): what arrives
    /// while the spool is full, or in a burst. Beyond `net.core.rmem_max` the kernel gives less.
    pub receive_buffer_bytes: usize,
    /// Our certificate chain, PEM, `tls`.
    pub certificate: PathBuf,
    /// Its private key, PEM, `tls`.
    pub key: PathBuf,
    /// Authorities of senders' certificates, PEM, `tls`; when given, a sender must have one.
    pub client_ca: PathBuf,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 5426: one message a datagram.
    #[default]
    Udp,
    /// RFC 6587: counted, or a line each.
    Tcp,
    /// RFC 5425: the same within TLS.
    Tls,
}

impl Transport {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl Default for SyslogConfig {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:514".to_owned(),
            transport: Transport::Udp,
            allow: Vec::new(),
            format: Format::Auto,
            dataset: String::new(),
            system: String::new(),
            connections_max: 64,
            receive_buffer_bytes: 4 * 1024 * 1024,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            client_ca: PathBuf::new(),
            policy: PolicyConfig::default(),
        }
    }
}

/// A configuration that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) config: SyslogConfig,
    pub(crate) address: SocketAddr,
    allow: Vec<IpNet>,
}

impl Plan {
    /// Checks a configuration.
    pub(crate) fn new(config: &SyslogConfig) -> Result<Self, Error> {
        let text = |name, text: &str, remedy| Error::Text { name, text: text.to_owned(), remedy };
        check_system("syslog.system", &config.system)?;
        let address = config.listen.parse().map_err(|_| {
            text("syslog.listen", &config.listen, "give address:port such as 0.0.0.0:514")
        })?;
        let bounds = [
            ("syslog.connections_max", config.connections_max as u64, 1, 4_096),
            ("syslog.receive_buffer_bytes", config.receive_buffer_bytes as u64, 65_536, 64 << 20),
            ("syslog.allow (entries)", config.allow.len() as u64, 0, ALLOW_MAX as u64),
        ];
        for (name, value, min, max) in bounds {
            if value < min || value > max {
                return Err(Error::Bounds { name, value, min, max });
            }
        }
        let mut allow = Vec::with_capacity(config.allow.len());
        for entry in &config.allow {
            let network = entry.parse::<IpNet>().ok();
            let network = network.or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from));
            allow.push(network.ok_or_else(|| {
                text("syslog.allow", entry, "give an address or a network such as 10.20.0.0/16")
            })?);
        }
        let is_tls = config.transport == Transport::Tls;
        if is_tls
            && (config.certificate.as_os_str().is_empty() || config.key.as_os_str().is_empty())
        {
            return Err(text("syslog.transport", "tls", "give 'certificate' and 'key' as well"));
        }
        let by_certificate = is_tls && !config.client_ca.as_os_str().is_empty();
        if allow.is_empty() && !by_certificate {
            let remedy = "name who may send; nothing is taken from everybody";
            return Err(text("syslog.allow", "", remedy));
        }
        Ok(Self { config: config.clone(), address, allow })
    }

    /// Says whether this address may send. An empty list stands for a certificate that tells.
    pub(crate) fn admits(&self, from: IpAddr) -> bool {
        // A socket for both families shows senders of IPv4 as ::ffff:a.b.c.d.
        let from = from.to_canonical();
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(&from))
    }

    /// What it is called in problems and metrics.
    pub(crate) fn subject(&self) -> String {
        format!("syslog {}://{}", self.config.transport.as_str(), self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(config: SyslogConfig) -> Result<Plan, String> {
        Plan::new(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn only_who_is_named_may_send() {
        let allow = vec!["10.20.0.0/16".to_owned(), "2001:db8::7".to_owned()];
        let plan = plan(SyslogConfig { allow, ..SyslogConfig::default() }).unwrap();
        for (from, admitted) in [
            ("10.20.3.4", true),
            ("::ffff:10.20.3.4", true),
            ("10.21.0.1", false),
            ("2001:db8::7", true),
            ("2001:db8::8", false),
        ] {
            assert_eq!(plan.admits(from.parse().unwrap()), admitted, "{from}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let allow = || vec!["10.0.0.1".to_owned()];
        let base = SyslogConfig { allow: allow(), ..SyslogConfig::default() };
        for (config, named) in [
            (SyslogConfig::default(), "who may send"),
            (SyslogConfig { listen: "514".to_owned(), ..base.clone() }, "syslog.listen"),
            (SyslogConfig { allow: vec!["10.0.0".to_owned()], ..base.clone() }, "10.0.0"),
            (SyslogConfig { connections_max: 0, ..base.clone() }, "connections_max"),
            (SyslogConfig { transport: Transport::Tls, ..base.clone() }, "certificate"),
        ] {
            let error = plan(config).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
