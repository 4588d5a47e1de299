//! Logsources and the events they speak of.
//!
//! Source: Sigma taxonomy appendix, "Log Sources"; for datasets, the names of Elastic's modules and
//! integrations where they have one.

use std::borrow::Cow;

use rules_event::field;

use super::when::{Names, When};
use super::windows::{self, CHANNELS};
use super::{Bound, Program, Source};

const AUTH: &str = "system.auth";
const SYSLOG: &str = "system.syslog";
const NGINX: &str = "nginx.access";
const APACHE: &str = "apache.access";
const AUDITD: &str = "auditd.log";
const SYSMON: &str = "windows.sysmon";
const SECURITY: &str = "windows.security";

/// One row: logsources, and the events they speak of.
struct Row {
    when: When,
    datasets: &'static [&'static str],
    bounds: &'static [Bound],
}

const fn code(values: &'static [&'static str]) -> Bound {
    Bound { field: "event.code", values }
}

const fn kind(values: &'static [&'static str]) -> Bound {
    Bound { field: field::EVENT_CATEGORY, values }
}

const fn what(values: &'static [&'static str]) -> Bound {
    Bound { field: "event.type", values }
}

const fn vendor(values: &'static [&'static str]) -> Bound {
    Bound { field: "observer.vendor", values }
}

/// Returns the events a logsource speaks of.
pub(super) fn source(names: &Names<'_>) -> Source {
    if let Some(row) = ROWS.iter().find(|row| row.when.fits(names)) {
        return Source {
            datasets: row.datasets.iter().map(|dataset| Cow::Borrowed(*dataset)).collect(),
            bounds: row.bounds.to_vec(),
            ..Source::default()
        };
    }
    let service = || Cow::Owned(names.service.to_owned());
    let program = |program| Source {
        datasets: vec![AUTH.into(), SYSLOG.into()],
        program: Some(program),
        ..Source::default()
    };
    let only = |dataset| Source { datasets: vec![dataset], ..Source::default() };
    match (names.category, names.product, names.service) {
        ("", "any", "") => Source { all: true, ..Source::default() },
        // Any dataset by its own name, for events that only we have.
        ("", "vonglau", "") => only("vonglau.host".into()),
        ("", "vonglau", _) => only(service()),
        ("", "linux" | "", "sshd" | "ssh") => {
            Source { datasets: vec![AUTH.into()], ..program(Program::Starting("sshd")) }
        }
        ("", "linux" | "", "cron") => program(Program::Named(
            ["cron", "crond", "anacron", "crontab"].map(Cow::Borrowed).into(),
        )),
        // A service of Linux is the program that writes to syslog under its own name.
        ("", "linux", _)
        | ("", "", "sudo" | "su" | "clamav" | "vsftpd" | "guacamole" | "named") => {
            program(Program::Named(vec![service()]))
        }
        // So are the services of a hypervisor, in its own stream.
        ("", "esxi", _) | ("", "vmware", "hostd" | "vobd" | "shell" | "vpxa") => Source {
            datasets: vec!["esxi.syslog".into()],
            program: Some(Program::Named(vec![service()])),
            ..Source::default()
        },
        ("firewall", "linux", "") | ("firewall", "", "iptables" | "nftables" | "ufw") => {
            program(Program::Named(vec!["kernel".into()]))
        }
        ("", "windows", "") => {
            let mut datasets: Vec<Cow<'static, str>> = Vec::new();
            for dataset in CHANNELS.iter().map(|channel| channel.dataset).chain([windows::OTHER]) {
                if !datasets.iter().any(|one| one == dataset) {
                    datasets.push(dataset.into());
                }
            }
            Source { datasets, ..Source::default() }
        }
        ("", "windows", name) => CHANNELS
            .iter()
            .find(|channel| channel.service == name)
            .map_or_else(Source::default, |channel| only(channel.dataset.into())),
        ("", "zeek", name) if !name.is_empty() => only(format!("zeek.{name}").into()),
        _ => Source::default(),
    }
}

const fn row(when: When, datasets: &'static [&'static str]) -> Row {
    Row { when, datasets, bounds: &[] }
}

/// A category of Windows: the events of Sysmon with these ids.
const fn sysmon(category: &'static [&'static str], ids: &'static [Bound]) -> Row {
    Row { when: When::kind(category, &["windows"]), datasets: &[SYSMON], bounds: ids }
}

