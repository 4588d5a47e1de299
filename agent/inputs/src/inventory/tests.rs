//! The inventory of this very host: everything once, then only what is different.

use rules_event::{Event, field};

use super::*;
use crate::bench::Bench;

fn kind_is(event: &Event, kind: &str, action: &str) -> bool {
    event.get_str("vonglau.inventory.kind") == Some(kind)
        && event.get_str(field::EVENT_ACTION) == Some(action)
}

#[test]
fn the_first_inventory_is_a_baseline_and_then_only_differences_come() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = i64::from(listener.local_addr().unwrap().port());
    let dir = tempfile::tempdir().unwrap();
    let pem = include_str!("certificates/test.pem");
    std::fs::write(dir.path().join("a.pem"), pem).unwrap();
    let certificates = vec![format!("{}/*.pem", dir.path().display())];
    let mut bench = Bench::new(|inputs| {
        inputs.inventory = InventoryConfig {
            enabled: true,
            interval_s: 10,
            certificates: certificates.clone(),
            ..InventoryConfig::default()
        };
    });
    let first = bench.until(|event| kind_is(event, "certificate", "certificate_found"));
    assert!(
        first.iter().all(|event| event.get("vonglau.inventory.baseline")
            == Some(rules_event::ValueRef::Bool(true)))
    );
    assert!(first.iter().any(|event| {
        kind_is(event, "user", "user_found") && event.get_str("user.name") == Some("root")
    }));
    assert!(first.iter().any(|event| {
        kind_is(event, "port", "port_found")
            && event.get("server.port").and_then(rules_event::ValueRef::as_int) == Some(port)
    }));
    for event in first.iter().filter(|event| kind_is(event, "interface", "interface_found")) {
        assert!(
            matches!(event.get("host.ip"), Some(rules_event::ValueRef::List(all)) if !all.is_empty())
        );
    }
    assert_eq!(
        packages::are_there(),
        first.iter().any(|event| kind_is(event, "package", "package_found"))
    );
    let certificate = first.iter().find(|event| kind_is(event, "certificate", "certificate_found"));
    let certificate = certificate.unwrap();
    assert_eq!(certificate.get_str(field::EVENT_DATASET), Some("vonglau.certificate"));
    assert!(
        certificate
            .get("vonglau.certificate.days_left")
            .and_then(rules_event::ValueRef::as_int)
            .is_some()
    );
    // While nobody looks one port closes and another opens.
    bench.stop();
    drop(listener);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = i64::from(listener.local_addr().unwrap().port());
    std::fs::remove_file(dir.path().join("a.pem")).unwrap();
    bench.start();
    let events = bench.until(|event| kind_is(event, "certificate", "certificate_removed"));
    let of_port = |action: &str, port: i64| {
        events.iter().any(|event| {
            kind_is(event, "port", action)
                && event.get("server.port").and_then(rules_event::ValueRef::as_int) == Some(port)
        })
    };
    assert!(of_port("port_added", other), "{events:#?}");
    assert!(port == other || of_port("port_removed", port), "{events:#?}");
    assert!(!events.iter().any(|event| kind_is(event, "user", "user_found")), "{events:#?}");
    bench.stop();
}
