//! Real logs that nobody here wrote, when they are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use agent_inputs::Format;
use rules_event::field;

use super::decode;

pub(super) fn real(name: &str) -> Option<String> {
    let folder = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    match fs::read(folder.join(name)) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => {
            eprintln!("skipped: {name}: {error}; set VONGLAU_TEST_DATA");
            None
        }
    }
}

#[test]
fn a_month_of_ssh() {
    let Some(text) = real("ssh_auth_real/auth.log") else { return };
    let mut actions: BTreeMap<String, u32> = BTreeMap::new();
    let (mut lines, mut known, mut failed) = (0, 0, 0);
    for line in text.lines() {
        let event = decode(line, Some("/var/log/auth.log"), Format::Auto);
        lines += 1;
        assert_eq!(event.get_str(field::EVENT_DATASET), Some("system.auth"), "{line}");
        assert_eq!(event.get_str(field::HOST_NAME), Some("ip-10-77-20-248"), "{line}");
        assert!(event.get(field::PROCESS_NAME).is_some(), "{line}");
        if line.contains("Failed password for") || line.contains("Accepted ") {
            failed += u32::from(line.contains("Failed"));
            assert!(event.get(field::SOURCE_IP).is_some(), "{line}");
            assert!(event.get(field::SOURCE_PORT).is_some(), "{line}");
            assert_eq!(event.get_str(field::EVENT_ACTION), Some("ssh_login"), "{line}");
            let empty = line.contains("invalid user  from");
            assert_eq!(event.get(field::USER_NAME).is_some(), !empty, "{line}");
        }
        let action = event.get_str(field::EVENT_ACTION).unwrap_or("-");
        known += u32::from(action != "-");
        *actions.entry(action.to_owned()).or_default() += 1;
        if action == "-" && std::env::var_os("VONGLAU_SHOW_UNKNOWN").is_some() {
            eprintln!("{line}");
        }
    }
    eprintln!("{known} of {lines} lines have an action; {failed} failed passwords; {actions:?}");
    assert_eq!(lines, 7_121);
    // May only improve.
    assert!(known >= KNOWN_SSH, "{known}");
}

/// Lines of the month of ssh with an action.
const KNOWN_SSH: u32 = 6_961;

#[test]
fn ten_thousand_web_requests() {
    let Some(text) = real("web/apache_access_10k.log") else { return };
    let mut statuses: BTreeMap<i64, u32> = BTreeMap::new();
    for line in text.lines() {
        let event = decode(line, Some("/var/log/apache2/access.log"), Format::Auto);
        assert_eq!(event.get_str(field::EVENT_DATASET), Some("apache.access"), "{line}");
        assert!(
            event.get(field::SOURCE_IP).is_some() || event.get(field::SOURCE_ADDRESS).is_some()
        );
        assert!(event.get(field::URL_PATH).is_some(), "{line}");
        let status =
            event.get(field::HTTP_RESPONSE_STATUS).and_then(rules_event::ValueRef::as_int).unwrap();
        *statuses.entry(status).or_default() += 1;
    }
    eprintln!("{statuses:?}");
    assert_eq!(statuses.values().sum::<u32>(), 10_000);
}

#[test]
fn odd_forms_of_others() {
    // Lines fail2ban keeps because they once broke a parser; its comments tell what to expect.
    let Some(text) = real("fail2ban/logs/sshd.log") else { return };
    let (mut lines, mut enveloped, mut with_source) = (0, 0, 0);
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let event = decode(line, Some("/var/log/auth.log"), Format::Syslog);
        lines += 1;
        enveloped += u32::from(event.get_str(field::EVENT_DATASET) == Some("system.auth"));
        let source = event.get(field::SOURCE_IP).or(event.get(field::SOURCE_ADDRESS));
        with_source += u32::from(source.is_some());
        if source.is_none() && std::env::var_os("VONGLAU_SHOW_UNKNOWN").is_some() {
            eprintln!("{line}");
        }
    }
    eprintln!("{enveloped} of {lines} have an envelope, {with_source} a source");
    assert!(enveloped >= ENVELOPED_ODD && with_source >= SOURCE_ODD);
}

/// Lines of fail2ban with an envelope.
const ENVELOPED_ODD: u32 = 155;

/// Lines of fail2ban with a source.
const SOURCE_ODD: u32 = 125;