const ROWS: &[Row] = &[
    // Web servers. Not zeek.http: it sees what clients inside ask of servers outside, too.
    row(web(&["nginx"]), &[NGINX]),
    row(web(&["apache"]), &[APACHE]),
    row(web(&["iis"]), &["iis.access"]),
    row(web(&["tomcat"]), &["tomcat.access"]),
    row(web(&["haproxy"]), &["haproxy.log"]),
    row(web(&["traefik"]), &["traefik.access"]),
    row(When { products: &[""], services: &["nginx"], ..WEB }, &[NGINX]),
    row(When { products: &[""], services: &["apache"], ..WEB }, &[APACHE]),
    row(When { products: &[""], services: &["iis"], ..WEB }, &["iis.access"]),
    row(
        When { products: &[""], services: &[""], ..WEB },
        &[NGINX, APACHE, "iis.access", "tomcat.access", "haproxy.log", "traefik.access"],
    ),
    row(plain(&["nginx"]), &[NGINX, "nginx.error"]),
    row(plain(&["apache"]), &["apache.error", APACHE]),
    row(When { categories: &[""], ..When::service(&[""], &["nginx"]) }, &[NGINX, "nginx.error"]),
    // Sigma taxonomy appendix: "service: apache", application error.log.
    row(When { categories: &[""], ..When::service(&[""], &["apache"]) }, &["apache.error", APACHE]),
    row(plain(&["iis"]), &["iis.access", "iis.error"]),
    row(plain(&["tomcat"]), &["tomcat.access", "tomcat.catalina"]),
    row(plain(&["haproxy"]), &["haproxy.log"]),
    row(plain(&["traefik"]), &["traefik.access"]),
    row(plain(&["squid"]), &["squid.access"]),
    row(plain(&["modsecurity"]), &["modsecurity.audit", "nginx.error", "apache.error"]),
    row(When::category(&["proxy"]), &["squid.access", "zeek.http"]),
    // Linux.
    row(When { categories: &[""], ..When::service(&["linux"], &[""]) }, LINUX),
    row(linux(&["auth", "authpriv", "secure"]), &[AUTH]),
    row(linux(&["syslog", "messages"]), &[SYSLOG, AUTH]),
    row(linux(&["auditd", "audit"]), &[AUDITD]),
    Row {
        when: When::kind(&["process_creation"], &["linux"]),
        datasets: &[AUDITD, "vonglau.process"],
        bounds: &[kind(&["process"]), what(&["start"])],
    },
    Row {
        when: When::kind(&["process_termination"], &["linux"]),
        datasets: &[AUDITD, "vonglau.process"],
        bounds: &[kind(&["process"]), what(&["end"])],
    },
    Row {
        when: When::kind(&["network_connection"], &["linux"]),
        datasets: &[AUDITD, "vonglau.network"],
        bounds: &[kind(&["network"]), what(&["start", "connection"])],
    },
    Row {
        when: When::kind(&["file_event"], &["linux"]),
        datasets: &[AUDITD, "vonglau.file"],
        bounds: &[kind(&["file"]), what(&["creation"])],
    },
    Row {
        when: When::kind(&["file_change"], &["linux"]),
        datasets: &[AUDITD, "vonglau.file"],
        bounds: &[kind(&["file"]), what(&["change"])],
    },
    Row {
        when: When::kind(&["file_delete"], &["linux"]),
        datasets: &[AUDITD, "vonglau.file"],
        bounds: &[kind(&["file"]), what(&["deletion"])],
    },
    // macOS, as Elastic Defend writes it.
    Row {
        when: When::kind(&["process_creation"], &["macos"]),
        datasets: &["endpoint.events.process"],
        bounds: &[what(&["start"])],
    },
    Row {
        when: When::kind(&["file_event"], &["macos"]),
        datasets: &["endpoint.events.file"],
        bounds: &[what(&["creation"])],
    },
    // Windows categories: event ids of Sysmon, and of the Security log where it has the same.
    Row {
        when: When::kind(&["process_creation"], &["windows"]),
        datasets: &[SYSMON, SECURITY],
        bounds: &[code(&["1", "4688"])],
    },
    Row {
        when: When::kind(&["process_termination"], &["windows"]),
        datasets: &[SYSMON, SECURITY],
        bounds: &[code(&["5", "4689"])],
    },
    sysmon(&["file_change"], &[code(&["2"])]),
    sysmon(&["network_connection"], &[code(&["3"])]),
    sysmon(&["sysmon_status"], &[code(&["4", "16"])]),
    sysmon(&["driver_load"], &[code(&["6"])]),
    sysmon(&["image_load"], &[code(&["7"])]),
    sysmon(&["create_remote_thread"], &[code(&["8"])]),
    sysmon(&["raw_access_thread"], &[code(&["9"])]),
    sysmon(&["process_access"], &[code(&["10"])]),
    sysmon(&["file_event"], &[code(&["11"])]),
    sysmon(&["registry_event"], &[code(&["12", "13", "14"])]),
    sysmon(&["registry_add", "registry_delete"], &[code(&["12"])]),
    sysmon(&["registry_set"], &[code(&["13"])]),
    sysmon(&["registry_rename"], &[code(&["14"])]),
    sysmon(&["create_stream_hash"], &[code(&["15"])]),
    sysmon(&["pipe_created"], &[code(&["17", "18"])]),
    sysmon(&["wmi_event"], &[code(&["19", "20", "21"])]),
    sysmon(&["dns_query"], &[code(&["22"])]),
    sysmon(&["file_delete"], &[code(&["23", "26"])]),
    sysmon(&["clipboard_capture"], &[code(&["24"])]),
    sysmon(&["process_tampering"], &[code(&["25"])]),
    sysmon(&["file_delete_detected"], &[code(&["26"])]),
    sysmon(&["file_block_executable"], &[code(&["27"])]),
    sysmon(&["file_block_shredding"], &[code(&["28"])]),
    sysmon(&["file_executable_detected"], &[code(&["29"])]),
    sysmon(&["sysmon_error"], &[code(&["255"])]),
    Row {
        when: When::kind(&["file_access"], &["windows"]),
        datasets: &["windows.kernel_file"],
        bounds: &[code(&["12"])],
    },
    Row {
        when: When::kind(&["file_rename"], &["windows"]),
        datasets: &["windows.kernel_file"],
        bounds: &[code(&["19"])],
    },
    powershell(&["ps_classic_start"], &["windows.powershell_classic"], &[code(&["400"])]),
    powershell(&["ps_classic_provider_start"], &["windows.powershell_classic"], &[code(&["600"])]),
    powershell(&["ps_classic_script"], &["windows.powershell_classic"], &[code(&["800"])]),
    powershell(&["ps_module"], &["windows.powershell"], &[code(&["4103"])]),
    powershell(&["ps_script"], &["windows.powershell"], &[code(&["4104"])]),
    // The same categories of any product, told apart by what ECS says of the event.
    Row {
        when: When::kind(&["process_creation"], &[""]),
        datasets: &[AUDITD, "vonglau.process", SYSMON, SECURITY, "endpoint.events.process"],
        bounds: &[kind(&["process"]), what(&["start"])],
    },
    Row {
        when: When::kind(&["network_connection"], &[""]),
        datasets: &[AUDITD, "vonglau.network", SYSMON],
        bounds: &[kind(&["network"]), what(&["start", "connection"])],
    },
    Row {
        when: When::kind(&["file_event"], &[""]),
        datasets: &[AUDITD, "vonglau.file", SYSMON, "endpoint.events.file"],
        bounds: &[kind(&["file"]), what(&["creation"])],
    },
    // Networks.
    row(When::kind(&["dns"], &[""]), &["zeek.dns", "suricata.eve", "windows.dns_server_analytic"]),
    row(When::kind(&["firewall"], &[""]), &["firewall.syslog", "zeek.conn"]),
    row(When::product(&["suricata"]), &["suricata.eve"]),
    firewall(&["fortigate", "fortinet"], &[vendor(&["Fortinet"])]),
    firewall(&["paloalto", "pan"], &[vendor(&["Palo Alto Networks"])]),
    firewall(&["sophos"], &[vendor(&["Sophos"])]),
    firewall(&["checkpoint"], &[vendor(&["Checkpoint"])]),
    firewall(&["pfsense", "opnsense"], &[vendor(&["netgate", "opnsense"])]),
    row(When::service(&["cisco"], &["duo"]), &["cisco_duo.auth"]),
    row(When::service(&["cisco"], &["asa"]), &["firewall.syslog"]),
    device(&["cisco"], &[vendor(&["Cisco"])]),
    device(&["huawei"], &[vendor(&["Huawei"])]),
    device(&["juniper"], &[vendor(&["Juniper"])]),
    row(When { services: &[""], ..plain(&["esxi"]) }, &["esxi.syslog"]),
    row(When::service(&["vmware"], &["", "esxi"]), &["esxi.syslog"]),
    row(When::service(&["vmware"], &["vcenter"]), &["vcenter.syslog"]),
    row(plain(&["wazuh"]), &["wazuh.alerts"]),
    // Clouds.
    row(When::service(&["aws"], &["cloudtrail"]), &["aws.cloudtrail"]),
    row(When::service(&["azure"], &["activitylogs"]), &["azure.activitylogs"]),
    row(When::service(&["azure"], &["auditlogs"]), &["azure.auditlogs"]),
    row(When::service(&["azure"], &["signinlogs"]), &["azure.signinlogs"]),
    row(When::service(&["azure"], &["riskdetection"]), &["azure.identity_protection"]),
    row(When::service(&["azure"], &["pim"]), &["azure.pim"]),
    row(When::service(&["gcp"], &["gcp.audit"]), &["gcp.audit"]),
    row(When::service(&["gcp"], &["google_workspace.admin"]), &["google_workspace.admin"]),
    row(When::service(&["gcp"], &["google_workspace.login"]), &["google_workspace.login"]),
    row(When::product(&["m365"]), &["o365.audit"]),
    row(When::product(&["okta"]), &["okta.system"]),
    row(When::product(&["onelogin"]), &["onelogin.events"]),
    row(When::product(&["github"]), &["github.audit"]),
    row(When::product(&["bitbucket"]), &["atlassian_bitbucket.audit"]),
    row(When::product(&["kubernetes"]), &["kubernetes.audit_logs"]),
    row(When::product(&["opencanary"]), &["opencanary.events"]),
    row(When::product(&["rpc_firewall"]), &["windows.rpc_firewall"]),
    // Applications: their own dataset where the configuration names it, and lines of any text.
    application(&["tomcat"], &["tomcat.catalina", "text", "json"]),
    application(&["django"], &["django.log", "text", "json", SYSLOG]),
    application(&["jvm"], &["jvm.log", "tomcat.catalina", "text", "json", SYSLOG]),
    application(&["nodejs"], &["nodejs.log", "text", "json", SYSLOG]),
    application(&["python"], &["python.log", "text", "json", SYSLOG]),
    application(&["ruby_on_rails"], &["ruby_on_rails.log", "text", "json", SYSLOG]),
    application(&["spring"], &["spring.log", "tomcat.catalina", "text", "json", SYSLOG]),
    application(&["velocity"], &["velocity.log", "tomcat.catalina", "text", "json", SYSLOG]),
    application(&["sql"], &["sql.log", "text", "json", SYSLOG]),
    row(
        When::category(&["database"]),
        &["postgresql.log", "mysql.error", "mysql.slowlog", "mssql.log", "mongodb.log", "sql.log"],
    ),
    row(When::category(&["antivirus"]), &["windows.windefend", "clamav.log"]),
];

