//! Huawei USG and CloudEngine: `%%01POLICY/6/POLICYDENY(l):vsys=public, protocol=6, source-ip=203.0.113.5, …`.
//!
//! Spec: Huawei, "HUAWEI USG6000 Log Reference"; the form `%%01MODULE/severity/MNEMONIC(type):` is that of
//! its whole family.

use rules_event::{Event, field};

use super::super::table::{As, Row, find, moved, put_str, set_dataset};

/// Names in small letters without marks (`Source-IP`, `SourceIP`, `source-ip`), ordered.
const ROWS: &[Row] = &[
    moved("destinationip", field::DESTINATION_IP, As::Destination),
    moved("destinationport", field::DESTINATION_PORT, As::DestinationPort),
    moved("ip", field::SOURCE_IP, As::Source),
    moved("ipaddress", field::SOURCE_IP, As::Source),
    moved("protocol", "network.transport", As::Transport),
    moved("rcvbytes", "destination.bytes", As::Int),
    moved("rulename", "rule.name", As::Same),
    moved("sendbytes", "source.bytes", As::Int),
    moved("sourceip", field::SOURCE_IP, As::Source),
    moved("sourceport", field::SOURCE_PORT, As::SourcePort),
    moved("user", field::USER_NAME, As::User),
    moved("username", field::USER_NAME, As::User),
];

/// Most pairs that are looked at.
const PAIRS_MAX: usize = 64;

/// Decodes a message; false when it is of another device.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    let Some(rest) = message.strip_prefix("%%") else { return false };
    let Some((head, text)) = rest.split_once(':') else { return false };
    let mut parts = head.split('/');
    let (Some(module), Some(_), Some(mnemonic)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    // "01POLICY": the version of the form stands before the module.
    let module = module.trim_start_matches(|c: char| c.is_ascii_digit());
    let mnemonic = mnemonic.split('(').next().unwrap_or(mnemonic);
    set_dataset(event, "huawei", "network.syslog");
    event.set(field::EVENT_CATEGORY, "network");
    super::observed(event, "Huawei", "VRP");
    event.set_text("event.code", mnemonic);
    event.set_text(field::MESSAGE, text);
    event.set_text("huawei.module", module);
    let mut key = String::with_capacity(24);
    for pair in text.split([',', '(', ')']).take(PAIRS_MAX) {
        let Some((name, value)) = pair.split_once('=') else { continue };
        key.clear();
        // "Failed to login. (IP=…": words may stand before the name.
        let name = name.rsplit([' ', ';']).next().unwrap_or_default();
        key.extend(
            name.bytes()
                .filter(u8::is_ascii_alphanumeric)
                .map(|b| char::from(b.to_ascii_lowercase())),
        );
        let value = value.trim().trim_end_matches(['.', ';']);
        if let Some(row) = find(ROWS, &key).filter(|_| !value.is_empty()) {
            put_str(row, value, event);
        }
    }
    match (module, mnemonic) {
        ("POLICY", name) => {
            super::act(event, if name.contains("DENY") { "deny" } else { "permit" })
        }
        (_, name) if name.contains("LOGIN") || name.starts_with("SSH") => {
            let failed = name.contains("FAIL") || text.starts_with("Failed");
            event.set(field::EVENT_CATEGORY, "authentication");
            event.set(field::EVENT_ACTION, "login");
            event.set(field::EVENT_OUTCOME, if failed { "failure" } else { "success" });
        }
        _ => {}
    }
    true
}
