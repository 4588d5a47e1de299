//! Tests of the taxonomy.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rules_event::{Event, Timestamp, Value};

use super::*;
use crate::Copies;

fn logsource(category: &str, product: &str, service: &str) -> Logsource {
    let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Logsource {
        category: part(category),
        product: part(product),
        service: part(service),
        ..Logsource::default()
    }
}

#[track_caller]
fn check_source(category: &str, product: &str, service: &str, datasets: &[&str]) {
    assert_eq!(source(&logsource(category, product, service)).datasets, datasets);
}

#[test]
fn logsources_are_mapped() {
    let all = source(&logsource("", "any", ""));
    assert!(all.all && !all.is_empty() && all.admits(&Event::default()));
    let sshd = source(&logsource("", "linux", "sshd"));
    assert!(all.covers(&sshd) && !sshd.covers(&all) && all.covers(&all));
    assert!(!all.covers(&Source::default()), "what has no events needs no plan");
    check_source("", "linux", "sshd", &["system.auth"]);
    check_source("", "linux", "auth", &["system.auth"]);
    check_source("", "linux", "syslog", &["system.syslog", "system.auth"]);
    check_source("", "linux", "sudo", &["system.auth", "system.syslog"]);
    check_source("", "linux", "auditd", &["auditd.log"]);
    check_source("", "linux", "", &["system.auth", "system.syslog", "auditd.log", "text", "json"]);
    check_source("process_creation", "linux", "", &["auditd.log", "vonglau.process"]);
    check_source(
        "webserver",
        "",
        "",
        &[
            "nginx.access",
            "apache.access",
            "iis.access",
            "tomcat.access",
            "haproxy.log",
            "traefik.access",
        ],
    );
    check_source("webserver", "nginx", "", &["nginx.access"]);
    check_source("webserver", "", "apache", &["apache.access"]);
    check_source("", "", "apache", &["apache.error", "apache.access"]);
    check_source("", "vonglau", "", &["vonglau.host"]);
    check_source("", "vonglau", "my.dataset", &["my.dataset"]);
    check_source("process_creation", "windows", "", &["windows.sysmon", "windows.security"]);
    check_source("", "windows", "security", &["windows.security"]);
    check_source("", "windows", "powershell-classic", &["windows.powershell_classic"]);
    check_source("", "zeek", "dns", &["zeek.dns"]);
    check_source("", "fortigate", "event", &["firewall.syslog"]);
    check_source("", "esxi", "", &["esxi.syslog"]);
    check_source("", "unheard_of", "", &[]);
    check_source("", "windows", "unheard-of", &[]);
    check_source("unheard_of", "windows", "", &[]);
}

#[test]
fn programs_are_told_apart() {
    let sshd = source(&logsource("", "linux", "sshd")).program.unwrap();
    assert!(sshd.admits("sshd") && sshd.admits("sshd-session") && !sshd.admits("ssh"));
    let su = source(&logsource("", "linux", "su")).program.unwrap();
    assert!(su.admits("su") && !su.admits("sudo"));
    let cron = source(&logsource("", "linux", "cron")).program.unwrap();
    assert!(cron.admits("CRON"));
    let shell = source(&logsource("", "esxi", "shell")).program.unwrap();
    assert!(shell.admits("shell") && !shell.admits("hostd"));
}

fn event(fields: &[(&'static str, Value)]) -> Event {
    let mut event = Event::new(Timestamp::from_seconds(0), "1".into());
    for (name, value) in fields {
        event.set(*name, value.clone());
    }
    event
}

#[test]
fn categories_are_bound_to_their_events() {
    let creation = source(&logsource("process_creation", "windows", ""));
    let windows = |dataset: &'static str, code: Value| {
        event(&[("event.dataset", dataset.into()), ("event.code", code)])
    };
    assert!(creation.admits(&windows("windows.sysmon", Value::Int(1))));
    assert!(creation.admits(&windows("windows.sysmon", "1".into())));
    assert!(creation.admits(&windows("windows.security", "4688".into())));
    assert!(!creation.admits(&windows("windows.sysmon", Value::Int(3))));
    assert!(!creation.admits(&windows("windows.system", Value::Int(1))));

    let creation = source(&logsource("process_creation", "linux", ""));
    let audit = |kind: &'static str| {
        let kinds = Value::List(vec!["info".into(), kind.into()]);
        let category = Value::from("process");
        event(&[
            ("event.dataset", "auditd.log".into()),
            ("event.category", category),
            ("event.type", kinds),
        ])
    };
    assert!(creation.admits(&audit("start")));
    assert!(!creation.admits(&audit("end")));

    let forti = source(&logsource("", "fortigate", "event"));
    let log = |vendor: &'static str| {
        event(&[("event.dataset", "firewall.syslog".into()), ("observer.vendor", vendor.into())])
    };
    assert!(forti.admits(&log("fortinet")) && !forti.admits(&log("Sophos")));
}

#[track_caller]
fn check_field(category: &str, product: &str, service: &str, name: &str, ecs: &str, how: Mapping) {
    let (found, found_how) = mapping(&logsource(category, product, service), name);
    assert_eq!((found.as_ref(), found_how), (ecs, how));
}

