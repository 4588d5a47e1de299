//! The one table from Sigma's names to ours: fields to ECS, logsources to datasets.
//!
//! Source: Sigma taxonomy appendix 2.1 (field names and logsources), Elastic Common Schema 8.x.

use std::borrow::Cow;
use std::fmt;

use rules_event::{Event, field};
use rules_sigma::Logsource;

use crate::Copies;

/// The fields that keywords are searched in.
pub const KEYWORD_FIELDS: [&str; 2] = [field::MESSAGE, field::EVENT_ORIGINAL];

const AUTH: &str = "system.auth";
const SYSLOG: &str = "system.syslog";
const NGINX: &str = "nginx.access";
const APACHE: &str = "apache.access";

/// The events a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Values of `event.dataset`; empty when nothing of ours yields such events yet.
    pub datasets: Vec<Cow<'static, str>>,
    /// The program that wrote the line, when only one kind of program is meant.
    pub program: Option<Program>,
}

/// A bound on `process.name`, case ignored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Program {
    /// Exactly one of these.
    Named(Vec<Cow<'static, str>>),
    /// Starts with this: newer OpenSSH writes as `sshd-session`.
    Starting(&'static str),
}

impl Program {
    /// Says whether a program is meant.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|one| one.eq_ignore_ascii_case(name)),
            Self::Starting(start) => {
                name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(names) => f.write_str(&names.join(" or ")),
            Self::Starting(start) => write!(f, "{start}…"),
        }
    }
}

impl Source {
    /// Says whether the event is one the rule speaks of.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let dataset = event.get_str(field::EVENT_DATASET);
        dataset.is_some_and(|dataset| self.datasets.iter().any(|one| one == dataset))
            && self.program.as_ref().is_none_or(|program| {
                event.get_str(field::PROCESS_NAME).is_some_and(|name| program.admits(name))
            })
    }
}

/// Returns the events a logsource speaks of.
#[must_use]
pub fn source(logsource: &Logsource) -> Source {
    let part = |part: &Option<String>| part.as_deref().unwrap_or_default().to_owned();
    let (category, product) = (part(&logsource.category), part(&logsource.product));
    let service = part(&logsource.service);
    let of = |datasets: &[&'static str], program| Source {
        datasets: datasets.iter().map(|dataset| Cow::Borrowed(*dataset)).collect(),
        program,
    };
    let named = |names: &[&'static str]| {
        Some(Program::Named(names.iter().map(|name| Cow::Borrowed(*name)).collect()))
    };
    match (category.as_str(), product.as_str(), service.as_str()) {
        ("" | "webserver", "nginx", _) | ("" | "webserver", "", "nginx") => of(&[NGINX], None),
        ("" | "webserver", "apache", _) | ("" | "webserver", "", "apache") => of(&[APACHE], None),
        ("webserver", "", "") => of(&[NGINX, APACHE], None),
        // Any dataset by its own name, for events that only we have.
        ("", "vonglau", "") => of(&["vonglau.host"], None),
        ("", "vonglau", _) => Source { datasets: vec![Cow::Owned(service)], program: None },
        ("", "linux", "") => of(&[AUTH, SYSLOG, "text", "json"], None),
        ("", "linux" | "", "sshd" | "ssh") => of(&[AUTH], Some(Program::Starting("sshd"))),
        ("", "linux" | "", "auth" | "authpriv" | "secure") => of(&[AUTH], None),
        ("", "linux" | "", "syslog" | "messages") => of(&[SYSLOG, AUTH], None),
        ("", "linux" | "", "cron") => {
            of(&[SYSLOG, AUTH], named(&["cron", "crond", "anacron", "crontab"]))
        }
        // Decoded by no reader of ours yet.
        ("", "linux" | "", "auditd" | "audit") => of(&[], None),
        // A service of Linux is the program that writes to syslog under its own name.
        ("", "linux", _) => Source {
            datasets: vec![AUTH.into(), SYSLOG.into()],
            program: Some(Program::Named(vec![Cow::Owned(service)])),
        },
        ("", "", "sudo" | "su" | "clamav" | "vsftpd" | "guacamole" | "named") => Source {
            datasets: vec![AUTH.into(), SYSLOG.into()],
            program: Some(Program::Named(vec![Cow::Owned(service)])),
        },
        _ => of(&[], None),
    }
}

