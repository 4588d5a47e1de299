//! Networks: Zeek, Suricata, DNS, firewalls and the devices that speak syslog.
//!
//! Source: pySigma pipeline `ecs_zeek_beats`; Filebeat modules zeek and suricata; Elastic's
//! integrations fortinet_fortigate and cisco_duo.

use rules_event::field;

use super::{Fields, Rest, Scope, When};

pub(super) const SCOPES: &[Scope] = &[
    Scope { when: When::service(&["zeek"], &["http"]), fields: ZEEK_HTTP, rest: Rest::Next },
    Scope { when: When::product(&["zeek"]), fields: ZEEK, rest: Rest::UnderService("zeek") },
    Scope { when: When::product(&["suricata"]), fields: FLOW, rest: Rest::Under("suricata.eve") },
    Scope { when: When::product(&["wazuh"]), fields: WAZUH, rest: Rest::Under("wazuh") },
    Scope { when: When::category(&["dns"]), fields: DNS, rest: Rest::AsIs },
    Scope { when: When::category(&["firewall"]), fields: FLOW, rest: Rest::AsIs },
    Scope {
        when: When::product(&["fortigate", "fortinet"]),
        fields: &[],
        rest: Rest::Under("fortinet.firewall"),
    },
    Scope {
        when: When::service(&["cisco"], &["duo"]),
        fields: &[],
        rest: Rest::Under("cisco_duo.auth"),
    },
];

/// Zeek's own names, whatever the log. `answers` is the data of the answers, which pySigma puts
/// under `dns.answers.name`; ECS has `data` for it.
const ZEEK: Fields = &[
    ("answers", "dns.answers.data"),
    ("dst_ip", field::DESTINATION_IP),
    ("dst_port", field::DESTINATION_PORT),
    ("id.orig_h", field::SOURCE_IP),
    ("id.orig_p", field::SOURCE_PORT),
    ("id.resp_h", field::DESTINATION_IP),
    ("id.resp_p", field::DESTINATION_PORT),
    ("proto", "network.transport"),
    ("qtype_name", "dns.question.type"),
    ("query", "dns.question.name"),
    ("rcode_name", "dns.response_code"),
    ("src_ip", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
    ("uid", "zeek.session_id"),
];

/// Names of Zeek's http.log, and of web rules that are kept for it.
const ZEEK_HTTP: Fields = &[
    ("c-uri", field::URL_ORIGINAL),
    ("c-uri-query", field::URL_QUERY),
    ("c-uri-stem", field::URL_PATH),
    ("c-useragent", field::USER_AGENT),
    ("host", field::URL_DOMAIN),
    ("method", field::HTTP_REQUEST_METHOD),
    ("referrer", field::HTTP_REFERRER),
    ("request_body_len", "http.request.body.bytes"),
    ("response_body_len", field::HTTP_RESPONSE_BYTES),
    ("status_code", field::HTTP_RESPONSE_STATUS),
    ("uri", field::URL_ORIGINAL),
    ("user_agent", field::USER_AGENT),
    ("username", field::USER_NAME),
    ("version", field::HTTP_VERSION),
];

/// Wazuh's own names that look like ECS, or like ours: its rules and agents are not these.
const WAZUH: Fields = &[
    ("agent.", "wazuh.agent."),
    ("data.dstip", field::DESTINATION_IP),
    ("data.srcip", field::SOURCE_IP),
    ("full_log", field::MESSAGE),
    ("rule.", "wazuh.rule."),
];

/// Names of DNS rules.
const DNS: Fields = &[
    ("QueryName", "dns.question.name"),
    ("answer", "dns.answers.data"),
    ("parent_domain", "dns.question.registered_domain"),
    ("query", "dns.question.name"),
    ("record_type", "dns.question.type"),
    ("src_ip", field::SOURCE_IP),
];

/// Names of firewall rules. `blocked` is what some vendors say in place of an action; our decoders
/// say it with the action.
const FLOW: Fields = &[
    ("action", field::EVENT_ACTION),
    ("blocked", "vonglau.firewall.blocked"),
    ("dest_ip", field::DESTINATION_IP),
    ("dest_port", field::DESTINATION_PORT),
    ("dst_ip", field::DESTINATION_IP),
    ("dst_port", field::DESTINATION_PORT),
    ("proto", "network.transport"),
    ("src_ip", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
    ("username", field::USER_NAME),
];