#[test]
fn fields_are_mapped_by_logsource() {
    use Mapping::{AsIs, Dotted, Rest, Row};
    check_field("webserver", "", "", "cs-method", "http.request.method", Row);
    check_field("webserver", "", "", "cs-user-agent", "user_agent.original", Row);
    check_field("webserver", "", "", "url.path", "url.path", Dotted);
    check_field("webserver", "", "", "CommandLine", "CommandLine", AsIs);
    check_field("", "linux", "auditd", "a0", "auditd.a0", Rest);
    check_field("", "linux", "auditd", "auditd.a0", "auditd.a0", Dotted);
    check_field("process_creation", "linux", "", "CommandLine", "process.command_line", Row);
    check_field("process_creation", "linux", "", "User", "user.name", Row);
    check_field("process_creation", "linux", "", "unheard_of", "unheard_of", AsIs);
    check_field("process_creation", "macos", "", "Image", "process.executable", Row);
    check_field("process_creation", "windows", "", "Image", "process.executable", Row);
    check_field("process_creation", "windows", "", "User", "winlog.event_data.User", Rest);
    check_field("process_creation", "windows", "", "Product", "process.pe.product", Row);
    check_field("image_load", "windows", "", "Product", "file.pe.product", Row);
    check_field("", "windows", "security", "ServiceName", "service.name", Row);
    check_field("", "windows", "system", "ServiceName", "winlog.event_data.ServiceName", Rest);
    check_field("", "zeek", "smb_files", "path", "zeek.smb_files.path", Rest);
    check_field("", "zeek", "http", "uri", "url.original", Row);
    check_field(
        "",
        "aws",
        "cloudtrail",
        "requestParameters.a.b",
        "aws.cloudtrail.flattened.request_parameters.a.b",
        Row,
    );
    check_field("", "fortigate", "event", "cfgpath", "fortinet.firewall.cfgpath", Rest);
    check_field("", "", "", "own.dotted.name", "own.dotted.name", AsIs);
}

#[test]
fn rows_are_in_order_each_name_once_and_targets_look_like_ecs() {
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    for scope in SCOPES.iter().copied().flatten() {
        assert!(scope.fields.is_sorted_by(|(a, _), (b, _)| a < b), "{:?}", scope.when);
        for (sigma, ecs) in scope.fields {
            assert_eq!(sigma.ends_with('.'), ecs.ends_with('.'), "{sigma}");
            let ecs = ecs.trim_end_matches('.');
            assert!(ecs == "message" || ecs.split('.').count() > 1, "{sigma} → {ecs}");
            assert!(ecs.split('.').all(word), "{sigma} → {ecs}");
            let root = ecs.split('.').next().unwrap();
            assert!(ecs == "message" || roots::ROOTS.contains(&root), "{sigma} → {ecs}");
        }
        if let Rest::Under(prefix) | Rest::UnderService(prefix) = scope.rest {
            assert!(roots::ROOTS.contains(&prefix.split('.').next().unwrap()), "{prefix}");
        }
    }
    assert!(roots::ROOTS.is_sorted_by(|a, b| a < b));
}

/// Scopes of one logsource are asked in turn, so a special one may shadow a general one. It must not
/// say another thing than the general one by accident: those that do so on purpose are listed.
#[test]
fn scopes_of_one_logsource_do_not_contradict() {
    const MEANT: [(&str, &str); 2] =
        [("CommandLine", "powershell.command.value"), ("User", "process.user.name")];
    let scopes = || SCOPES.iter().copied().flatten();
    let all = |list: fn(&When) -> &'static [&'static str]| {
        let mut names: Vec<&str> = scopes().flat_map(|scope| list(&scope.when)).copied().collect();
        names.extend(["", "something else"]);
        names.sort_unstable();
        names.dedup();
        names
    };
    let (categories, products) = (all(|when| when.categories), all(|when| when.products));
    let services = all(|when| when.services);
    let mut shadowed = BTreeMap::new();
    for category in categories {
        for product in &products {
            for service in &services {
                let names = Names { category, product, service };
                let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
                for scope in scopes().filter(|scope| scope.when.fits(&names)) {
                    for (sigma, ecs) in scope.fields {
                        let first = seen.entry(sigma).or_insert(ecs);
                        if first != ecs {
                            shadowed.insert((*sigma, *first), *ecs);
                        }
                    }
                    if scope.rest != Rest::Next {
                        break;
                    }
                }
            }
        }
    }
    shadowed.retain(|row, _| !MEANT.contains(row));
    assert!(shadowed.is_empty(), "{shadowed:#?}");
}

#[test]
fn datasets_of_channels_are_named_after_their_service() {
    for channel in CHANNELS {
        let name = channel.service.trim_start_matches("microsoft-").replace('-', "_");
        assert_eq!(channel.dataset, format!("windows.{name}"));
    }
    assert!(CHANNELS.is_sorted_by(|a, b| a.service < b.service));
    let all = source(&logsource("", "windows", "")).datasets;
    for (index, dataset) in all.iter().enumerate() {
        assert!(!all[..index].contains(dataset), "{dataset} twice");
    }
}

#[test]
fn copies_are_only_made_of_what_people_write() {
    assert_eq!(copies("url.query"), Copies::Url);
    assert_eq!(copies("process.command_line"), Copies::Text);
    assert_eq!(copies("event.original"), Copies::None);
    assert_eq!(copies("source.ip"), Copies::None);
}

proptest! {
    /// A name maps to the same place whether or not it was mapped before.
    #[test]
    fn mapping_twice_is_mapping_once(
        category in "(|webserver|process_creation|dns|image_load)",
        product in "(|windows|linux|zeek|aws|okta|macos)",
        service in "(|security|http|auditd|cloudtrail)",
        name in "(Image|CommandLine|a0|c-uri|query|eventName|User|Hashes|path)",
    ) {
        let logsource = logsource(&category, &product, &service);
        let once = field_name(&logsource, &name).into_owned();
        if once.contains('.') {
            prop_assert_eq!(field_name(&logsource, &once), once.as_str());
        }
    }
}
