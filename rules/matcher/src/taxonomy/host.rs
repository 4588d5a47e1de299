//! Hosts: processes, files and connections of Linux and macOS, and what has no product.
//!
//! Source: Sigma taxonomy appendix (names of Sysmon events); pySigma pipeline `ecs_macos_esf`;
//! Filebeat module auditd.

use rules_event::field;

use super::{Fields, Rest, Scope, When};

pub(super) const SCOPES: &[Scope] = &[
    Scope {
        when: When::service(&["linux", ""], &["auditd", "audit"]),
        fields: &[],
        rest: Rest::Under("auditd"),
    },
    Scope { when: When::category(&["antivirus"]), fields: ANTIVIRUS, rest: Rest::AsIs },
    Scope { when: When::category(&["dns_query"]), fields: DNS_QUERY, rest: Rest::Next },
    Scope { when: When::product(&["macos"]), fields: MACOS, rest: Rest::Next },
    Scope { when: When::ALWAYS, fields: HOST, rest: Rest::AsIs },
];

const ANTIVIRUS: Fields = &[
    ("Action", field::EVENT_ACTION),
    ("Filename", field::FILE_PATH),
    ("Signature", "threat.software.name"),
];

const DNS_QUERY: Fields = &[
    ("QueryName", "dns.question.name"),
    ("QueryResults", "dns.answers.data"),
    ("record_type", "dns.question.type"),
];

const MACOS: Fields = &[("User", "process.user.name")];

/// Processes, files and connections of hosts. `LogonId` is the number of the account: what the two
/// rules of Linux that use it mean by it.
const HOST: Fields = &[
    ("CommandLine", field::PROCESS_COMMAND_LINE),
    ("Computer", field::AGENT_HOST),
    ("CurrentDirectory", field::PROCESS_WORKING_DIRECTORY),
    ("DestinationHostname", "destination.domain"),
    ("DestinationIp", field::DESTINATION_IP),
    ("DestinationPort", field::DESTINATION_PORT),
    ("Hostname", field::HOST_NAME),
    ("Image", field::PROCESS_EXECUTABLE),
    ("Initiated", "vonglau.network.initiated"),
    ("LogonId", "user.id"),
    ("ParentCommandLine", "process.parent.command_line"),
    ("ParentImage", field::PROCESS_PARENT_EXECUTABLE),
    ("ParentProcessId", "process.parent.pid"),
    ("ParentUser", "process.parent.user.name"),
    ("ProcessId", field::PROCESS_PID),
    ("Protocol", "network.transport"),
    ("SourceIp", field::SOURCE_IP),
    ("SourcePort", field::SOURCE_PORT),
    ("TargetFilename", field::FILE_PATH),
    ("User", field::USER_NAME),
    ("dst_ip", field::DESTINATION_IP),
    ("dst_port", field::DESTINATION_PORT),
    ("md5", "file.hash.md5"),
    ("sha1", "file.hash.sha1"),
    ("sha256", "file.hash.sha256"),
    ("src_ip", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
];