const WEB: When = When::category(&["webserver"]);

const LINUX: &[&str] = &[AUTH, SYSLOG, AUDITD, "text", "json"];

const fn web(products: &'static [&'static str]) -> When {
    When { products, ..WEB }
}

/// A product without a category, whatever the service.
const fn plain(products: &'static [&'static str]) -> When {
    When::kind(&[""], products)
}

/// A service of Linux; the product may be left out.
const fn linux(services: &'static [&'static str]) -> When {
    When { categories: &[""], ..When::service(&["linux", ""], services) }
}

const fn powershell(
    category: &'static [&'static str],
    datasets: &'static [&'static str],
    bounds: &'static [Bound],
) -> Row {
    Row { when: When::kind(category, &["windows"]), datasets, bounds }
}

/// A firewall that sends syslog.
const fn firewall(products: &'static [&'static str], bounds: &'static [Bound]) -> Row {
    Row { when: When::product(products), datasets: &["firewall.syslog"], bounds }
}

/// A router or switch that sends syslog.
const fn device(products: &'static [&'static str], bounds: &'static [Bound]) -> Row {
    Row { when: When::product(products), datasets: &["network.syslog"], bounds }
}

const fn application(products: &'static [&'static str], datasets: &'static [&'static str]) -> Row {
    row(When::kind(&["application"], products), datasets)
}
