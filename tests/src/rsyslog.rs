//! A real rsyslog that sends a file's lines over the network, and certificates for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::Process;

/// Where it sends to, and how.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Port on loopback.
    pub port: u16,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// `octet-counted` or `traditional`.
    pub framing: &'static str,
    /// A template of rsyslog's own, such as `RSYSLOG_SyslogProtocol23Format`.
    pub template: &'static str,
    /// Certificates, for TLS.
    pub tls: Option<Certificates>,
}

/// An authority and what it vouched for.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority.
    pub authority: PathBuf,
    /// Certificate and key of the listener.
    pub listener: (PathBuf, PathBuf),
    /// Certificate and key of the sender.
    pub sender: (PathBuf, PathBuf),
}

/// Starts rsyslog (unpacked in `root`) with a folder of its own; it sends every line of `log`.
///
/// # Errors
/// If it cannot be started.
pub fn start(root: &Path, dir: &Path, log: &Path, to: &Forward) -> Result<Process> {
    std::fs::create_dir_all(dir)?;
    let libraries = root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let Forward { port, protocol, framing, template, tls } = to;
    let (global, action) = match tls {
        None => (String::new(), ""),
        Some(tls) => (
            format!(
                " defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"{}\" \
                 defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
                tls.authority.display(),
                tls.sender.0.display(),
                tls.sender.1.display()
            ),
            " StreamDriver=\"ossl\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" \
             StreamDriverPermittedPeers=\"listener\"",
        ),
    };
    let text = format!(
        "global(workDirectory=\"{work}\" maxMessageSize=\"64k\" localHostname=\"fw1\"{global})\n\
         module(load=\"imfile\" mode=\"inotify\")\n\
         input(type=\"imfile\" file=\"{log}\" tag=\"app[7]:\" severity=\"info\" facility=\"local0\" ruleset=\"r\")\n\
         ruleset(name=\"r\") {{\n\
           action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" protocol=\"{protocol}\" TCP_Framing=\"{framing}\"\n\
             template=\"{template}\" queue.type=\"LinkedList\" queue.size=\"50000\"\n\
             action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\"{action})\n\
         }}\n",
        work = dir.display(),
        log = log.display(),
    );
    let config = dir.join("rsyslog.conf");
    std::fs::write(&config, text)?;
    Process::spawn(
        Command::new(root.join("usr/sbin/rsyslogd"))
            .env("LD_LIBRARY_PATH", &libraries)
            .args(["-n", "-M"])
            .arg(libraries.join("rsyslog"))
            .arg("-f")
            .arg(&config)
            .arg("-i")
            .arg(dir.join("pid")),
        &dir.join("rsyslog.log"),
    )
}

/// Makes an authority, a listener and a sender that it vouches for, with the program `openssl`.
///
/// # Errors
/// If that program fails, or is not there.
pub fn certificates(dir: &Path) -> Result<Certificates> {
    let file = |name: &str| dir.join(name);
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let run = |command: &mut Command| -> Result<()> {
        let made = command.output().context("openssl")?;
        anyhow::ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    };
    let openssl = || Command::new("openssl");
    let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
    let mut command = openssl();
    command.args(["req", "-x509", "-days", "2", "-subj", "/CN=authority"]).args(key);
    run(command.arg("-keyout").arg(&ca_key).arg("-out").arg(&ca))?;
    let vouch = |name: &str| -> Result<(PathBuf, PathBuf)> {
        let (certificate, own_key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
        let (request, more) = (file(&format!("{name}.csr")), file(&format!("{name}.ext")));
        let names = format!("subjectAltName=DNS:{name},IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
        std::fs::write(&more, names)?;
        let mut command = openssl();
        command.args(["req", "-new", "-subj", &format!("/CN={name}")]).args(key);
        run(command.arg("-keyout").arg(&own_key).arg("-out").arg(&request))?;
        let mut command = openssl();
        command.args(["x509", "-req", "-days", "2", "-CAcreateserial", "-CA"]).arg(&ca);
        command.arg("-CAkey").arg(&ca_key).arg("-in").arg(&request).arg("-extfile").arg(&more);
        run(command.arg("-out").arg(&certificate))?;
        Ok((certificate, own_key))
    };
    let (listener, sender) = (vouch("listener")?, vouch("sender")?);
    Ok(Certificates { authority: ca, listener, sender })
}
