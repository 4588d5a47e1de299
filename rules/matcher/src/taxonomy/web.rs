//! Web servers and proxies: the names of the W3C extended log format.
//!
//! Source: Sigma taxonomy appendix, categories webserver and proxy; ECS field sets http, url,
//! user_agent, source, destination.

use rules_event::field;

use super::{Fields, Rest, Scope, When};

pub(super) const SCOPES: &[Scope] = &[
    Scope { when: When::category(&["webserver", "proxy"]), fields: WEB, rest: Rest::AsIs },
    Scope { when: When::product(SERVERS), fields: WEB, rest: Rest::AsIs },
    Scope { when: When::service(&[""], SERVERS), fields: WEB, rest: Rest::AsIs },
];

/// Products that write access logs.
pub(super) const SERVERS: &[&str] =
    &["nginx", "apache", "iis", "tomcat", "haproxy", "traefik", "squid"];

const WEB: Fields = &[
    ("c-ip", field::SOURCE_IP),
    ("c-uri", field::URL_ORIGINAL),
    ("c-uri-extension", "url.extension"),
    ("c-uri-query", field::URL_QUERY),
    ("c-uri-stem", field::URL_PATH),
    ("c-useragent", field::USER_AGENT),
    ("c-win32-status", "iis.access.win32_status"),
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
    ("s-computername", "iis.access.server_name"),
    ("s-ip", field::DESTINATION_IP),
    ("s-port", field::DESTINATION_PORT),
    ("s-sitename", "iis.access.site_name"),
    ("sc-bytes", field::HTTP_RESPONSE_BYTES),
    ("sc-status", field::HTTP_RESPONSE_STATUS),
    ("src_ip", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
    ("time-taken", "event.duration"),
];