/// Returns the name under which an event holds a Sigma field. Dotted names are ECS already; a name
/// that no table knows is looked for as it is, so that JSON logs work with their own names.
#[must_use]
pub fn field_name<'n>(logsource: &Logsource, name: &'n str) -> Cow<'n, str> {
    if name.contains('.') {
        return Cow::Borrowed(name);
    }
    let service = logsource.service.as_deref().unwrap_or_default();
    if matches!(service, "auditd" | "audit") {
        return Cow::Owned(format!("auditd.{name}"));
    }
    let category = logsource.category.as_deref().unwrap_or_default();
    let tables: &[&[(&str, &str)]] = match category {
        "webserver" | "proxy" => &[WEB],
        "" if matches!(logsource.product.as_deref(), Some("nginx" | "apache"))
            || matches!(service, "nginx" | "apache") =>
        {
            &[WEB]
        }
        "dns" | "dns_query" => &[DNS, HOST],
        _ => &[HOST],
    };
    let found = tables.iter().copied().flatten().find(|(sigma, _)| *sigma == name);
    Cow::Borrowed(found.map_or(name, |(_, ecs)| ecs))
}

/// Returns which decoded copies the values of an ECS field have.
#[must_use]
pub fn copies(field: &str) -> Copies {
    match field {
        field::URL_ORIGINAL
        | field::URL_PATH
        | field::URL_QUERY
        | field::HTTP_REFERRER
        | field::USER_AGENT => Copies::Url,
        field::PROCESS_COMMAND_LINE | field::FILE_PATH => Copies::Text,
        _ => Copies::None,
    }
}

/// Web servers and proxies: the names of the W3C extended log format.
const WEB: &[(&str, &str)] = &[
    ("c-ip", field::SOURCE_IP),
    ("c-uri", field::URL_ORIGINAL),
    ("c-uri-extension", "url.extension"),
    ("c-uri-query", field::URL_QUERY),
    ("c-uri-stem", field::URL_PATH),
    ("c-useragent", field::USER_AGENT),
    ("cs-bytes", "http.request.body.bytes"),
    ("cs-cookie", "http.request.headers.cookie"),
    ("cs-host", field::URL_DOMAIN),
    ("cs-ip", field::SOURCE_IP),
    ("cs-method", field::HTTP_REQUEST_METHOD),
    ("cs-referer", field::HTTP_REFERRER),
    ("cs-referrer", field::HTTP_REFERRER),
    ("cs-uri", field::URL_ORIGINAL),
    ("cs-uri-query", field::URL_QUERY),
    ("cs-uri-stem", field::URL_PATH),
    ("cs-user-agent", field::USER_AGENT),
    ("cs-username", field::USER_NAME),
    ("cs-version", field::HTTP_VERSION),
    ("dst_ip", field::DESTINATION_IP),
    ("dst_port", field::DESTINATION_PORT),
    ("r-dns", field::URL_DOMAIN),
    ("s-ip", field::DESTINATION_IP),
    ("s-port", field::DESTINATION_PORT),
    ("sc-bytes", field::HTTP_RESPONSE_BYTES),
    ("sc-status", field::HTTP_RESPONSE_STATUS),
    ("src_ip", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
];

/// Names of DNS rules.
const DNS: &[(&str, &str)] = &[
    ("QueryName", "dns.question.name"),
    ("answer", "dns.answers.data"),
    ("query", "dns.question.name"),
    ("record_type", "dns.question.type"),
];

/// Processes, files and connections of hosts.
const HOST: &[(&str, &str)] = &[
    ("CommandLine", field::PROCESS_COMMAND_LINE),
    ("Computer", field::AGENT_HOST),
    ("CurrentDirectory", field::PROCESS_WORKING_DIRECTORY),
    ("DestinationHostname", "destination.domain"),
    ("DestinationIp", field::DESTINATION_IP),
    ("DestinationPort", field::DESTINATION_PORT),
    ("Hostname", field::HOST_NAME),
    ("Image", field::PROCESS_EXECUTABLE),
    ("ParentCommandLine", "process.parent.command_line"),
    ("ParentImage", field::PROCESS_PARENT_EXECUTABLE),
    ("ParentProcessId", "process.parent.pid"),
    ("ParentUser", "process.parent.user.name"),
    ("ProcessId", field::PROCESS_PID),
    ("SourceIp", field::SOURCE_IP),
    ("SourcePort", field::SOURCE_PORT),
    ("TargetFilename", field::FILE_PATH),
    ("User", field::USER_NAME),
    ("dst_ip", field::DESTINATION_IP),
    ("dst_port", field::DESTINATION_PORT),
    ("src_ip", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
];

#[cfg(test)]
mod tests;
