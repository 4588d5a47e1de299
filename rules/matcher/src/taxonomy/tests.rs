//! Tests of the taxonomy.

use super::*;

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
    check_source("", "linux", "sshd", &["system.auth"]);
    check_source("", "linux", "auth", &["system.auth"]);
    check_source("", "linux", "syslog", &["system.syslog", "system.auth"]);
    check_source("", "linux", "sudo", &["system.auth", "system.syslog"]);
    check_source("webserver", "", "", &["nginx.access", "apache.access"]);
    check_source("webserver", "nginx", "", &["nginx.access"]);
    check_source("webserver", "", "apache", &["apache.access"]);
    check_source("", "linux", "", &["system.auth", "system.syslog", "text", "json"]);
    check_source("", "vonglau", "", &["vonglau.host"]);
    check_source("", "vonglau", "my.dataset", &["my.dataset"]);
    check_source("process_creation", "linux", "", &[]);
    check_source("process_creation", "windows", "", &[]);
    check_source("", "linux", "auditd", &[]);
}

#[test]
fn programs_are_told_apart() {
    let sshd = source(&logsource("", "linux", "sshd")).program.unwrap();
    assert!(sshd.admits("sshd") && sshd.admits("sshd-session") && !sshd.admits("ssh"));
    let su = source(&logsource("", "linux", "su")).program.unwrap();
    assert!(su.admits("su") && !su.admits("sudo"));
    let cron = source(&logsource("", "linux", "cron")).program.unwrap();
    assert!(cron.admits("CRON"));
}

#[test]
fn fields_are_mapped_by_logsource() {
    let web = logsource("webserver", "", "");
    assert_eq!(field_name(&web, "cs-method"), "http.request.method");
    assert_eq!(field_name(&web, "cs-user-agent"), "user_agent.original");
    assert_eq!(field_name(&web, "url.path"), "url.path");
    let audit = logsource("", "linux", "auditd");
    assert_eq!(field_name(&audit, "a0"), "auditd.a0");
    assert_eq!(field_name(&audit, "auditd.a0"), "auditd.a0");
    let process = logsource("process_creation", "linux", "");
    assert_eq!(field_name(&process, "CommandLine"), "process.command_line");
    assert_eq!(field_name(&process, "unheard_of"), "unheard_of");
}

#[test]
fn tables_hold_each_name_once() {
    for table in [WEB, DNS, HOST] {
        assert!(table.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
