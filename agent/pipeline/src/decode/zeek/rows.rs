//! Zeek's names and ours.

use rules_event::field;

use super::super::table::{As, Row, also, moved};

/// Names of any log, ordered. `id_orig_h` is how the package json-streaming-logs may write it.
pub(crate) const COMMON: &[Row] = &[
    moved("answers", "dns.answers.data", As::Same),
    also("community_id", "network.community_id", As::Same),
    moved("dst_ip", field::DESTINATION_IP, As::Destination),
    moved("dst_port", field::DESTINATION_PORT, As::DestinationPort),
    moved("id.orig_h", field::SOURCE_IP, As::Source),
    moved("id.orig_p", field::SOURCE_PORT, As::SourcePort),
    moved("id.resp_h", field::DESTINATION_IP, As::Destination),
    moved("id.resp_p", field::DESTINATION_PORT, As::DestinationPort),
    moved("id_orig_h", field::SOURCE_IP, As::Source),
    moved("id_orig_p", field::SOURCE_PORT, As::SourcePort),
    moved("id_resp_h", field::DESTINATION_IP, As::Destination),
    moved("id_resp_p", field::DESTINATION_PORT, As::DestinationPort),
    moved("proto", "network.transport", As::Transport),
    moved("qtype_name", "dns.question.type", As::Same),
    moved("query", "dns.question.name", As::Same),
    moved("rcode_name", "dns.response_code", As::Same),
    moved("src_ip", field::SOURCE_IP, As::Source),
    moved("src_port", field::SOURCE_PORT, As::SourcePort),
    moved("uid", "zeek.session_id", As::Same),
];

/// Names of one log, `LOG.NAME`, ordered.
pub(crate) const BY_LOG: &[Row] = &[
    also("conn.duration", "event.duration", As::Seconds),
    also("conn.orig_bytes", "source.bytes", As::Int),
    also("conn.orig_pkts", "source.packets", As::Int),
    also("conn.resp_bytes", "destination.bytes", As::Int),
    also("conn.resp_pkts", "destination.packets", As::Int),
    also("conn.service", "network.protocol", As::Same),
    also("dhcp.client_addr", field::SOURCE_IP, As::Source),
    also("dhcp.server_addr", field::DESTINATION_IP, As::Destination),
    also("files.filename", "file.name", As::Same),
    also("files.md5", "file.hash.md5", As::Same),
    also("files.mime_type", "file.mime_type", As::Same),
    also("files.sha1", "file.hash.sha1", As::Same),
    also("files.sha256", "file.hash.sha256", As::Same),
    also("files.total_bytes", "file.size", As::Int),
    also("ftp.user", field::USER_NAME, As::User),
    moved("http.host", field::URL_DOMAIN, As::Same),
    moved("http.method", field::HTTP_REQUEST_METHOD, As::Same),
    moved("http.referrer", field::HTTP_REFERRER, As::Same),
    moved("http.request_body_len", "http.request.body.bytes", As::Int),
    moved("http.response_body_len", field::HTTP_RESPONSE_BYTES, As::Int),
    moved("http.status_code", field::HTTP_RESPONSE_STATUS, As::Int),
    moved("http.uri", field::URL_ORIGINAL, As::Url),
    moved("http.user_agent", field::USER_AGENT, As::Same),
    moved("http.username", field::USER_NAME, As::User),
    moved("http.version", field::HTTP_VERSION, As::Same),
    also("kerberos.client", field::USER_NAME, As::User),
    also("notice.dst", field::DESTINATION_IP, As::Destination),
    also("notice.msg", field::MESSAGE, As::Same),
    also("notice.src", field::SOURCE_IP, As::Source),
    also("ntlm.username", field::USER_NAME, As::User),
    also("radius.username", field::USER_NAME, As::User),
    also("smb_files.name", "file.name", As::Same),
    also("smb_files.size", "file.size", As::Int),
    also("smtp.from", "email.from.address", As::Same),
    also("smtp.subject", "email.subject", As::Same),
    also("smtp.to", "email.to.address", As::Same),
    also("socks.user", field::USER_NAME, As::User),
    also("ssl.issuer", "tls.server.issuer", As::Same),
    also("ssl.ja3", "tls.client.ja3", As::Same),
    also("ssl.ja3s", "tls.server.ja3s", As::Same),
    also("ssl.server_name", "tls.client.server_name", As::Same),
    also("ssl.subject", "tls.server.subject", As::Same),
    also("ssl.version", "tls.version", As::Same),
    also("syslog.message", field::MESSAGE, As::Same),
];

/// Names that hold a time, which JSON writes as a number or as text.
pub(crate) const TIMES: &[&str] = &[
    "certificate.not_valid_after",
    "certificate.not_valid_before",
    "compile_ts",
    "times.accessed",
    "times.changed",
    "times.created",
    "times.modified",
];
